//! One position at a time: cached attention and sampling.

use gradus_core::rng::{Stream, threefry};

/// Attention of the queries of qkv `[B, Q, 3C]` over cache `[B, P, 2C]` (K then V). Query k of row b stands at
/// `first[b] + k` and sees what is kept from there back.
pub fn attention_cached(
    qkv: &[f64],
    cache: &[f64],
    [batch, queries, span, heads, d]: [usize; 5],
    first: &[usize],
    scaled: bool,
) -> Vec<f64> {
    let c = heads * d;
    let mut o = Vec::new();
    for b in 0..batch {
        for k in 0..queries {
            let last = (first[b] + k).min(span - 1);
            for h in 0..heads {
                let kept =
                    |j: usize, value: usize, l: usize| cache[(b * span + j) * 2 * c + value * c + h * d + l];
                let q = |l: usize| qkv[(b * queries + k) * 3 * c + h * d + l];
                let divisor = if scaled { (d as f64).sqrt() } else { 1.0 };
                let score = |j: usize| (0..d).map(|l| q(l) * kept(j, 0, l)).sum::<f64>() / divisor;
                let total: f64 = (0..=last).map(|j| score(j).exp()).sum();
                for l in 0..d {
                    o.push((0..=last).map(|j| score(j).exp() / total * kept(j, 1, l)).sum());
                }
            }
        }
    }
    o
}

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// 0 is greedy.
    pub temperature: f32,
    /// 0 is all.
    pub top_k: u32,
    /// 1 is all.
    pub top_p: f32,
    /// Of the random numbers.
    pub seed: u32,
}

impl Settings {
    /// As the ops read them.
    pub fn words(self) -> Vec<u32> {
        vec![self.temperature.to_bits(), self.top_k, self.top_p.to_bits(), self.seed]
    }
}

impl std::fmt::Display for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "t={} k={} p={}", self.temperature, self.top_k, self.top_p)
    }
}

/// The probability of each token. Token i stands before j if its logit is larger, or equal and i < j. A token
/// stays if fewer than top_k stand before it and their probability is below top_p.
pub fn law(logits: &[f64], settings: Settings) -> Vec<f64> {
    let n = logits.len();
    let before = |i: usize, j: usize| logits[i] > logits[j] || (logits[i] == logits[j] && i < j);
    let rank = |j: usize| (0..n).filter(|&i| before(i, j)).count();
    let first = (0..n).find(|&j| rank(j) == 0).expect("one token stands first");
    if settings.temperature == 0.0 {
        return (0..n).map(|i| if i == first { 1.0 } else { 0.0 }).collect();
    }
    let weight = |i: usize| ((logits[i] - logits[first]) / f64::from(settings.temperature)).exp();
    let total: f64 = (0..n).map(weight).sum();
    let stays = |j: usize| {
        let mass: f64 = (0..n).filter(|&i| before(i, j)).map(weight).sum::<f64>() / total;
        j == first
            || ((settings.top_k == 0 || rank(j) < settings.top_k as usize)
                && mass < f64::from(settings.top_p))
    };
    let mass: f64 = (0..n).filter(|&j| stays(j)).map(weight).sum();
    (0..n).map(|j| if stays(j) { weight(j) / mass } else { 0.0 }).collect()
}

/// The token at `uniform` of the cumulative sum of `law`, whose sum need not be 1.
pub fn pick(law: &[f64], uniform: f64) -> u32 {
    let total: f64 = law.iter().sum();
    let mut sum = 0.0;
    for (j, &p) in law.iter().enumerate() {
        sum += p / total;
        if p > 0.0 && sum > uniform {
            return j as u32;
        }
    }
    law.iter().rposition(|&p| p > 0.0).expect("some token can be drawn") as u32
}

/// The numbers in [0, 1) of a stream, at the counter (index, b).
pub fn uniforms(seed: u32, stream: Stream, index: u32, b: u32) -> [f64; 2] {
    threefry([seed, stream as u32], [index, b]).map(|word| f64::from(word >> 8) / f64::from(1 << 24))
}

/// The token drawn for row `b` after `position`.
pub fn draw(logits: &[f64], settings: Settings, position: u32, b: u32) -> u32 {
    pick(&law(logits, settings), uniforms(settings.seed, Stream::Sample, position, b)[0])
}
