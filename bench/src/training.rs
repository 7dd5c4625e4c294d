//! Times a training step in the page's steady state.

use crate::{Instant, Request, Shape, ceiling, open, row};
use gradus_core::Result;
use gradus_core::data::{Material, Training};
use gradus_core::device::gpu::Gpu;
use gradus_core::device::profile::Launched;
use gradus_core::device::timer::median;
use gradus_core::protocol::{Attention, ModelConfig};
use gradus_core::text::Tokenizer;
use gradus_core::train::{Trainer, Turns, step_cost};
use serde::Serialize;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Tokens of the text that windows are drawn from.
const TEXT: usize = 1 << 16;
/// What the page puts into one submission, in milliseconds.
const SUBMISSION: f64 = 50.0;

/// A row of the benchmark; the peers' rows have the first eight keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    peer: &'static str,
    device: &'a str,
    shape: &'a str,
    params: u64,
    ms_per_step: f64,
    tokens_per_second: f64,
    first_loss: f32,
    last_loss: f32,
    /// Floating-point operations of a step: those of its matrix products, attention without what is masked.
    flops: f64,
    /// Bytes that the device holds.
    bytes: u64,
    dispatches: usize,
    /// Operations a second of fused multiply-adds that never leave the registers, in this run.
    ceiling_flops: f64,
    /// Bytes a second of a copy, read and written, in this run.
    ceiling_bytes: f64,
    /// flops a second as a share of `ceilingFlops`.
    fraction: f64,
    adapter: String,
}

pub(crate) async fn measure(request: &Request) -> Result<Vec<Value>> {
    let Request { shape, steps, .. } = request;
    let device = open(request).await?;
    let (adapter, model) = (device.name(), shape.model());
    let mut trainer = Trainer::new(device, &model, &shape.train(), 1, material(shape)?)?;
    trainer.init()?;
    let first_loss = one(&mut trainer, 1).await?.1;
    let (warm, _) = one(&mut trainer, 1).await?;
    let together = ((SUBMISSION / warm) as u64).clamp(1, trainer.most_steps());
    one(&mut trainer, together).await?;
    let (mut times, mut last_loss) = (Vec::new(), first_loss);
    let samples = (*steps).max(1);
    // As the page does it: the next turn is submitted before the last one is heard of.
    let mut turns = Turns::default();
    let under_way = trainer.turn(together)?;
    turns.follow(under_way, request.waiting).await?;
    let mut heard = Instant::now();
    for _ in 0..samples {
        let turn = trainer.turn(together)?;
        let measured = turns.follow(turn, request.waiting).await?;
        times.push(heard.elapsed().as_secs_f64() * 1e3 / together as f64);
        heard = Instant::now();
        last_loss = measured.last().map_or(last_loss, |m| m.loss);
    }
    last_loss = turns.settle().await?.last().map_or(last_loss, |m| m.loss);
    let ms_per_step = median(times);
    // What any implementation has to do: flash attention's second look at the scores is not counted.
    let counted = ModelConfig { attention: Attention::Materialised, ..model.clone() };
    let flops = step_cost(&counted, shape.batch, shape.context)?.step() as f64;
    let bytes = trainer.device.bytes();
    let mut profiles = Vec::new();
    for _ in 0..if request.profile { samples } else { 1 } {
        profiles.push(trainer.profile().await?);
    }
    let params = model.parameters();
    drop(trainer);
    let ceiling = if request.gpu { Gpu::open().await?.ceiling().await? } else { ceiling::cpu() };
    let mut rows = vec![row(&Row {
        peer: "gradus",
        device: &request.label,
        shape: &shape.name,
        params,
        ms_per_step,
        tokens_per_second: shape.tokens() as f64 / ms_per_step * 1e3,
        first_loss,
        last_loss,
        flops,
        bytes,
        dispatches: profiles[0].len(),
        ceiling_flops: ceiling.flops,
        ceiling_bytes: ceiling.bytes,
        fraction: flops / (ms_per_step * 1e-3) / ceiling.flops,
        adapter,
    })?];
    if request.profile {
        rows.extend(breakdown(&profiles));
    }
    Ok(rows)
}

/// Milliseconds a step of `steps` steps in one submission, and the loss of the last.
async fn one(trainer: &mut Trainer, steps: u64) -> Result<(f64, f32)> {
    let start = Instant::now();
    trainer.submit(steps)?;
    let measured = trainer.collect().await?;
    let time = start.elapsed().as_secs_f64() * 1e3 / steps as f64;
    Ok((time, measured.last().map_or(f32::NAN, |m| m.loss)))
}

/// Where the time of these steps goes, the dearest kernel first; GFLOP/s of those that are products. Where the device has no
/// clock, times are null.
fn breakdown(steps: &[Vec<Launched>]) -> Vec<Value> {
    let mut spent: BTreeMap<&str, (f64, Option<f64>, f64)> = BTreeMap::new();
    for launched in steps.iter().flatten() {
        let (calls, seconds, flops) = spent.entry(&launched.name).or_insert((0.0, Some(0.0), 0.0));
        *calls += 1.0;
        *seconds = seconds.zip(launched.seconds).map(|(sum, one)| sum + one);
        *flops += launched.flops;
    }
    let total: Option<f64> = spent.values().map(|(_, seconds, _)| *seconds).sum();
    let mut spent: Vec<_> = spent.into_iter().collect();
    spent.sort_by(|(_, a), (_, b)| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal));
    let each = steps.len() as f64;
    let row = |(name, (calls, seconds, flops)): (&str, (f64, Option<f64>, f64))| {
        json!({
            "op": name,
            "msPerStep": seconds.map(|s| s * 1e3 / each),
            "share": seconds.zip(total).map(|(s, total)| s / total),
            "calls": calls / each,
            "gflops": seconds.map(|s| flops / s * 1e-9),
        })
    };
    spent.into_iter().map(row).collect()
}

/// A text of random tokens, which is what the peers learn too.
fn material(shape: &Shape) -> Result<Material> {
    let mut state = 1_u64;
    let mut token = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % shape.vocab as u64) as u32
    };
    Ok(Material {
        tokenizer: Tokenizer::words(&["<eos>"])?,
        training: Training::Text((0..TEXT).map(|_| token()).collect()),
        validation: (0..=shape.context).map(|_| token()).collect(),
        stride: shape.context + 1,
        floor: None,
        bigram: None,
    })
}
