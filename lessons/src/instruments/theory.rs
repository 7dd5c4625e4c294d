//! Why scores are divided by √d (Vaswani et al. 2017, §3.2.1, footnote 4): measured by the engine's own
//! kernels on queries and keys of independent standard normal numbers.

use gradus_core::device::{Data, Device, Source};
use gradus_core::graph::{Plan, Spec, Tape};
use gradus_core::ops;
use gradus_core::rng::{Rng, Stream};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Queries, and keys, whose products are measured.
const VECTORS: usize = 256;
/// Keys that a softmax chooses among.
const KEYS: usize = 64;
/// Softmaxes that are sampled.
const SAMPLES: usize = 128;
/// Largest head size.
const MOST: usize = 4096;

/// What happens at one head size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Width {
    /// d_k.
    pub d: usize,
    /// Mean square of q·k (its mean is 0): in theory d.
    pub variance: f64,
    /// Standard error of that mean, from theory: see [`sampling_error`].
    pub error: f64,
    /// The softmax over 64 scores that are divided by √d.
    pub scaled: Softmax,
    /// The same over scores that are not.
    pub unscaled: Softmax,
}

/// A softmax over 64 keys: 128 samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Softmax {
    /// Mean entropy in nats; at most ln 64 = 4.16.
    pub entropy: f64,
    /// Frobenius norm of the Jacobian diag(p) − p·pᵀ, the median: how much of a gradient comes through. (The
    /// mean is that of the few softmaxes in which two scores tie.)
    pub jacobian: f64,
}

/// Standard error of the mean of (qᵢ·kⱼ)² over all pairs of n queries and n keys. A pair's variance is
/// E s⁴ − d² = 2d² + 6d; pairs that share a vector covary by Var |q|² = 2d; there are n³ such (ordered) for
/// the queries and as many for the keys.
pub fn sampling_error(d: usize, n: usize) -> f64 {
    let (d, n) = (d as f64, n as f64);
    ((2.0 * d * d + 6.0 * d - 4.0 * d) / (n * n) + 4.0 * d / n).sqrt()
}

/// Entropy and Jacobian norm of `p`: ‖diag(p) − p·pᵀ‖² = Σp² − 2Σp³ + (Σp²)².
pub fn softmax_of(p: &[f32]) -> Softmax {
    let power = |n: i32| p.iter().map(|&p| f64::from(p).powi(n)).sum::<f64>();
    let entropy = p.iter().map(|&p| f64::from(p)).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
    Softmax { entropy, jacobian: (power(2) - 2.0 * power(3) + power(2).powi(2)).max(0.0).sqrt() }
}

/// Measures head sizes `sizes` (multiples of 4). The device's buffers `theory.*` are made and freed.
///
/// # Errors
/// [`Error::Config`] for other sizes, and the device's.
pub async fn widths(device: &mut dyn Device, seed: u32, sizes: &[usize]) -> Result<Vec<Width>> {
    if let Some(d) = sizes.iter().find(|&&d| d == 0 || d > MOST || d % 4 != 0) {
        return Err(Error::Config(format!("{d} is no head size (widths): give multiples of 4, 4 to {MOST}")));
    }
    let mut out = Vec::with_capacity(sizes.len());
    for (i, &d) in sizes.iter().enumerate() {
        let mut rng = Rng::at(seed, Stream::Sample, 1 << 16 | i as u32);
        let mut normal = |n: usize| (0..n).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        let scores = products(device, d, normal(VECTORS * d), normal(VECTORS * d)).await?;
        let variance = scores.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / scores.len() as f64;
        let qkv = normal(SAMPLES * KEYS * 3 * d);
        let [scaled, unscaled] =
            [softmaxes(device, d, &qkv, true).await?, softmaxes(device, d, &qkv, false).await?];
        out.push(Width { d, variance, error: sampling_error(d, VECTORS), scaled, unscaled });
    }
    Ok(out)
}

/// All qᵢ·kⱼ.
async fn products(device: &mut dyn Device, d: usize, q: Vec<f32>, k: Vec<f32>) -> Result<Vec<f32>> {
    let mut tape = Tape::new();
    let [queries, keys] = ["theory.q", "theory.k"].map(|name| tape.buffer(name, Spec::float([VECTORS, d])));
    let product = ops::Linear { transposed: true, ..Default::default() };
    tape.push1("scores", product, &[queries, keys])?;
    let program = device.compile(Plan::new("theory", &tape, &["scores"]))?;
    device.write("theory.q", 0, &Data::Float(q))?;
    device.write("theory.k", 0, &Data::Float(k))?;
    device.submit(&[program])?;
    let scores = device.read(Source::Node(program, "scores".into())).await?.floats();
    device.release(program);
    device.forget("theory.q");
    device.forget("theory.k");
    Ok(scores)
}

/// The last position's softmax, which sees all keys, over the samples.
async fn softmaxes(device: &mut dyn Device, d: usize, qkv: &[f32], scaled: bool) -> Result<Softmax> {
    let mut tape = Tape::new();
    let input = tape.buffer("theory.qkv", Spec::float([SAMPLES, KEYS, 3 * d]));
    tape.push("attn", ops::Attention::new(1, scaled), &[input])?;
    let program = device.compile(Plan::new("theory", &tape, &["attn.probs"]))?;
    device.write("theory.qkv", 0, &Data::Float(qkv.to_vec()))?;
    device.submit(&[program])?;
    let probs = device.read(Source::Node(program, "attn.probs".into())).await?.floats();
    device.release(program);
    device.forget("theory.qkv");
    let all: Vec<Softmax> =
        probs.chunks_exact(KEYS * KEYS).map(|map| softmax_of(&map[KEYS * (KEYS - 1)..])).collect();
    let mut norms: Vec<f64> = all.iter().map(|s| s.jacobian).collect();
    norms.sort_by(f64::total_cmp);
    Ok(Softmax {
        entropy: all.iter().map(|s| s.entropy).sum::<f64>() / all.len().max(1) as f64,
        jacobian: norms.get(norms.len() / 2).copied().unwrap_or(f64::NAN),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jacobian_by_its_definition() {
        let p = [0.5f32, 0.3, 0.2];
        let mut square = 0.0;
        for i in 0..3 {
            for j in 0..3 {
                let delta = if i == j { f64::from(p[i]) } else { 0.0 };
                square += (delta - f64::from(p[i]) * f64::from(p[j])).powi(2);
            }
        }
        assert!((softmax_of(&p).jacobian - square.sqrt()).abs() < 1e-7);
        assert_eq!(softmax_of(&[1.0, 0.0]).jacobian, 0.0);
    }

    #[test]
    fn the_sampling_error_is_that_of_many_samples() {
        let (d, n) = (8, 16);
        let draws: Vec<f64> = (0..4000)
            .map(|i| {
                let mut rng = Rng::at(7, Stream::Test, i);
                let q: Vec<f64> = (0..2 * n * d).map(|_| rng.normal()).collect();
                let (q, k) = q.split_at(n * d);
                let square =
                    |i: usize, j: usize| (0..d).map(|l| q[i * d + l] * k[j * d + l]).sum::<f64>().powi(2);
                (0..n * n).map(|p| square(p / n, p % n)).sum::<f64>() / (n * n) as f64
            })
            .collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let sd = (draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64).sqrt();
        assert!((sd / sampling_error(d, n) - 1.0).abs() < 0.05, "{sd} {}", sampling_error(d, n));
        assert!((mean - d as f64).abs() < 4.0 * sd / 63.0);
    }
}
