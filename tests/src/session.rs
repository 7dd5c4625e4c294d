//! What a session must do, on whichever device. `tests/session.rs` asks it of the processor,
//! `tests/gpu_session.rs` of the GPU.

use crate::host::{
    Host, TALE, checkpoints, folder, losses, phases, progress, refusal, small, small_text, starts,
};
use gradus_core::model::ModelFolder;
use gradus_core::protocol::{Command, DeviceChoice, Event, Phase, RunConfig, Source};
use gradus_core::train::learning_rate;
use std::time::Duration;

#[path = "session_trouble.rs"]
mod trouble;

pub use trouble::*;

fn with(config: &RunConfig, change: impl FnOnce(&mut RunConfig)) -> RunConfig {
    let mut config = config.clone();
    change(&mut config);
    config
}

/// A start is told in order: preparing, started, a first checkpoint, paused.
pub async fn starts_in_order(choice: DeviceChoice) {
    let mut host = Host::new();
    let said = host.tell(Command::Start(Box::new(small(choice, 10)))).await;
    let rest: Vec<&Event> = said.iter().filter(|e| !matches!(e, Event::Preparing { .. })).collect();
    let [
        Event::Phase(Phase::Preparing),
        Event::Started(started),
        Event::Checkpoint { step: 0, zip },
        Event::Phase(Phase::Paused),
    ] = rest.as_slice()
    else {
        panic!("{rest:?}")
    };
    assert_eq!(started.device.gpu, choice == DeviceChoice::Gpu, "{:?}", started.device);
    assert_eq!(started.config.model.vocab_size, 362);
    assert_eq!(started.parameters, started.config.model.parameters());
    // Weights, gradients and two moments, of four bytes each, are the least that training takes.
    assert!(started.bytes > 16 * started.parameters, "{} bytes", started.bytes);
    assert!(started.floor.is_some_and(|f| f > 1.0 && f < 362f64.ln()), "{:?}", started.floor);
    assert_eq!((started.step, started.bigram, started.tokens), (0, None, None));
    let state = folder(zip).trainer.unwrap_or_else(|| panic!("the first checkpoint has no state"));
    assert_eq!((state.step, &state.run), (0, &started.config));

    let said = host.tell(Command::Start(Box::new(small_text(choice, 10)))).await;
    let started = starts(&said)[0];
    // A short text may run out of pairs that repeat before the vocabulary is full.
    let vocab = started.config.model.vocab_size;
    assert!((200..=300).contains(&vocab), "{vocab} tokens");
    assert!(started.bigram.is_some_and(|b| b > 0.0 && b < 300f64.ln()), "{:?}", started.bigram);
    assert!(started.tokens.is_some_and(|t| t > 500 && t < TALE.len() as u64), "{:?}", started.tokens);
    assert_eq!(started.floor, None);
}

/// A run tells every step's loss exactly once, and validates and checkpoints at the multiples and the end.
pub async fn tells_every_step_once(choice: DeviceChoice) {
    let config = with(&small(choice, 20), |c| {
        c.train.validate_every = 6;
        c.train.checkpoint_every = 8;
    });
    let mut host = Host::started(&config).await;
    let said = host.finish().await;
    let steps: Vec<u64> = losses(&said).iter().map(|l| l.0).collect();
    assert_eq!(steps, (1..=20).collect::<Vec<u64>>());
    let validated: Vec<u64> = said
        .iter()
        .filter_map(|e| if let Event::Validation { step, .. } = e { Some(*step) } else { None })
        .collect();
    assert_eq!(validated, [6, 12, 18, 20]);
    assert_eq!(checkpoints(&said).iter().map(|c| c.0).collect::<Vec<_>>(), [8, 16, 20]);
    assert_eq!(phases(&said), [Phase::Running, Phase::Done]);
    for p in progress(&said) {
        assert_eq!(p.num_tokens, p.step * 4 * 32);
        assert_eq!(p.learning_rate, learning_rate(&config.train, p.step));
        assert!(p.grad_norm > 0.0 && p.tokens_per_second > 0.0, "{p:?}");
        assert!(p.losses.iter().all(|l| (3.0..8.0).contains(&l.1)), "{p:?}");
    }
    for command in [Command::Run, Command::Step] {
        assert!(refusal(&host.tell(command).await).contains("all steps are done"));
    }
}

/// A pause acts at once, a turn is short, a step is one step, and a limited speed is kept.
pub async fn obeys_at_once(choice: DeviceChoice) {
    let mut host = Host::started(&small(choice, 100_000)).await;
    assert_eq!(phases(&host.tell(Command::Run).await), [Phase::Running]);
    let mut done = 0;
    for _ in 0..12 {
        let (more, said) = host.turn().await;
        assert!(more);
        done += losses(&said).len() as u64;
    }
    // A device may have a turn under way, of which it is told first.
    let said = host.tell(Command::Pause).await;
    assert!(matches!(
        &said[..],
        [Event::Phase(Phase::Paused)] | [Event::Progress(_), Event::Phase(Phase::Paused)]
    ));
    done += losses(&said).len() as u64;
    let (more, said) = host.turn().await;
    assert!(!more && said.is_empty(), "a paused session trained: {said:?}");
    // The median: on a busy machine single turns are interrupted.
    host.turns.sort_unstable();
    let turn = host.turns[host.turns.len() / 2];
    assert!(turn < Duration::from_millis(100), "a turn takes {turn:?}");
    let said = host.tell(Command::Step).await;
    assert_eq!(losses(&said).iter().map(|l| l.0).collect::<Vec<_>>(), [done + 1]);
    host.tell(Command::Speed { steps_per_second: 1 }).await;
    host.tell(Command::Run).await;
    let mut slow = 0;
    for _ in 0..20 {
        slow += losses(&host.turn().await.1).len();
    }
    assert!(slow <= 2, "{slow} steps at one a second");
    // A step ends a run that is going.
    assert_eq!(phases(&host.tell(Command::Step).await), [Phase::Paused]);
}

/// The same seed twice gives the same bits; a reset gives those of a fresh run with the new seed, of the world's rows
/// too, as a link with this seed does.
pub async fn seeds_decide(choice: DeviceChoice) {
    let seeded = |seed| with(&small(choice, 12), |c| (c.seed, c.source) = (seed, Source::World { seed }));
    let config = seeded(7);
    let mut first = Host::started(&config).await;
    let said = first.finish().await;
    let seven = (losses(&said), checkpoints(&said)[0].1.clone());
    let said = first.tell(Command::Reset { seed: 8 }).await;
    let started = starts(&said)[0];
    assert_eq!((started.step, started.config.seed), (0, 8));
    assert_eq!(started.config.source, Source::World { seed: 8 });
    assert_eq!(phases(&said), [Phase::Paused]);
    let said = first.finish().await;
    let eight = (losses(&said), checkpoints(&said)[0].1.clone());
    assert_ne!(seven.0, eight.0);

    let mut other = Host::started(&seeded(8)).await;
    let said = other.finish().await;
    assert_eq!(losses(&said), eight.0);
    assert_eq!(checkpoints(&said)[0].1, &eight.1);
    other.tell(Command::Reset { seed: 7 }).await;
    let said = other.finish().await;
    assert_eq!(losses(&said), seven.0);
    assert_eq!(checkpoints(&said)[0].1, &seven.1);

    // A text of one's own stays as it is.
    let text = small_text(choice, 4);
    let mut own = Host::started(&text).await;
    let said = own.tell(Command::Reset { seed: 8 }).await;
    assert_eq!((&starts(&said)[0].config.source, starts(&said)[0].config.seed), (&text.source, 8));
    let fresh = losses(&Host::started(&with(&text, |c| c.seed = 8)).await.finish().await);
    assert_eq!(losses(&own.finish().await), fresh);
}

/// Forty steps are forty steps, to the bit of losses, weights and moments: straight, step by step, or cut in
/// two by a checkpoint that another session takes up; also with accumulated gradients and on own text.
pub async fn resumes_to_the_bit(choice: DeviceChoice) {
    for config in [
        small(choice, 40),
        with(&small(choice, 40), |c| c.train.accumulate = 2),
        with(&small_text(choice, 40), |c| c.train.accumulate = 3),
    ] {
        let mut straight = Host::started(&config).await;
        let said = straight.finish().await;
        let expected = (losses(&said), checkpoints(&said)[0].1.clone());
        assert_eq!(expected.0.len(), 40);

        let mut first = Host::started(&config).await;
        let mut got = losses(&first.steps(20).await);
        let zip = first.checkpoint().await;
        // The session that wrote the checkpoint goes on undisturbed …
        let mut on = got.clone();
        let said = first.finish().await;
        on.extend(losses(&said));
        assert_eq!(on, expected.0);
        assert_eq!(checkpoints(&said)[0].1, &expected.1);
        // … and a fresh one takes up the same thread.
        let mut second = Host::restored(zip).await;
        let said = second.finish().await;
        got.extend(losses(&said));
        assert_eq!(got, expected.0);
        assert_eq!(checkpoints(&said)[0].1, &expected.1);
    }
}

/// A run that moves to another device keeps its step and its weights, and goes on learning.
pub async fn moves_between_devices(choice: DeviceChoice) {
    let mut host = Host::started(&small(choice, 20)).await;
    let mut all = losses(&host.steps(6).await);
    let before = folder(&host.export().await);
    let said = host.tell(Command::Device(DeviceChoice::Cpu)).await;
    let told = |e: &Event| match e {
        Event::Device { choice, report } => Some((*choice, report.gpu)),
        _ => None,
    };
    assert_eq!(said.iter().filter_map(told).collect::<Vec<_>>(), [(DeviceChoice::Cpu, false)]);
    let device = |zip: &[u8]| folder(zip).trainer.map(|state| state.run.device);
    assert_eq!(device(checkpoints(&said)[0].1), Some(DeviceChoice::Cpu));
    assert_eq!(phases(&said), [Phase::Preparing, Phase::Paused]);
    assert_eq!(folder(&host.export().await), before);
    let said = host.finish().await;
    all.extend(losses(&said));
    assert_eq!(all.iter().map(|l| l.0).collect::<Vec<_>>(), (1..=20).collect::<Vec<u64>>());
    // The other device rounds differently, but it is the same run.
    let straight = losses(&Host::started(&small(choice, 20)).await.finish().await);
    for ((step, a), (_, b)) in all.iter().zip(&straight) {
        let (a, b) = (f32::from_bits(*a), f32::from_bits(*b));
        assert!((a - b).abs() < 1e-2, "step {step}: {a} after the move, {b} without");
    }

    // A checkpoint of one device is taken up on another, as when the first is what fails.
    let mut elsewhere = folder(&host.checkpoint().await);
    elsewhere.trainer.iter_mut().for_each(|state| state.run.device = DeviceChoice::Gpu);
    let zip = elsewhere.to_zip().unwrap_or_else(|e| panic!("{e}"));
    let said = host.tell(Command::Restore { zip, device: Some(DeviceChoice::Cpu) }).await;
    let started = starts(&said)[0];
    assert_eq!((started.config.device, started.device.gpu, started.step), (DeviceChoice::Cpu, false, 20));
}

/// An exported model opens, is the model, and can be gone on from; anything else is refused.
pub async fn exports_and_imports(choice: DeviceChoice) {
    let config = small(choice, 30);
    let mut host = Host::started(&config).await;
    host.steps(5).await;
    let zip = host.export().await;
    let state = folder(&host.checkpoint().await);
    let model = folder(&zip);
    assert_eq!(model.tensors, state.tensors);
    assert_eq!(model.tokenizer, state.tokenizer);
    assert!(model.trainer.is_none());
    let expected = losses(&host.finish().await);

    let mut host = Host::started(&config).await;
    host.steps(5).await;
    let other = |change: &dyn Fn(&mut ModelFolder)| {
        let mut folder = model.clone();
        change(&mut folder);
        folder.to_zip().unwrap_or_else(|e| panic!("{e}"))
    };
    // A zip of stored files: a weight's bytes can be found in it and replaced.
    let weight = model.tensors[0].values[..4].iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let at =
        zip.windows(16).position(|w| w == weight).unwrap_or_else(|| panic!("the weights are not stored"));
    let mut broken = zip.clone();
    broken[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    for (zip, says) in [
        (b"no zip at all".to_vec(), "zip"),
        (Vec::new(), "zip"),
        (zip[..zip.len() / 2].to_vec(), "zip"),
        (broken, ""),
        (other(&|f| f.tokenizer = None), "tokenizer.json"),
    ] {
        let said = host.tell(Command::Import { zip: zip.clone() }).await;
        assert!(refusal(&said).contains(says), "{}", refusal(&said));
        let said = host.tell(Command::Restore { zip, device: None }).await;
        assert!(!refusal(&said).is_empty());
        assert!(starts(&said).is_empty());
    }
    assert!(
        refusal(&host.tell(Command::Restore { zip: zip.clone(), device: None }).await)
            .contains("open it as a model")
    );
    assert_eq!(losses(&host.finish().await), expected, "the refusals changed the run");

    let said = host.tell(Command::Import { zip: zip.clone() }).await;
    assert_eq!(starts(&said)[0].step, 0);
    assert_eq!(folder(&host.export().await), model);
    assert_eq!(losses(&host.finish().await).len(), 30);
    // Of a checkpoint the weights are taken alone: its run was done, and this one begins.
    let done = host.checkpoint().await;
    let said = host.tell(Command::Import { zip: done.clone() }).await;
    assert_eq!(starts(&said)[0].step, 0);
    assert_eq!(folder(&host.export().await).tensors, folder(&done).tensors);
    let state = folder(&host.checkpoint().await).trainer.unwrap_or_else(|| panic!("there is no state"));
    assert!(state.exp_avg.iter().flat_map(|t| &t.values).all(|&m| m == 0.0), "moments of another run");
    assert_eq!(losses(&host.finish().await).len(), 30);
    // Settings of a model of another shape are no state of this one.
    let mut two = folder(&done);
    two.trainer.iter_mut().for_each(|state| state.run.model.n_positions /= 2);
    let zip = two.to_zip().unwrap_or_else(|e| panic!("{e}"));
    let said = host.tell(Command::Restore { zip: zip.clone(), device: None }).await;
    assert!(refusal(&said).contains("open the file as a model"), "{}", refusal(&said));
    assert_eq!(starts(&host.tell(Command::Import { zip }).await)[0].step, 0);
    // A model of another text's words cannot go on with this one's.
    let mut text = Host::started(&small_text(choice, 5)).await;
    let foreign = text.export().await;
    assert!(refusal(&host.tell(Command::Import { zip: foreign }).await).contains("own text"));
}

/// Attention's probabilities can be looked at: rows that sum to one and never see what comes later.
pub async fn shows_attention(choice: DeviceChoice) {
    let mut host = Host::started(&small(choice, 10)).await;
    host.steps(3).await;
    let before = folder(&host.export().await);
    let said = host.tell(Command::Probe { node: "block.0.attn.probs".into() }).await;
    let [Event::Probe { node, shape, values }] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(node, "block.0.attn.probs");
    assert_eq!(shape.as_slice(), [1, 2, 32, 32]);
    for (i, row) in values.chunks_exact(32).enumerate() {
        let seen = i % 32 + 1;
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "row {i} sums to {}", row.iter().sum::<f32>());
        assert!(row[..seen].iter().all(|p| *p > 0.0), "row {i}: {row:?}");
        assert!(row[seen..].iter().all(|p| *p == 0.0), "row {i} looks ahead: {row:?}");
    }
    assert_eq!(folder(&host.export().await), before, "looking changed the model");
}
