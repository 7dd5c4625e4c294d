//! The trainer on the processor: what its settings do, and that models learn.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::data::{Loader, Material, RowSource, Training};
use gradus_core::device::cpu::Cpu;
use gradus_core::protocol::{
    Attention, Command, DeviceChoice, Event, ModelConfig, Schedule, Source, TrainConfig,
};
use gradus_core::text::Tokenizer;
use gradus_core::train::{Average, Measured, Trainer, TrainerTensors};
use gradus_lessons::loader::CourseLoader;
use gradus_tests::host::{Host, small_text, starts};
use pollster::block_on;

const VOCAB: usize = 40;
/// What preset 10k reaches on the world in 150 steps of 16 rows (3.08), and a little to spare.
const WORLD_LOSS: f64 = 3.2;

/// A model that is nobody's preset.
fn model() -> ModelConfig {
    ModelConfig {
        n_layer: 2,
        n_embd: 16,
        n_head: 2,
        n_positions: 12,
        vocab_size: VOCAB,
        attention: Attention::default(),
        scale_attn_weights: true,
        init: Default::default(),
    }
}

/// A constant rate and nothing else: no warm-up, decay or clip.
fn plain() -> TrainConfig {
    TrainConfig {
        steps: 100,
        batch: 4,
        lr: 1e-2,
        warmup: 0,
        schedule: Schedule::Constant,
        weight_decay: 0.0,
        max_grad_norm: 0.0,
        ..TrainConfig::default()
    }
}

/// Rows of a text with a rule: each token follows from the one before, more or less.
struct Rule;

impl RowSource for Rule {
    fn fill(&self, row: u64, out: &mut [u32]) {
        let mut token = (row * 11 % VOCAB as u64) as u32;
        for (i, out) in out.iter_mut().enumerate() {
            *out = token;
            token = (token * 3 + (i as u32 + row as u32) % 2) % VOCAB as u32;
        }
    }
}

fn trainer(model: &ModelConfig, train: &TrainConfig) -> Trainer {
    let material = Material {
        tokenizer: Tokenizer::words(&["<eos>"]).expect("a tokenizer"),
        training: Training::Rows(Box::new(Rule)),
        validation: vec![0; model.n_positions + 1],
        stride: model.n_positions + 1,
        floor: None,
        bigram: None,
    };
    let mut trainer =
        Trainer::new(Box::new(Cpu::<f32>::new()), model, train, 5, material).expect("a trainer");
    trainer.init().expect("weights");
    trainer
}

fn train(trainer: &mut Trainer, steps: u64) -> Vec<Measured> {
    trainer.submit(steps).expect("submitted");
    block_on(trainer.collect()).expect("collected")
}

fn tensors(trainer: &mut Trainer) -> TrainerTensors {
    block_on(trainer.tensors()).expect("tensors")
}

/// One step from the initial weights: the weights before, what it measured, and all tensors after.
fn one_step(config: &TrainConfig) -> (Vec<f32>, Measured, TrainerTensors) {
    let mut trainer = trainer(&model(), config);
    let before = tensors(&mut trainer).params;
    let measured = train(&mut trainer, 1)[0];
    (before, measured, tensors(&mut trainer))
}

fn relative(a: &[f32], b: &[f32]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let off = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
    off / norm(&mut b.iter().map(|&b| f64::from(b)))
}

#[test]
fn micro_batches_add_up_to_a_batch() {
    let mut whole = trainer(&model(), &TrainConfig { batch: 8, ..plain() });
    let mut halves = trainer(&model(), &TrainConfig { batch: 4, accumulate: 2, ..plain() });
    let mut eighths = trainer(&model(), &TrainConfig { batch: 1, accumulate: 8, ..plain() });
    let expected = train(&mut whole, 1)[0];
    for other in [&mut halves, &mut eighths] {
        let got = train(other, 1)[0];
        assert!((got.loss - expected.loss).abs() < 1e-5, "{got:?}, expected {expected:?}");
        assert!((got.grad_norm / expected.grad_norm - 1.0).abs() < 1e-4, "{got:?}, expected {expected:?}");
        let off = relative(&tensors(other).m, &tensors(&mut whole).m);
        assert!(off < 1e-5, "gradients are {off:.1e} off");
    }
    // And the rows go on alike.
    let expected = train(&mut whole, 6);
    for (got, expected) in train(&mut halves, 6).iter().zip(&expected) {
        assert!((got.loss - expected.loss).abs() < 1e-3, "{got:?}, expected {expected:?}");
    }
}

#[test]
fn only_matrices_decay() {
    let (before, _, without) = one_step(&plain());
    let (_, _, with) = one_step(&TrainConfig { weight_decay: 0.5, ..plain() });
    let mut seen = [0, 0];
    for entry in &trainer(&model(), &plain()).params.entries {
        let matrix = entry.shape.len() > 1;
        seen[usize::from(matrix)] += 1;
        let range = entry.offset..entry.offset + entry.len();
        let after = with.params[range.clone()].iter().zip(&without.params[range.clone()]);
        for ((with, without), before) in after.zip(&before[range]) {
            let moved = with - without;
            let expected = if matrix { -1e-2 * 0.5 * before } else { 0.0 };
            assert!((moved - expected).abs() <= 2e-7, "{}: moved {moved}, expected {expected}", entry.name);
        }
    }
    assert_eq!(seen, [2 + 8 * 2, 2 + 4 * 2]);
}

#[test]
fn the_clip_scales_the_whole_gradient() {
    let (_, free, unclipped) = one_step(&plain());
    let limit = free.grad_norm / 4.0;
    let (_, measured, clipped) = one_step(&TrainConfig { max_grad_norm: f64::from(limit), ..plain() });
    assert_eq!(measured.grad_norm, free.grad_norm, "the norm is told before it is clipped");
    let quarter: Vec<f32> = unclipped.m.iter().map(|m| m / 4.0).collect();
    let off = relative(&clipped.m, &quarter);
    assert!(off < 1e-5, "the clipped gradient is {off:.1e} off");
    let (_, _, roomy) = one_step(&TrainConfig { max_grad_norm: f64::from(free.grad_norm * 1.01), ..plain() });
    assert_eq!(roomy, unclipped, "a gradient within the limit was touched");
    // The norm is that of all gradients together; after one step m is (1 − β₁) g.
    let norm = unclipped.m.iter().map(|&m| f64::from(m / 0.1).powi(2)).sum::<f64>().sqrt();
    assert!((norm / f64::from(free.grad_norm) - 1.0).abs() < 1e-4, "{norm}, told {}", free.grad_norm);
}

#[test]
fn the_rate_follows_the_schedule() {
    // The first step of AdamW moves every weight by the learning rate: m̂/√v̂ is the gradient's sign.
    for (warmup, schedule, expected) in [
        (0, Schedule::Constant, 1e-2),
        (10, Schedule::Constant, 1e-3),
        (4, Schedule::Cosine, 2.5e-3),
        (0, Schedule::Linear, 1e-2 * 0.99),
    ] {
        let (before, _, after) = one_step(&TrainConfig { warmup, schedule, ..plain() });
        let moved = before.iter().zip(&after.params).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(
            (moved / expected - 1.0).abs() < 1e-3,
            "{warmup} {schedule:?}: moved {moved}, rate {expected}"
        );
    }
    let (before, _, after) = one_step(&TrainConfig { lr: 0.0, weight_decay: 0.5, ..plain() });
    assert_eq!(before, after.params, "a rate of 0 trains nothing");
}

#[test]
fn flash_and_materialised_attention_learn_alike() {
    let losses = |attention| train(&mut trainer(&ModelConfig { attention, ..model() }, &plain()), 12);
    for (flash, plain) in losses(Attention::Flash).iter().zip(&losses(Attention::Materialised)) {
        assert!((flash.loss - plain.loss).abs() < 2e-4, "{flash:?} and {plain:?}");
    }
}

#[test]
fn memory_stands_still() {
    let mut trainer = trainer(&model(), &TrainConfig { accumulate: 2, ..plain() });
    train(&mut trainer, 1);
    let bytes = trainer.device.bytes();
    for _ in 0..5 {
        train(&mut trainer, 20);
        block_on(trainer.validate()).expect("validated");
        tensors(&mut trainer);
    }
    assert_eq!(trainer.device.bytes(), bytes);
    assert_eq!(trainer.into_device().bytes(), 0);
}

#[test]
fn a_small_model_learns_the_world() {
    let model = ModelConfig { vocab_size: 362, ..ModelConfig::preset("10k").expect("a preset") };
    let material =
        CourseLoader.load(&Source::World { seed: 1 }, 64, None, &mut |_, _| {}).expect("the world");
    let config = TrainConfig { steps: 150, batch: 16, warmup: 15, ..TrainConfig::default() };
    let mut trainer =
        Trainer::new(Box::new(Cpu::<f32>::new()), &model, &config, 1, material).expect("a trainer");
    trainer.init().expect("weights");
    let before = block_on(trainer.validate()).expect("validated");
    // Nothing is known yet: about ln 362.
    assert!((5.5..6.5).contains(&before), "{before}");
    for _ in 0..3 {
        train(&mut trainer, 50);
    }
    let after = block_on(trainer.validate()).expect("validated");
    println!("world: {before:.3} → {after:.3}");
    assert!(after < WORLD_LOSS, "{after} after 150 steps");
}

#[test]
fn a_small_model_beats_the_bigrams_of_a_text() {
    let mut config = small_text(DeviceChoice::Cpu, 300);
    config.train.batch = 16;
    let said = block_on(async {
        let mut host = Host::new();
        let mut said = host.tell(Command::Start(Box::new(config))).await;
        said.extend(host.finish().await);
        said
    });
    let bigram = starts(&said)[0].bigram.expect("a bigram loss");
    let last = said.iter().rev().find_map(|e| match e {
        Event::Validation { loss, .. } => Some(*loss),
        _ => None,
    });
    let reached = last.expect("a validation");
    println!("own text: bigram {bigram:.3}, reached {reached:.3}");
    assert!(reached < bigram, "{reached} after 300 steps, bigrams {bigram}");
}

#[test]
fn the_average_is_that_of_the_weights_it_saw() {
    let rule = Average { every: 4, gamma: 1.0 };
    let mut whole = trainer(&model(), &plain());
    whole.keep_average(rule).expect("an average");
    assert!(block_on(whole.swap_average()).is_err(), "nothing was averaged yet");
    train(&mut whole, 14);
    let mut parts = trainer(&model(), &plain());
    let seen: Vec<Vec<f32>> = (0..3)
        .map(|_| {
            train(&mut parts, 4);
            tensors(&mut parts).params
        })
        .collect();
    train(&mut parts, 2);
    let raw = tensors(&mut whole);
    assert!(raw == tensors(&mut parts), "averaging changed the training");
    block_on(whole.swap_average()).expect("swapped");
    let average = tensors(&mut whole).params;
    // γ = 1 weighs the k-th of them k.
    for (i, &a) in average.iter().enumerate() {
        let expected = (seen[0][i] + 2.0 * seen[1][i] + 3.0 * seen[2][i]) / 6.0;
        assert!((a - expected).abs() <= 1e-6 * (1.0 + expected.abs()), "{i}: {a}, not {expected}");
    }
    block_on(whole.swap_average()).expect("swapped back");
    assert!(tensors(&mut whole) == raw, "the weights were not changed back");
    // A fresh start begins a fresh average: its first update is the weights themselves.
    whole.init().expect("weights");
    train(&mut whole, 4);
    let weights = tensors(&mut whole).params;
    block_on(whole.swap_average()).expect("swapped");
    assert!(tensors(&mut whole).params == weights, "something old is left in the average");
    block_on(whole.swap_average()).expect("swapped back");
    // So does asking for another.
    train(&mut whole, 8);
    whole.keep_average(rule).expect("another average");
    assert!(block_on(whole.swap_average()).is_err(), "nothing was averaged yet");
    train(&mut whole, 4);
    let weights = tensors(&mut whole).params;
    block_on(whole.swap_average()).expect("swapped");
    assert!(tensors(&mut whole).params == weights, "the average before is left in this one");
}
