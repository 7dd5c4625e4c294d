//! Rollouts: many prompts answered at once are each answered as if alone, on both devices.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::cpu::Cpu;
use gradus_core::device::{Data, Device};
use gradus_core::generate::{Generator, Rollout, RolloutShape};
use gradus_core::model::Params;
use gradus_core::protocol::{ModelConfig, SampleConfig};
use pollster::block_on;

const SHAPE: RolloutShape<'_> = RolloutShape { prefix: "", batch: 3, prompt: 9, answer: 11, forbidden: &[] };

fn config() -> ModelConfig {
    ModelConfig { vocab_size: 37, n_positions: 24, ..ModelConfig::preset("10k").expect("a preset") }
}

/// Weights whose greedy text does not repeat itself.
fn weights(params: &Params) -> Data {
    let mut weights = params.init(&config(), 2);
    for entry in params.entries.iter().filter(|e| e.shape.len() > 1 && e.name != "transformer.wte.weight") {
        let scale = if entry.name == "transformer.wpe.weight" { 40.0 } else { 4.0 };
        weights[entry.offset..][..entry.len()].iter_mut().for_each(|w| *w *= scale);
    }
    Data::Float(weights)
}

fn prompts() -> Vec<Vec<u32>> {
    vec![vec![3], vec![1, 2, 3, 4, 5], vec![7; 9], (0..4).collect(), vec![36, 1], vec![9, 8], vec![5; 6]]
}

fn settings(temperature: f32, seed: u32) -> SampleConfig {
    SampleConfig { temperature, seed, max_tokens: 11, ..SampleConfig::default() }
}

fn answers(
    device: &mut dyn Device,
    shape: RolloutShape<'_>,
    settings: &SampleConfig,
    stop: Option<u32>,
) -> Vec<Vec<u32>> {
    let params = Params::new(&config());
    let rollout = Rollout::new(device, &config(), &params, shape).expect("a rollout");
    device.write("params", 0, &weights(&params)).expect("weights");
    let answers = block_on(rollout.run(device, &prompts(), settings, stop)).expect("answers");
    rollout.release(device);
    answers
}

#[test]
fn each_prompt_is_answered_as_if_alone() {
    let mut device = Cpu::<f32>::new();
    let made = answers(&mut device, SHAPE, &settings(0.0, 1), None);
    let params = Params::new(&config());
    let generator = Generator::new(&mut device, &config(), &params).expect("a generator");
    let mut seen = std::collections::BTreeSet::new();
    for (prompt, made) in prompts().iter().zip(&made) {
        let alone = block_on(generator.generate(&mut device, prompt, &settings(0.0, 1), None));
        assert_eq!(*made, alone.expect("tokens"), "{prompt:?}");
        seen.extend(made.iter().copied());
    }
    assert!(seen.len() > 10, "the model repeats itself, so nothing was compared: {seen:?}");
    // The stop ends an answer, and is its last token.
    let stop = made[1][3];
    let stopped = answers(&mut device, SHAPE, &settings(0.0, 1), Some(stop));
    for (whole, stopped) in made.iter().zip(&stopped) {
        let end = whole.iter().position(|&t| t == stop).map_or(whole.len(), |at| at + 1);
        assert_eq!(*stopped, whole[..end]);
    }
    // A forbidden token is never drawn.
    let free = answers(&mut device, SHAPE, &settings(1.0, 3), None);
    let drawn = free[0][0];
    let shape = RolloutShape { forbidden: &[drawn, free[1][0]], ..SHAPE };
    for answer in answers(&mut device, shape, &settings(1.0, 3), None) {
        assert!(!answer.contains(&drawn) && !answer.contains(&free[1][0]));
    }
}

#[test]
fn the_seed_decides_the_answers_and_groups_draw_apart() {
    let mut device = Cpu::<f32>::new();
    let mut run = |seed| answers(&mut device, SHAPE, &settings(1.0, seed), None);
    let first = run(1);
    assert_eq!(run(1), first);
    assert_ne!(run(2), first);
    // The same prompts again, in the next group: other draws.
    let params = Params::new(&config());
    let shape = RolloutShape { batch: 7, ..SHAPE };
    let rollout = Rollout::new(&mut device, &config(), &params, shape).expect("a rollout");
    let twice = [prompts(), prompts()].concat();
    let made = block_on(rollout.run(&mut device, &twice, &settings(1.0, 1), None)).expect("answers");
    assert_ne!(made[..7], made[7..]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut device = Cpu::<f32>::new();
    let params = Params::new(&config());
    let long = RolloutShape { answer: 16, ..SHAPE };
    let error = Rollout::new(&mut device, &config(), &params, long).expect_err("25 positions of 24");
    assert!(error.to_string().contains("at most 24"), "{error}");
    let rollout = Rollout::new(&mut device, &config(), &params, SHAPE).expect("a rollout");
    for (prompt, part) in [(vec![], "at least one"), (vec![1; 10], "limit is 9"), (vec![37], "ends at 36")] {
        let error = block_on(rollout.run(&mut device, &[prompt], &settings(1.0, 1), None));
        assert!(error.as_ref().expect_err("refused").to_string().contains(part), "{error:?}");
    }
}

#[test]
fn the_gpu_answers_alike() {
    let mut gpu = block_on(gradus_core::device::gpu::Gpu::open()).unwrap_or_else(|e| panic!("{e}"));
    let shape = RolloutShape { forbidden: &[0, 2], ..SHAPE };
    let ours = answers(&mut Cpu::<f32>::new(), shape, &settings(0.0, 1), Some(4));
    assert_eq!(answers(&mut gpu, shape, &settings(0.0, 1), Some(4)), ours);
}
