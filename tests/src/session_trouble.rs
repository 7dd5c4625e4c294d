//! What a session refuses, and what it survives.

use super::with;
use crate::host::{Host, checkpoints, failure, losses, phases, refusal, small, starts};
use gradus_core::data::{Loader, Material};
use gradus_core::protocol::{
    Command, DeviceChoice, Fault, ModelConfig, Phase, SampleConfig, Source, TrainConfig,
};
use gradus_core::text::Tokenizer;
use gradus_core::{Error, Result};
use gradus_lessons::loader::CourseLoader;
use std::cell::RefCell;
use std::rc::Rc;

/// A loader that fails with what it is told to.
struct Failing(Rc<RefCell<Option<Error>>>);

impl Loader for Failing {
    fn load(
        &mut self,
        source: &Source,
        context: usize,
        tokenizer: Option<&Tokenizer>,
        progress: &mut dyn FnMut(&str, f32),
    ) -> Result<Material> {
        match &*self.0.borrow() {
            Some(error) => Err(error.clone()),
            None => CourseLoader.load(source, context, tokenizer, progress),
        }
    }
}

/// What breaks a run that is only being built, on a device of its own, is refused: the one in hand goes on, also
/// where that was to move.
pub async fn outlives_what_cannot_be_built(choice: DeviceChoice) {
    let config = small(choice, 20);
    let expected = losses(&Host::started(&config).await.finish().await);
    let error = Rc::new(RefCell::new(None));
    let mut host = Host::with(Box::new(Failing(error.clone())));
    host.tell(Command::Start(Box::new(config.clone()))).await;
    let mut got = losses(&host.steps(4).await);
    let (model, state) = (host.export().await, host.checkpoint().await);
    for fatal in [
        Error::DeviceLost("it is a test".into()),
        Error::OutOfMemory { device: "this one".into(), detail: "it is a test".into() },
    ] {
        for command in [
            Command::Device(DeviceChoice::Cpu),
            Command::Start(Box::new(config.clone())),
            Command::Import { zip: model.clone() },
            Command::Restore { zip: state.clone(), device: None },
        ] {
            *error.borrow_mut() = Some(fatal.clone());
            let said = host.tell(command).await;
            assert!(refusal(&said).contains("it is a test"), "{said:?}");
            assert_eq!(phases(&said), [Phase::Preparing, Phase::Paused]);
            *error.borrow_mut() = None;
            got.extend(losses(&host.steps(1).await));
        }
    }
    got.extend(losses(&host.finish().await));
    assert_eq!(got, expected, "the refusals changed the run");
}

/// Settings and texts that cannot be: each is refused with a remedy, and the run in hand goes on unchanged.
pub async fn refuses_what_cannot_be(choice: DeviceChoice) {
    let config = small(choice, 24);
    let expected = losses(&Host::started(&config).await.finish().await);
    let mut host = Host::started(&config).await;
    let mut got = losses(&host.steps(4).await);
    let text = |text: &str| {
        let source = Source::Text { text: text.into(), vocab: 300 };
        with(&config, |c| c.source = source)
    };
    let model = |change: &dyn Fn(&mut ModelConfig)| with(&config, |c| change(&mut c.model));
    let train = |change: &dyn Fn(&mut TrainConfig)| with(&config, |c| change(&mut c.train));
    let biggest = ModelConfig::preset("10m").unwrap_or_else(|| panic!("there is no preset 10m"));
    let garbage: String = (0..4000u32).map(|i| char::from((i * 7 % 27) as u8 + 1)).collect();
    let cases = [
        (text(""), "paste some text"),
        (text(" \n\t "), "paste some text"),
        (text("far too short"), "Add text"),
        (text(&garbage), "plain text file"),
        (text("a\0b"), "plain text file"),
        (text(&"long ".repeat(17 << 20 >> 2)), "use a part of it"),
        (model(&|m| m.n_embd = 6), "multiple of 4"),
        (model(&|m| m.n_head = 3), "number of heads"),
        (model(&|m| m.n_layer = 0), "1 to"),
        (model(&|m| m.n_positions = 0), "1 to 1024"),
        (model(&|m| m.n_positions = 5000), "1 to 1024"),
        (model(&|m| m.vocab_size = 5), "leave it out"),
        (model(&|m| (m.n_embd, m.n_layer) = (4096, 48)), "Choose fewer layers"),
        (train(&|t| t.batch = 0), "1 to 1024"),
        (train(&|t| t.accumulate = 65), "1 to 64"),
        (train(&|t| t.lr = f64::NAN), "lr must be a number"),
        (train(&|t| t.lr = -1.0), "0 or more"),
        (train(&|t| t.beta2 = 1.0), "below 1"),
        (train(&|t| t.eps = 0.0), "above 0"),
        (train(&|t| t.steps = 0), "steps must be 1"),
        (with(&config, |c| (c.model, c.train.batch) = (biggest.clone(), 1024)), "smaller preset, batch"),
    ];
    for (config, remedy) in cases {
        let said = host.tell(Command::Start(Box::new(config))).await;
        assert!(refusal(&said).contains(remedy), "{:?} names no {remedy:?}", refusal(&said));
        assert!(starts(&said).is_empty() && checkpoints(&said).is_empty());
        assert_eq!(phases(&said).last(), Some(&Phase::Paused), "{said:?}");
    }
    let sample = |change: &dyn Fn(&mut SampleConfig)| {
        let mut settings = SampleConfig::default();
        change(&mut settings);
        Command::Sample(settings)
    };
    for (command, remedy) in [
        (sample(&|s| s.prompt = "xylophone".into()), "does not know the word"),
        (sample(&|s| s.temperature = -1.0), "0 (greedy) or more"),
        (sample(&|s| s.temperature = f32::NAN), "0 (greedy) or more"),
        (sample(&|s| s.top_p = 0.0), "above 0"),
        (Command::Probe { node: "block.9.attn.probs".into() }, "try block.0.attn.probs"),
    ] {
        let said = host.tell(command).await;
        assert!(refusal(&said).contains(remedy), "{:?} names no {remedy:?}", refusal(&said));
    }
    got.extend(losses(&host.finish().await));
    assert_eq!(got, expected, "the refusals changed the run");
}

/// Without a run there is nothing to command.
pub async fn refuses_before_a_start() {
    let mut host = Host::new();
    for command in [
        Command::Run,
        Command::Pause,
        Command::Step,
        Command::Reset { seed: 1 },
        Command::Device(DeviceChoice::Cpu),
        Command::Sample(SampleConfig::default()),
        Command::Probe { node: "logits".into() },
        Command::Export,
        Command::Checkpoint,
        Command::Fault(Fault::Nan),
    ] {
        let said = host.tell(command).await;
        assert_eq!(refusal(&said), "there is no run yet: start one first");
        assert_eq!(phases(&said), []);
        assert!(!host.turn().await.0);
    }
    assert!(!refusal(&host.tell(Command::Import { zip: vec![1, 2, 3] }).await).is_empty());
}

/// Each fault stops the run with a word about what can be done, and the last checkpoint takes it to the same
/// end as if nothing had happened.
pub async fn survives_faults(choice: DeviceChoice) {
    let config = with(&small(choice, 24), |c| c.train.checkpoint_every = 8);
    let said = Host::started(&config).await.finish().await;
    let (expected, end) = (losses(&said), checkpoints(&said)[2].1.clone());
    for fault in [Fault::DeviceLost, Fault::OutOfMemory, Fault::Nan] {
        let mut host = Host::started(&config).await;
        let said = host.steps(11).await;
        let mut got = losses(&said)[..8].to_vec();
        let (step, zip) = checkpoints(&said)[0];
        assert_eq!(step, 8);
        let mut said = host.tell(Command::Fault(fault)).await;
        if fault != Fault::OutOfMemory {
            assert_eq!(phases(&said), [], "{fault:?} is only noticed by the next step");
            said = host.finish().await;
        }
        let (message, recoverable, restart) = failure(&said);
        assert!(recoverable, "{fault:?}");
        assert_eq!(restart, fault != Fault::Nan);
        assert_eq!(phases(&said).last(), Some(&Phase::Failed));
        let words: &[&str] = match fault {
            Fault::Nan => &["NaN", "step 12", "learning rate", "lower it", "checkpoint (step 8)"],
            Fault::OutOfMemory => &["out of memory", "smaller preset"],
            _ => &["lost", "last checkpoint"],
        };
        for word in words {
            assert!(message.contains(word), "{fault:?}: {message:?} does not say {word:?}");
        }
        assert!(losses(&said).is_empty(), "a failed run reported {said:?}");
        assert!(refusal(&host.tell(Command::Run).await).contains("has failed"));
        if fault == Fault::Nan {
            let said = host.tell(Command::Export).await;
            assert!(failure(&said).0.contains("NaN"), "weights that are NaN were exported");
        }
        // In a fresh session, as a supervisor does; and in this one.
        let said = Host::restored(zip.clone()).await.finish().await;
        assert_eq!(checkpoints(&said)[1].1, &end, "{fault:?}");
        let said = host.tell(Command::Restore { zip: zip.clone(), device: None }).await;
        assert_eq!(phases(&said), [Phase::Preparing, Phase::Paused]);
        let said = host.finish().await;
        got.extend(losses(&said));
        assert_eq!(got, expected, "{fault:?}");
        assert_eq!(checkpoints(&said)[1].1, &end, "{fault:?}");
    }
}
