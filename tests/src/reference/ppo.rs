//! Proximal policy optimisation, token by token.

/// softmax of the first `vocab` of a row.
fn softmax(row: &[f64], vocab: usize) -> Vec<f64> {
    let total: f64 = row[..vocab].iter().map(|x| x.exp()).sum();
    row[..vocab].iter().map(|x| x.exp() / total).collect()
}

/// Mean and variance under p of ln(p/q), and of q/p − 1 − ln(q/p) with 0 where p is below `rare`, row by row.
pub fn kl(p: &[f64], q: &[f64], [width, vocab]: [usize; 2], rare: f64) -> [Vec<f64>; 4] {
    let row = |(p, q): (&[f64], &[f64])| {
        let (p, q) = (softmax(p, vocab), softmax(q, vocab));
        let ratio = |i: usize| q[i] / p[i];
        let moments = |of: &dyn Fn(usize) -> f64| {
            let mean = |power| (0..vocab).map(|i| p[i] * of(i).powi(power)).sum::<f64>();
            [mean(1), mean(2) - mean(1).powi(2)]
        };
        let [k1, k1_variance] = moments(&|i| -ratio(i).ln());
        let k3 = |i| if p[i] < rare { 0.0 } else { ratio(i) - 1.0 - ratio(i).ln() };
        let [k3, k3_variance] = moments(&k3);
        [k1, k1_variance, k3, k3_variance]
    };
    let rows: Vec<_> = p.chunks(width).zip(q.chunks(width)).map(row).collect();
    [0, 1, 2, 3].map(|i| rows.iter().map(|row| row[i]).collect())
}

/// −Σ p ln p, row by row.
pub fn entropy(logits: &[f64], width: usize, vocab: usize) -> Vec<f64> {
    logits.chunks(width).map(|row| softmax(row, vocab).iter().map(|p| -p * p.ln()).sum()).collect()
}

/// What the rewards depend on beside the tensors.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// The price of a nat.
    pub kl_coef: f64,
    /// ρ − 1 − ln ρ instead of −ln ρ.
    pub k3: bool,
    /// The price of an answer without an end.
    pub penalty: f64,
    /// The end.
    pub stop: u32,
}

/// Rewards and scores.
pub fn rewards(
    charge: Charge,
    [logp, reference, mask, scores, norm]: [&[f64]; 5],
    targets: &[u32],
    [t, width]: [usize; 2],
) -> [Vec<f64>; 2] {
    let (mut rewards, mut all) = (vec![0.0; logp.len()], Vec::new());
    for b in 0..logp.len() / t {
        let answer: Vec<usize> = (b * t..(b + 1) * t).filter(|&i| mask[i] == 1.0).collect();
        for &i in &answer {
            let rho = (reference[i] - logp[i]).exp();
            rewards[i] -= charge.kl_coef * if charge.k3 { rho - 1.0 - rho.ln() } else { -rho.ln() };
        }
        let score = answer.last().map_or(0.0, |&i| {
            let missing = if targets[i] == charge.stop { 0.0 } else { charge.penalty };
            (scores[(i + 1) * width] - norm[0]) / norm[1] - missing
        });
        if let Some(&i) = answer.last() {
            rewards[i] += score;
        }
        all.push(score);
    }
    [rewards, all]
}

/// Advantages as the sum Σ (γλ)^l δ_{t+l} over the rest of the answer, returns, and values.
pub fn gae(
    [gamma, lambda]: [f64; 2],
    [rewards, values, mask]: [&[f64]; 3],
    [t, width]: [usize; 2],
) -> [Vec<f64>; 3] {
    let (mut advantages, mut returns) = (vec![0.0; rewards.len()], vec![0.0; rewards.len()]);
    let mut kept = vec![0.0; rewards.len()];
    for b in 0..rewards.len() / t {
        let answer: Vec<usize> = (b * t..(b + 1) * t).filter(|&i| mask[i] == 1.0).collect();
        let value = |k: usize| answer.get(k).map_or(0.0, |&i| values[i * width]);
        for (k, &i) in answer.iter().enumerate() {
            for l in k..answer.len() {
                let delta = rewards[answer[l]] + gamma * value(l + 1) - value(l);
                advantages[i] += (gamma * lambda).powi((l - k) as i32) * delta;
            }
            returns[i] = advantages[i] + value(k);
            kept[i] = value(k);
        }
    }
    [advantages, returns, kept]
}

/// Variance 1, and mean 0 if `shift`, over the masked elements.
pub fn whiten(x: &[f64], mask: &[f64], shift: bool) -> Vec<f64> {
    let kept: Vec<f64> = x.iter().zip(mask).filter(|(_, m)| **m == 1.0).map(|(x, _)| *x).collect();
    let mean = kept.iter().sum::<f64>() / kept.len().max(1) as f64;
    let variance =
        kept.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / kept.len().saturating_sub(1).max(1) as f64;
    let back = if shift { 0.0 } else { mean };
    let white = |x: f64| (x - mean) / (variance + 1e-8).sqrt() + back;
    x.iter().zip(mask).map(|(&x, &m)| if m == 1.0 { white(x) } else { 0.0 }).collect()
}

/// Metrics (loss, approxkl, clipfrac, entropy, mean ratio, largest |ratio − 1|) and the gradient in ln p.
pub fn policy(logp: &[f64], entropy: &[f64], old: &[f64], clip: f64) -> [Vec<f64>; 2] {
    let count = logp.len();
    let answer: Vec<usize> = (0..count).filter(|&i| old[i] == 1.0).collect();
    let n = answer.len().max(1) as f64;
    let (mut metrics, mut seed) = (vec![0.0; 6], vec![0.0; count]);
    for i in answer {
        let (diff, advantage) = (logp[i] - old[count + i], old[3 * count + i]);
        let ratio = diff.exp();
        let bounded = ratio.clamp(1.0 - clip, 1.0 + clip);
        let cut = bounded * advantage < ratio * advantage;
        metrics[0] -= (ratio * advantage).min(bounded * advantage) / n;
        metrics[1] += diff * diff / 2.0 / n;
        metrics[2] += if cut { 1.0 / n } else { 0.0 };
        metrics[3] += entropy[i] / n;
        metrics[4] += ratio / n;
        metrics[5] = (ratio - 1.0).abs().max(metrics[5]);
        seed[i] = if cut { 0.0 } else { -ratio * advantage / n };
    }
    [metrics, seed]
}

/// Metrics (loss, clipfrac) and the gradient of `coef` times the loss in the values.
pub fn value(values: &[f64], old: &[f64], [clip, coef]: [f64; 2], width: usize) -> [Vec<f64>; 2] {
    let count = values.len() / width;
    let answer: Vec<usize> = (0..count).filter(|&i| old[i] == 1.0).collect();
    let n = answer.len().max(1) as f64;
    let (mut metrics, mut seed) = (vec![0.0; 2], vec![0.0; values.len()]);
    for i in answer {
        let (v, before, target) = (values[i * width], old[2 * count + i], old[4 * count + i]);
        let (free, bound) = ((v - target).powi(2), (v.clamp(before - clip, before + clip) - target).powi(2));
        metrics[0] += 0.5 * free.max(bound) / n;
        metrics[1] += if bound > free { 1.0 / n } else { 0.0 };
        seed[i * width] = if bound > free { 0.0 } else { coef * (v - target) / n };
    }
    [metrics, seed]
}
