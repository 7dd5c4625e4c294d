//! One position at a time: cached attention and sampling.

use gradus_core::rng::{Stream, threefry};

/// Attention of one query `[B, 3C]` over positions `0..=position` of cache `[B, P, 2C]` (K then V).
pub fn attention_cached(
    qkv: &[f64],
    cache: &[f64],
    [batch, span, heads, d]: [usize; 4],
    position: usize,
    scaled: bool,
) -> Vec<f64> {
    let c = heads * d;
    let mut o = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            let kept =
                |j: usize, value: usize, l: usize| cache[(b * span + j) * 2 * c + value * c + h * d + l];
            let score = |j: usize| -> f64 {
                (0..d).map(|l| qkv[b * 3 * c + h * d + l] * kept(j, 0, l)).sum::<f64>()
                    / if scaled { (d as f64).sqrt() } else { 1.0 }
            };
            let total: f64 = (0..=position).map(|j| score(j).exp()).sum();
            for l in 0..d {
                o.push((0..=position).map(|j| score(j).exp() / total * kept(j, 1, l)).sum());
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

/// The token drawn for row `b` after `position`. Token i stands before j if its logit is larger, or equal
/// and i < j. A token stays if fewer than top_k stand before it and their probability is below top_p.
pub fn draw(logits: &[f64], settings: Settings, position: u32, b: u32) -> u32 {
    let n = logits.len();
    let before = |i: usize, j: usize| logits[i] > logits[j] || (logits[i] == logits[j] && i < j);
    let rank = |j: usize| (0..n).filter(|&i| before(i, j)).count();
    let first = (0..n).find(|&j| rank(j) == 0).expect("one token stands first");
    if settings.temperature == 0.0 {
        return first as u32;
    }
    let weight = |i: usize| ((logits[i] - logits[first]) / f64::from(settings.temperature)).exp();
    let total: f64 = (0..n).map(weight).sum();
    let stays = |j: usize| {
        let mass: f64 = (0..n).filter(|&i| before(i, j)).map(weight).sum::<f64>() / total;
        j == first
            || ((settings.top_k == 0 || rank(j) < settings.top_k as usize)
                && mass < f64::from(settings.top_p))
    };
    let kept: Vec<usize> = (0..n).filter(|&j| stays(j)).collect();
    let mass: f64 = kept.iter().map(|&j| weight(j)).sum();
    let word = threefry([settings.seed, Stream::Sample as u32], [position, b])[0];
    let uniform = f64::from(word >> 8) / f64::from(1 << 24);
    let mut sum = 0.0;
    for &j in &kept {
        sum += weight(j) / mass;
        if sum > uniform {
            return j as u32;
        }
    }
    kept[kept.len() - 1] as u32
}
