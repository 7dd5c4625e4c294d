//! The runs of the lesson on flash attention: both algorithms on one device, from the same random Q, K, V and
//! gradient of the output, with their counters or against the clock.

use gradus_core::attention::memory::{Algorithm, tape};
use gradus_core::attention::{Problem, Tiles, Traffic};
use gradus_core::device::cpu::{Cpu, Real};
use gradus_core::device::timer::{Timing, time};
use gradus_core::device::{Data, Device, Source};
use gradus_core::graph::{Plan, Spec, Tape};
use gradus_core::ops::{
    Attention, AttentionGrad, AttentionGradScores, FlashAttention, FlashAttentionDelta, FlashAttentionGradKv,
    FlashAttentionGradQ, Form,
};
use gradus_core::rng::{Rng, Stream};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// One sequence and head, and how it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// N, d, causal or full.
    pub problem: Problem,
    /// B_r and B_c.
    pub tiles: Tiles,
}

/// The kernels of both algorithms, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Forward, tiled.
    FlashForward,
    /// rowsum(dO ∘ O).
    FlashDelta,
    /// dK and dV, tiled.
    FlashGradKv,
    /// dQ, tiled.
    FlashGradQ,
    /// Forward with the matrix written out.
    NaiveForward,
    /// The gradient of the scores.
    NaiveGradScores,
    /// The gradients of Q, K and V from it.
    NaiveGrad,
}

impl Kernel {
    /// All seven.
    pub const ALL: [Self; 7] = [
        Self::FlashForward,
        Self::FlashDelta,
        Self::FlashGradKv,
        Self::FlashGradQ,
        Self::NaiveForward,
        Self::NaiveGradScores,
        Self::NaiveGrad,
    ];

    /// What it moves by the formula.
    pub fn formula(self, Shape { problem, tiles }: Shape) -> Traffic {
        match self {
            Self::FlashForward => problem.flash_forward(tiles),
            Self::FlashDelta => problem.flash_delta(),
            Self::FlashGradKv => problem.flash_grad_kv(tiles),
            Self::FlashGradQ => problem.flash_grad_q(tiles),
            Self::NaiveForward => problem.naive_forward(),
            Self::NaiveGradScores => problem.naive_grad_scores(),
            Self::NaiveGrad => problem.naive_grad(),
        }
    }
}

/// What both algorithms made of the same inputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Results {
    /// O `[N, d]`, tiled and naive.
    pub o: [Vec<f64>; 2],
    /// dQ, dK and dV `[N, 3, d]`, tiled and naive.
    pub grads: [Vec<f64>; 2],
}

/// Elements between the counters of two kernels: views begin at multiples of 256 bytes.
const APART: usize = 64;

/// Random qkv `[N, 3, d]` and gradient of the output `[N, d]`, all of unit variance.
fn inputs(problem: Problem, seed: u32) -> [Vec<f32>; 2] {
    let mut rng = Rng::at(seed, Stream::Init, problem.n as u32);
    let nd = problem.n * problem.d;
    [3 * nd, nd].map(|len| (0..len).map(|_| rng.normal() as f32).collect())
}

/// Both algorithms, forward and backward, into named buffers; with the kernels' counters, or without.
fn both(shape: Shape, counted: bool) -> Result<Tape> {
    let Shape { problem: Problem { n, d, causal }, tiles } = shape;
    let mut tape = Tape::new();
    let mut buffer = |name: &str, shape: &[usize]| tape.buffer(name, Spec::float(shape));
    let qkv = buffer("qkv", &[1, n, 3 * d]);
    let dout = buffer("do", &[1, n, d]);
    let [o, naive_o] = ["o", "naive.o"].map(|name| buffer(name, &[1, n, d]));
    let [dqkv, naive_dqkv] = ["dqkv", "naive.dqkv"].map(|name| buffer(name, &[1, n, 3 * d]));
    let [lse, delta] = ["lse", "delta"].map(|name| buffer(name, &[1, 1, n]));
    let [probs, ds] = ["probs", "ds"].map(|name| buffer(name, &[1, 1, n, n]));
    if counted {
        tape.buffer("traffic", Spec::u32([APART * Kernel::ALL.len()]));
    }
    let (form, heads, some) = (Form { causal, scaled: true, counted }, 1, Some(tiles));
    for (index, kernel) in Kernel::ALL.into_iter().enumerate() {
        let counter = if counted {
            vec![tape.view(&format!("traffic.{index}"), "traffic", index * APART, &[Traffic::WORDS])?]
        } else {
            Vec::new()
        };
        let with = |writes: &[_]| [writes, &counter].concat();
        let grad = [qkv, dout, lse, delta];
        match kernel {
            Kernel::FlashForward => {
                tape.push_into(FlashAttention { heads, tiles: some, form }, &[qkv], &with(&[o, lse]))
            }
            Kernel::FlashDelta => {
                tape.push_into(FlashAttentionDelta { heads, form }, &[o, dout], &with(&[delta]))
            }
            Kernel::FlashGradKv => {
                tape.push_into(FlashAttentionGradKv { heads, tiles: some, form }, &grad, &with(&[dqkv]))
            }
            Kernel::FlashGradQ => {
                tape.push_into(FlashAttentionGradQ { heads, tiles: some, form }, &grad, &with(&[dqkv]))
            }
            Kernel::NaiveForward => {
                tape.push_into(Attention { heads, form }, &[qkv], &with(&[naive_o, probs]))
            }
            Kernel::NaiveGradScores => {
                tape.push_into(AttentionGradScores { heads, form }, &[qkv, dout, probs], &with(&[ds]))
            }
            Kernel::NaiveGrad => {
                let reads = [qkv, dout, probs, ds];
                tape.push_into(AttentionGrad { heads, form }, &reads, &with(&[naive_dqkv]))
            }
        }?;
    }
    Ok(tape)
}

/// Puts the inputs where `shape`'s programs read them.
fn fill(device: &mut dyn Device, problem: Problem, seed: u32) -> Result<()> {
    let [qkv, dout] = inputs(problem, seed);
    device.write("qkv", 0, &Data::Float(qkv))?;
    device.write("do", 0, &Data::Float(dout))
}

/// Runs both algorithms with their counters. The device is left empty.
///
/// # Errors
/// Tiles that do not fit; those of the device.
pub(super) async fn counted(
    device: &mut dyn Device,
    shape: Shape,
    seed: u32,
) -> Result<(Results, [Traffic; 7])> {
    let program = device.compile(Plan::new("counted", &both(shape, true)?, &[]))?;
    fill(device, shape.problem, seed)?;
    device.submit(&[program])?;
    let words = device.read(Source::Buffer("traffic".into(), 0..APART * 7)).await?.integers();
    let mut counters = [Traffic::default(); 7];
    for (counter, words) in counters.iter_mut().zip(words.chunks(APART)) {
        *counter = Traffic::from_words(&words[..Traffic::WORDS])
            .ok_or_else(|| Error::Graph("a counter has four words".into()))?;
    }
    let mut read = Vec::new();
    for source in results(shape.problem) {
        let values = device.read(source).await?.floats();
        read.push(values.into_iter().map(f64::from).collect());
    }
    device.clear();
    Ok((gather(read), counters))
}

fn results(problem: Problem) -> [Source; 4] {
    let nd = problem.n * problem.d;
    [("o", nd), ("naive.o", nd), ("dqkv", 3 * nd), ("naive.dqkv", 3 * nd)]
        .map(|(name, len)| Source::Buffer(name.into(), 0..len))
}

fn gather(read: Vec<Vec<f64>>) -> Results {
    let mut read = read.into_iter();
    let mut next = || read.next().unwrap_or_default();
    Results { o: [next(), next()], grads: [next(), next()] }
}

/// The same in f64, on the processor: what f32 results are held against.
///
/// # Errors
/// Those of the device.
pub(super) fn exact(shape: Shape, seed: u32) -> Result<Results> {
    let mut cpu = Cpu::<f64>::new();
    let program = cpu.compile(Plan::new("exact", &both(shape, false)?, &[]))?;
    fill(&mut cpu, shape.problem, seed)?;
    cpu.submit(&[program])?;
    let read = results(shape.problem).iter().map(|s| cpu.get(s)).collect::<Result<Vec<_>>>()?;
    Ok(gather(read))
}

/// The largest difference, as a share of the largest expected number.
pub(super) fn distance(got: &[f64], want: &[f64]) -> f64 {
    let largest = <f64 as Real>::largest(&want.iter().map(|x| x.abs()).collect::<Vec<_>>());
    let worst = got
        .iter()
        .zip(want)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |a, b| if b > a || b.is_nan() { b } else { a });
    if got.len() == want.len() { worst / largest } else { f64::NAN }
}

/// Times one causal forward and backward pass of one sequence and head, without counters, with the tiles that
/// training uses. The device is left empty.
///
/// # Errors
/// Those of the device, out of memory among them.
pub(super) async fn timed(
    device: &mut dyn Device,
    algorithm: Algorithm,
    (n, d): (usize, usize),
    (seed, repetitions): (u32, usize),
) -> Result<Timing> {
    let program = device.compile(Plan::new("timed", &tape(algorithm, n, 1, d)?, &[]))?;
    fill(device, Problem { n, d, causal: true }, seed)?;
    let timing = time(device, program, &Source::Buffer("do".into(), 0..1), repetitions).await;
    device.clear();
    timing
}
