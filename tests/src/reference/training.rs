//! Losses and the optimiser.

/// logp of the target and log-sum-exp, for rows of `width` logits of which `vocab` count.
pub fn log_prob(logits: &[f64], targets: &[u32], width: usize, vocab: usize) -> [Vec<f64>; 2] {
    let (mut logp, mut lse) = (Vec::new(), Vec::new());
    for (i, &target) in targets.iter().enumerate() {
        let total: f64 = (0..vocab).map(|j| logits[i * width + j].exp()).sum();
        lse.push(total.ln());
        logp.push((logits[i * width + target as usize].exp() / total).ln());
    }
    [logp, lse]
}

/// dlogp · (1 if the target, else 0, less e^(logit − lse)); 0 in the padding.
pub fn log_prob_grad(
    dlogp: &[f64],
    logits: &[f64],
    targets: &[u32],
    lse: &[f64],
    width: usize,
    vocab: usize,
) -> Vec<f64> {
    let mut out = vec![0.0; logits.len()];
    for i in 0..targets.len() {
        for j in 0..vocab {
            let hit = if targets[i] as usize == j { 1.0 } else { 0.0 };
            out[i * width + j] = dlogp[i] * (hit - (logits[i * width + j] - lse[i]).exp());
        }
    }
    out
}

/// What AdamW needs beside its buffers.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// 1 − β₁ᵗ.
    pub correction1: f64,
    /// √(1 − β₂ᵗ).
    pub correction2: f64,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε.
    pub eps: f64,
    /// Weight decay.
    pub decay: f64,
    /// What the gradient is multiplied by.
    pub clip: f64,
}

/// New (p, m, v) of one element (Loshchilov & Hutter 2017, algorithm 2, with a decoupled decay of lr · λ).
pub fn adamw(a: Adam, [p, m, v, grad]: [f64; 4]) -> [f64; 3] {
    let g = grad * a.clip;
    let m = a.beta1 * m + (1.0 - a.beta1) * g;
    let v = a.beta2 * v + (1.0 - a.beta2) * g.powi(2);
    let (m_hat, v_hat) = (m / a.correction1, v / a.correction2.powi(2));
    [p - a.lr * a.decay * p - a.lr * m_hat / (v_hat.sqrt() + a.eps), m, v]
}

/// The mean of weight and average that gives the weight `rate` and the average the rest.
pub fn weight_average(rate: f64, weights: &[f64], average: &[f64]) -> Vec<f64> {
    (0..weights.len()).map(|i| rate * weights[i] + (1.0 - rate) * average[i]).collect()
}
