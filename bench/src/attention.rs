//! Times attention over N, the length of a sequence: with its N × N matrix, and tile by tile. Forward alone, and with
//! the gradient of queries, keys and values.

use crate::{Instant, Request, open, row};
use gradus_core::Result;
use gradus_core::device::timer::median;
use gradus_core::device::{Data, Device, Program, Source};
use gradus_core::graph::{Plan, Spec, Tape};
use gradus_core::ops;
use serde::Serialize;
use serde_json::Value;

/// H and D of the sequence that is attended to; there is one.
const HEADS: usize = 4;
const HEAD: usize = 32;
/// Time that a sample should at least take, so that clocks do not matter: milliseconds.
const SAMPLE: f64 = 20.0;

/// A row of `bench attention`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    peer: &'static str,
    device: &'a str,
    n: usize,
    heads: usize,
    head_size: usize,
    /// `naive`, with the matrix written out, or `flash`.
    kind: &'static str,
    forward_ms: f64,
    /// Forward and backward.
    ms: f64,
    /// What the plan of forward and backward holds beside queries, keys, values and the upstream gradient.
    bytes: u64,
    adapter: String,
}

pub(crate) async fn measure(request: &Request) -> Result<Vec<Value>> {
    let mut device = open(request).await?;
    let adapter = device.name();
    let mut rows = Vec::new();
    for &n in &request.lengths {
        for kind in ["naive", "flash"] {
            let (forward, _) = time(&mut *device, request.steps, n, kind, false).await?;
            let (both, bytes) = time(&mut *device, request.steps, n, kind, true).await?;
            rows.push(row(&Row {
                peer: "gradus",
                device: &request.label,
                n,
                heads: HEADS,
                head_size: HEAD,
                kind,
                forward_ms: forward,
                ms: both,
                bytes,
                adapter: adapter.clone(),
            })?);
        }
    }
    Ok(rows)
}

/// Milliseconds a run, the median, and the bytes of the plan's slots.
async fn time(
    device: &mut dyn Device,
    samples: usize,
    n: usize,
    kind: &str,
    backward: bool,
) -> Result<(f64, u64)> {
    device.clear();
    let width = HEADS * HEAD;
    let mut tape = Tape::new();
    let qkv = tape.buffer("qkv", Spec::float([1, n, 3 * width]));
    let seed = tape.buffer("seed", Spec::float([1, n, width]));
    let out = match kind {
        "flash" => tape.push("attn", ops::FlashAttention::new(HEADS, true), &[qkv])?[0],
        _ => tape.push("attn", ops::Attention::new(HEADS, true), &[qkv])?[0],
    };
    let mut last = "attn".to_string();
    if backward {
        let grads = tape.backward(&[(out, seed)])?;
        if let Some(&grad) = grads.get(&qkv) {
            last = tape.name(grad).to_string();
        }
    }
    let plan = Plan::new("attention", &tape, &[&last]);
    let bytes = plan.slot_bytes();
    let program = device.compile(plan)?;
    let numbers = |len: usize| (0..len).map(|i| ((i * 7919 % 1009) as f32 / 504.5) - 1.0).collect();
    device.write("qkv", 0, &Data::Float(numbers(3 * n * width)))?;
    device.write("seed", 0, &Data::Float(numbers(n * width)))?;
    let warm = run(device, program, 1).await?;
    let together = ((SAMPLE / warm) as usize).clamp(1, 50);
    let mut times = Vec::new();
    for _ in 0..samples.max(1) {
        times.push(run(device, program, together).await?);
    }
    device.release(program);
    Ok((median(times), bytes))
}

/// Milliseconds a run of `runs` runs in one submission, until something can be read.
async fn run(device: &mut dyn Device, program: Program, runs: usize) -> Result<f64> {
    let start = Instant::now();
    device.submit(&vec![program; runs])?;
    device.read(Source::Buffer("seed".into(), 0..1)).await?;
    Ok(start.elapsed().as_secs_f64() * 1e3 / runs as f64)
}
