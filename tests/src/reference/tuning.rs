//! Fine-tuning: rows, sums, and the objectives from their papers' formulas.

/// Entropy, hit and mean logit of each row of `width` logits of which `vocab` count; logits below −5,000 are
/// forbidden tokens.
pub fn token_stats(
    logits: &[f64],
    lse: &[f64],
    targets: &[u32],
    width: usize,
    vocab: usize,
) -> [Vec<f64>; 3] {
    let (mut entropy, mut hit, mut mean) = (Vec::new(), Vec::new(), Vec::new());
    for (i, &target) in targets.iter().enumerate() {
        let row = &logits[i * width..][..vocab];
        entropy.push(row.iter().map(|x| (lse[i] - x) * (x - lse[i]).exp()).sum());
        let mut best = 0;
        for j in 0..vocab {
            if row[j] > row[best] {
                best = j;
            }
        }
        hit.push(if best == target as usize { 1.0 } else { 0.0 });
        let allowed: Vec<f64> = row.iter().copied().filter(|&x| x > -5000.0).collect();
        mean.push(allowed.iter().sum::<f64>() / allowed.len() as f64);
    }
    [entropy, hit, mean]
}

fn sigma(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The metrics of DPO's batch (in the engine's order) and the loss's gradient in the policy's log-probabilities.
pub fn dpo(
    [policy, reference, lengths, logits]: [&[f64]; 4],
    beta: f64,
    smoothing: f64,
    alpha: f64,
) -> (Vec<f64>, Vec<f64>) {
    let pairs = policy.len() / 2;
    let n = pairs as f64;
    let mut m = vec![0.0; 10];
    let mut gradient = vec![0.0; policy.len()];
    let mut sums = [0.0; 4];
    for i in 0..pairs {
        let (w, l) = (2 * i, 2 * i + 1);
        let difference = (policy[w] - reference[w]) - (policy[l] - reference[l]);
        let p = sigma(beta * difference);
        m[0] +=
            (-(1.0 - smoothing) * p.ln() - smoothing * (1.0 - p).ln() - alpha * policy[w] / lengths[w]) / n;
        m[1] += beta * (policy[w] - reference[w]) / n;
        m[2] += beta * (policy[l] - reference[l]) / n;
        m[3] += if difference * beta > 0.0 { 1.0 / n } else { 0.0 };
        m[4] += beta * difference / n;
        m[5] += policy[w] / n;
        m[6] += policy[l] / n;
        m[9] += -policy[w] / lengths[w] / n;
        let slope = (p - (1.0 - smoothing)) * beta / n;
        gradient[w] = slope - alpha / lengths[w] / n;
        gradient[l] = -slope;
        sums = [sums[0] + logits[w], sums[1] + lengths[w], sums[2] + logits[l], sums[3] + lengths[l]];
    }
    m[7] = sums[0] / sums[1];
    m[8] = sums[2] / sums[3];
    (m, gradient)
}

/// The metrics of a reward model's batch (in the engine's order) and the loss's gradient in the scores.
pub fn reward(scores: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = (scores.len() / 2) as f64;
    let mut gradient = Vec::new();
    let mut m = vec![0.0; 6];
    for pair in scores.chunks(2) {
        let p = sigma(pair[0] - pair[1]);
        m[0] -= p.ln() / n;
        m[1] += if pair[0] > pair[1] { 1.0 / n } else { 0.0 };
        m[2] += (pair[0] - pair[1]) / n;
        gradient.extend([(p - 1.0) / n, (1.0 - p) / n]);
    }
    m[3] = scores.iter().copied().fold(f64::INFINITY, f64::min);
    m[4] = scores.iter().sum::<f64>() / scores.len() as f64;
    m[5] = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (m, gradient)
}
