//! Times training steps on the CPU device, alone on this machine:
//!
//! ```text
//! cargo run --release -p gradus-core --no-default-features --example bench -- \
//!     [--shape A|B|L,d,H,T,B,V]… [--steps N] [--attention flash|materialised] [--profile]
//! ```
//!
//! One JSON line a shape; `cargo xtask bench` runs this. With `--profile` a table of the ops follows.

use gradus_core::data::{Material, Training};
use gradus_core::device::cpu::{Cpu, Profile, fma_ceiling};
use gradus_core::protocol::{Attention, Init, ModelConfig, Schedule, TrainConfig};
use gradus_core::rng::{Rng, Stream};
use gradus_core::text::Tokenizer;
use gradus_core::train::Trainer;
use std::hint::black_box;
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

#[derive(Clone, Debug)]
struct Shape {
    name: String,
    model: ModelConfig,
    batch: usize,
}

struct Options {
    shapes: Vec<Shape>,
    steps: usize,
    profile: bool,
}

fn main() -> Result<(), Failure> {
    let options = options()?;
    for shape in &options.shapes {
        bench(shape, options.steps, options.profile)?;
    }
    Ok(())
}

fn options() -> Result<Options, Failure> {
    let mut arguments = std::env::args().skip(1);
    let (mut names, mut steps, mut profile, mut attention) = (Vec::new(), 50, false, Attention::Flash);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--shape" => names.push(value()?),
            "--steps" => steps = value()?.parse()?,
            "--profile" => profile = true,
            "--attention" => {
                attention = match value()?.as_str() {
                    "flash" => Attention::Flash,
                    "materialised" => Attention::Materialised,
                    other => return Err(format!("there is no attention `{other}`").into()),
                };
            }
            other => return Err(format!("what is `{other}`?").into()),
        }
    }
    if steps == 0 {
        return Err("--steps must be 1 or more".into());
    }
    if names.is_empty() {
        names = ["A", "B"].map(String::from).into();
    }
    let shapes = names.iter().map(|n| shape(n, attention)).collect::<Result<_, _>>()?;
    Ok(Options { shapes, steps, profile })
}

fn shape(name: &str, attention: Attention) -> Result<Shape, Failure> {
    let text = match name {
        "A" => "2,64,4,64,8,65",
        "B" => "4,128,4,128,8,65",
        other => other,
    };
    let numbers = text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let [n_layer, n_embd, n_head, n_positions, batch, vocab_size] = numbers[..] else {
        return Err(format!("a shape is A, B or L,d,H,T,B,V, not `{name}`").into());
    };
    let model = ModelConfig {
        n_layer,
        n_embd,
        n_head,
        n_positions,
        vocab_size,
        attention,
        init: Init::Gpt2,
        scale_attn_weights: true,
    };
    Ok(Shape { name: name.to_string(), model, batch })
}

/// A run on random tokens: speed does not depend on what is learned.
fn trainer(shape: &Shape, cpu: Cpu<f32>) -> Result<Trainer, Failure> {
    let mut rng = Rng::new(1, Stream::Test);
    let mut tokens =
        |n: usize| -> Vec<u32> { (0..n).map(|_| rng.below(shape.model.vocab_size as u32)).collect() };
    let words: Vec<String> =
        (0..shape.model.vocab_size).map(|i| if i == 0 { "<eos>".into() } else { format!("w{i}") }).collect();
    let material = Material {
        tokenizer: Tokenizer::words(&words)?,
        training: Training::Text(tokens(50_000)),
        validation: tokens(4 * (shape.model.n_positions + 1)),
        stride: shape.model.n_positions + 1,
        floor: None,
        bigram: None,
    };
    let train = TrainConfig {
        steps: 1_000_000,
        batch: shape.batch,
        lr: 1e-3,
        warmup: 0,
        schedule: Schedule::Constant,
        ..TrainConfig::default()
    };
    let mut trainer = Trainer::new(Box::new(cpu), &shape.model, &train, 1, material)?;
    trainer.init()?;
    Ok(trainer)
}

fn bench(shape: &Shape, steps: usize, profile: bool) -> Result<(), Failure> {
    let (cpu, counted) = Cpu::profiled();
    let mut counting = trainer(shape, cpu)?;
    counting.submit(1)?;
    let flops: f64 = counted.spent().iter().map(|(_, s)| s.flops).sum();

    let mut trainer = trainer(shape, Cpu::new())?;
    trainer.submit(3)?;
    let mut times = Vec::with_capacity(steps);
    let ceiling = ceiling();
    for _ in 0..steps {
        let start = Instant::now();
        trainer.submit(1)?;
        times.push(start.elapsed().as_secs_f64());
    }
    let ceiling = ceiling.max(self::ceiling());
    let losses = pollster::block_on(trainer.collect())?;
    times.sort_by(f64::total_cmp);
    let seconds = times[times.len() / 2];
    let tokens = (shape.batch * shape.model.n_positions) as f64;
    let line = serde_json::json!({
        "peer": "gradus",
        "device": "cpu",
        "shape": shape.name,
        "params": trainer.params.entries.iter().map(gradus_core::model::Entry::len).sum::<usize>(),
        "msPerStep": seconds * 1e3,
        "tokensPerSecond": tokens / seconds,
        "firstLoss": losses.first().map(|l| l.loss),
        "lastLoss": losses.last().map(|l| l.loss),
        "flops": flops,
        "ceilingFlops": ceiling,
        "fraction": flops / seconds / ceiling,
    });
    println!("{line}");
    if profile {
        counting.submit(2)?;
        counted.reset();
        counting.submit(steps as u64)?;
        table(&counted, steps);
    }
    Ok(())
}

fn table(profile: &Profile, steps: usize) {
    println!("{:<26}{:>7}{:>10}{:>10}", "op", "calls", "ms/step", "GFLOP/s");
    let mut total = 0.0;
    for (name, spent) in profile.spent() {
        let seconds = spent.time.as_secs_f64();
        let ms = seconds * 1e3 / steps as f64;
        total += ms;
        let rate =
            if spent.flops > 0.0 { format!("{:.1}", spent.flops / seconds / 1e9) } else { String::new() };
        println!("{name:<26}{:>7}{ms:>10.3}{rate:>10}", spent.calls / steps as u64);
    }
    println!("{:<26}{:>7}{total:>10.3}", "all", "");
}

/// FLOP/s of multiply-adds that never leave the registers, on the engine's own vectors: the best of five.
fn ceiling() -> f64 {
    let run = || {
        let start = Instant::now();
        fma_ceiling(black_box(1_000_000)) / start.elapsed().as_secs_f64()
    };
    (0..5).map(|_| run()).fold(0.0, f64::max)
}
