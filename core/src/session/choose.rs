//! Chooses the device of a run: a GPU must be one, compute rightly, and be the quicker device.

use crate::data::{Material, RowSource, Training};
use crate::device::{Device, Source, cpu::Cpu};
use crate::protocol::{DeviceChoice, DeviceReport, ModelConfig, TrainConfig};
use crate::text::Tokenizer;
use crate::train::Trainer;
use crate::{Error, Result};
use std::time::Duration;

#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// Opens the device for `choice`. What cannot be had is replaced by the CPU, and the report says why.
///
/// # Errors
/// Only errors of the CPU device, such as a model that does not fit.
pub async fn open(
    choice: DeviceChoice,
    model: &ModelConfig,
    batch: usize,
) -> Result<(Box<dyn Device>, DeviceReport)> {
    if choice == DeviceChoice::Cpu {
        return Ok(cpu("you chose it".into()));
    }
    let gpu = match gpu(choice).await {
        Ok(gpu) => gpu,
        Err(error) => return Ok(cpu(error.to_string())),
    };
    let mut gpu = match self_test(gpu).await {
        Ok(gpu) => gpu,
        Err(error) => return Ok(cpu(error.to_string())),
    };
    if choice == DeviceChoice::Gpu {
        let name = gpu.name();
        return Ok((
            gpu,
            DeviceReport { gpu: true, name, reason: "you chose it".into(), cpu_ms: None, gpu_ms: None },
        ));
    }
    let (back, gpu_time) = match measure(gpu, model, batch).await {
        Ok(measured) => measured,
        Err(error) => return Ok(cpu(format!("the GPU failed a first measurement: {error}"))),
    };
    gpu = back;
    let (cpu_device, cpu_time) = measure(Box::new(Cpu::<f32>::new()), model, batch).await?;
    let [gpu_ms, cpu_ms] = [gpu_time, cpu_time].map(|t| t.as_secs_f64() * 1e3);
    let gpu_wins = gpu_ms < cpu_ms;
    let (device, fast, slow) = if gpu_wins { (gpu, gpu_ms, cpu_ms) } else { (cpu_device, cpu_ms, gpu_ms) };
    let other = if gpu_wins { "the CPU" } else { "the GPU" };
    let reason = format!("measured: {fast:.1} ms for a trial step, {slow:.1} ms on {other}");
    let report = DeviceReport {
        gpu: gpu_wins,
        name: device.name(),
        reason,
        cpu_ms: Some(cpu_ms),
        gpu_ms: Some(gpu_ms),
    };
    Ok((device, report))
}

fn cpu(reason: String) -> (Box<dyn Device>, DeviceReport) {
    let device = Cpu::<f32>::new();
    let report = DeviceReport { gpu: false, name: device.name(), reason, cpu_ms: None, gpu_ms: None };
    (Box::new(device), report)
}

/// The GPU, with the kernels that are quickest on it.
#[cfg(feature = "gpu")]
async fn gpu(choice: DeviceChoice) -> Result<Box<dyn Device>> {
    let mut gpu = crate::device::gpu::Gpu::open().await?;
    if gpu.is_software() && choice == DeviceChoice::Auto {
        // Its kernels run on the processor too, only slower, and building them to measure that takes half a minute.
        return Err(Error::Device(format!(
            "{} is no graphics card: it runs shaders on the processor, more slowly than this",
            gpu.name()
        )));
    }
    gpu.tune().await?;
    Ok(Box::new(gpu))
}

#[cfg(not(feature = "gpu"))]
async fn gpu(_: DeviceChoice) -> Result<Box<dyn Device>> {
    Err(Error::Device("this build has no GPU device".into()))
}

/// Trains a tiny model one step on `gpu` and on the CPU, and compares loss and every gradient.
///
/// # Errors
/// [`Error::Device`] names the GPU and what it got wrong.
pub async fn self_test(gpu: Box<dyn Device>) -> Result<Box<dyn Device>> {
    let model = ModelConfig {
        n_layer: 2,
        n_embd: 24,
        n_head: 2,
        n_positions: 20,
        vocab_size: 38,
        attention: Default::default(),
        scale_attn_weights: true,
        init: Default::default(),
    };
    let train = TrainConfig { batch: 3, lr: 1e-3, warmup: 0, max_grad_norm: 0.0, ..TrainConfig::default() };
    let name = gpu.name();
    let (gpu, got) = one_step(gpu, &model, &train).await?;
    let (_, expected) = one_step(Box::new(Cpu::<f32>::new()), &model, &train).await?;
    for (what, got, expected) in [("loss", &got.0, &expected.0), ("gradients", &got.1, &expected.1)] {
        let off = distance(got, expected);
        if off.is_nan() || off > 1e-3 {
            return Err(Error::Device(format!(
                "{name} computes wrongly (its {what} are {off:.1e} off in a self-test), so the CPU is used"
            )));
        }
    }
    Ok(gpu)
}

/// `‖a − b‖ / ‖b‖`.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let square = |x: f64| x * x;
    let off: f64 = a.iter().zip(b).map(|(&a, &b)| square(f64::from(a) - f64::from(b))).sum();
    let size: f64 = b.iter().map(|&b| square(f64::from(b))).sum();
    if a.len() == b.len() { (off / size.max(f64::MIN_POSITIVE)).sqrt() } else { f64::INFINITY }
}

type LossAndGradients = (Vec<f32>, Vec<f32>);

async fn one_step(
    device: Box<dyn Device>,
    model: &ModelConfig,
    train: &TrainConfig,
) -> Result<(Box<dyn Device>, LossAndGradients)> {
    let mut trainer = Trainer::new(device, model, train, 1, trial_material(model)?)?;
    trainer.init()?;
    trainer.submit(1)?;
    let loss = trainer.collect().await?.iter().map(|m| m.loss).collect();
    // After one step from zero moments, m is (1 − β₁) times the gradient: all gradients in one buffer.
    let n = trainer.params.len;
    let gradients = trainer.device.read(Source::Buffer("m".into(), 0..n)).await?.floats();
    Ok((trainer.into_device(), (loss, gradients)))
}

/// Median time of a step of a trial model: as wide as the real one, but of two blocks, a short context and
/// few rows, so that the measurement takes no longer than it must.
async fn measure(
    device: Box<dyn Device>,
    model: &ModelConfig,
    batch: usize,
) -> Result<(Box<dyn Device>, Duration)> {
    let trial = ModelConfig {
        n_layer: model.n_layer.min(2),
        n_positions: model.n_positions.min(64),
        vocab_size: model.vocab_size.min(1024),
        ..model.clone()
    };
    let train = TrainConfig { batch: batch.min(8), ..TrainConfig::default() };
    let mut trainer = Trainer::new(device, &trial, &train, 1, trial_material(&trial)?)?;
    trainer.init()?;
    trainer.submit(1)?;
    trainer.collect().await?;
    let mut times = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        trainer.submit(2)?;
        trainer.collect().await?;
        times.push(start.elapsed() / 2);
    }
    times.sort_unstable();
    Ok((trainer.into_device(), times[1]))
}

/// Tokens that are as good as any for a trial.
struct Counting(u32);

impl RowSource for Counting {
    fn fill(&self, row: u64, out: &mut [u32]) {
        for (i, token) in out.iter_mut().enumerate() {
            *token = (row as u32).wrapping_mul(7).wrapping_add(i as u32 * i as u32) % self.0;
        }
    }
}

fn trial_material(model: &ModelConfig) -> Result<Material> {
    Ok(Material {
        tokenizer: Tokenizer::words(&["<eos>"])?,
        training: Training::Rows(Box::new(Counting(model.vocab_size as u32))),
        validation: vec![0; model.n_positions + 1],
        stride: model.n_positions + 1,
        floor: None,
        bigram: None,
    })
}
