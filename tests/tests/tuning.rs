//! Fine-tuning against PyTorch, and what must hold of it whatever the numbers.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::cpu::Cpu;
use gradus_core::model::{Lora, ModelFolder, Params};
use gradus_core::protocol::{ModelConfig, Schedule, TrainConfig};
use gradus_core::rng::{Rng, Stream};
use gradus_core::train::{Example, Objective, Tuner, Tuning, sft_step};
use gradus_tests::tuning::{self, CASES};
use pollster::block_on;

#[test]
fn ten_steps_agree_with_pytorch() {
    block_on(tuning::check(|| Box::new(Cpu::<f32>::new()) as Box<dyn Device>, &CASES, 1e-4))
        .unwrap_or_else(|e| panic!("{e:#}"));
}

const ROWS: usize = 6;

fn folder() -> ModelFolder {
    let config =
        ModelConfig { vocab_size: 31, n_positions: 16, ..ModelConfig::preset("10k").expect("a preset") };
    let params = Params::new(&config);
    let tensors = params.tensors(&params.init(&config, 4));
    ModelFolder { config, tensors, tokenizer: None, trainer: None }
}

fn tuning(lora: Option<Lora>) -> Tuning {
    let train = TrainConfig {
        batch: ROWS,
        lr: 1e-2,
        warmup: 0,
        schedule: Schedule::Constant,
        ..TrainConfig::default()
    };
    Tuning { objective: Objective::Sft, train, context: 15, lora, forbidden: Vec::new() }
}

fn tuner(folder: &ModelFolder, tuning: &Tuning) -> Tuner {
    let mut tuner = Tuner::new(Box::new(Cpu::<f32>::new()), &folder.config, tuning).expect("a tuner");
    tuner.open(folder, 5).expect("it opens");
    tuner
}

fn step(rng: &mut Rng) -> Vec<Example> {
    let mut row = |n: u32| -> Vec<u32> { (0..n).map(|_| rng.below(31)).collect() };
    sft_step((0..ROWS).map(|i| Example::answer(&row(3), &row(1 + i as u32))).collect(), Vec::new(), 0.0)
}

/// The loss of a step, before it is learned from.
fn loss(tuner: &mut Tuner, step: &[Example]) -> f64 {
    tuner.submit(&[step.to_vec()]).expect("a step");
    block_on(tuner.collect()).expect("metrics")[0].get("loss")
}

#[test]
fn lora_changes_nothing_at_first_and_its_merged_model_is_the_adapted_one() {
    let (folder, mut rng) = (folder(), Rng::new(8, Stream::Test));
    for lora in [
        Lora { rank: 4, alpha: 8.0, c_attn: true, c_proj: true },
        Lora { rank: 1, alpha: 1.0, c_attn: true, c_proj: false },
        Lora { rank: 6, alpha: 3.0, c_attn: false, c_proj: true },
    ] {
        let mut adapted = tuner(&folder, &tuning(Some(lora)));
        assert_eq!(
            block_on(adapted.folder(None)).expect("weights"),
            folder,
            "{lora:?}: zero change, to the bit"
        );
        let first = step(&mut rng);
        let whole = loss(&mut tuner(&folder, &tuning(None)), &first);
        assert_eq!(loss(&mut adapted, &first), whole, "{lora:?}");
        for _ in 0..8 {
            loss(&mut adapted, &step(&mut rng));
        }
        let merged = block_on(adapted.folder(None)).expect("weights");
        let probe = step(&mut rng);
        let (with, plain) = (loss(&mut adapted, &probe), loss(&mut tuner(&merged, &tuning(None)), &probe));
        assert!((with - plain).abs() < 1e-5, "{lora:?}: adapted {with}, merged {plain}");
        let untouched = loss(&mut tuner(&folder, &tuning(None)), &probe);
        assert!((untouched - plain).abs() > 1e-3, "{lora:?}: nothing was learned, so nothing was compared");
        for (tensor, before) in merged.tensors.iter().zip(&folder.tensors) {
            let adapts = (lora.c_attn && tensor.name.ends_with("c_attn.weight"))
                || (lora.c_proj && tensor.name.ends_with("c_proj.weight"));
            assert_eq!(tensor.values != before.values, adapts, "{lora:?}: {}", tensor.name);
        }
    }
}

#[test]
fn a_run_is_the_same_to_the_bit_however_it_is_submitted() {
    let (folder, mut rng) = (folder(), Rng::new(9, Stream::Test));
    let steps: Vec<Vec<Example>> = (0..70).map(|_| step(&mut rng)).collect();
    let run = |cut: usize| {
        let mut tuner = tuner(&folder, &tuning(None));
        let mut metrics = Vec::new();
        for part in steps.chunks(cut) {
            tuner.submit(part).expect("steps");
            metrics.extend(block_on(tuner.collect()).expect("metrics"));
        }
        (metrics, block_on(tuner.weights()).expect("weights"))
    };
    let (metrics, weights) = run(64);
    assert_eq!(metrics.len(), 70);
    let tokens: usize = steps.iter().flatten().map(|e| e.tokens.len()).sum();
    assert_eq!(metrics[69].get("num_tokens"), tokens as f64);
    assert_eq!(run(7), (metrics, weights));
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = folder();
    let refused = |tuning: Tuning| {
        let made = Tuner::new(Box::new(Cpu::<f32>::new()), &folder.config, &tuning);
        made.err().expect("refused").to_string()
    };
    assert!(refused(Tuning { context: 17, ..tuning(None) }).contains("context of 16"));
    assert!(refused(tuning(Some(Lora { rank: 0, ..Lora::default() }))).contains("rank is 0"));
    let none = Lora { c_attn: false, c_proj: false, ..Lora::default() };
    assert!(refused(tuning(Some(none))).contains("adapts nothing"));
    let reward = Tuning { objective: Objective::Reward, ..tuning(Some(Lora::default())) };
    assert!(refused(reward).contains("no LoRA"));
    let mut tuner = tuner(&folder, &tuning(None));
    let step = step(&mut Rng::new(1, Stream::Test));
    assert!(tuner.submit(&[step[1..].to_vec()]).is_err(), "too few examples");
    let mut long = step.clone();
    long[0] = Example::whole(&[1; 17]);
    assert!(tuner.submit(&[step.clone(), long]).expect_err("too long").to_string().contains("17 tokens"));
    // What was refused changed nothing.
    assert_eq!(tuner.step(), 0);
    let first = |mut tuner: Tuner| {
        tuner.submit(std::slice::from_ref(&step)).expect("a step");
        block_on(tuner.collect()).expect("metrics")
    };
    assert_eq!(first(tuner), first(self::tuner(&folder, &tuning(None))));
}
