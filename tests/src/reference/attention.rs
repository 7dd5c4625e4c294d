//! Causal self-attention of qkv `[B, T, 3C]`, heads side by side, one number at a time.

/// Sizes: batch, time, heads, head size.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// B.
    pub b: usize,
    /// T.
    pub t: usize,
    /// H.
    pub h: usize,
    /// D.
    pub d: usize,
    /// Whether scores are divided by √D.
    pub scaled: bool,
}

impl Sizes {
    /// C.
    pub fn c(self) -> usize {
        self.h * self.d
    }

    /// What scores are divided by.
    fn root(self) -> f64 {
        if self.scaled { (self.d as f64).sqrt() } else { 1.0 }
    }

    fn at(self, qkv: &[f64], third: usize, [b, t, h, j]: [usize; 4]) -> f64 {
        qkv[(b * self.t + t) * 3 * self.c() + third * self.c() + h * self.d + j]
    }

    fn out(self, [b, t, h, j]: [usize; 4]) -> usize {
        (b * self.t + t) * self.c() + h * self.d + j
    }

    /// All (sequence, head, query) triples.
    fn rows(self) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..self.b).flat_map(move |b| (0..self.h).flat_map(move |h| (0..self.t).map(move |i| (b, h, i))))
    }

    /// Where `[b, h, i, j]` is in `[B, H, T, T]`.
    fn pair(self, b: usize, h: usize, i: usize, j: usize) -> usize {
        ((b * self.h + h) * self.t + i) * self.t + j
    }

    fn score(self, qkv: &[f64], b: usize, h: usize, i: usize, j: usize) -> f64 {
        (0..self.d).map(|l| self.at(qkv, 0, [b, i, h, l]) * self.at(qkv, 1, [b, j, h, l])).sum::<f64>()
            / self.root()
    }
}

/// o `[B, T, C]`, probs `[B, H, T, T]`, log-sum-exp of the scaled scores `[B, H, T]`.
pub fn attention(qkv: &[f64], s: Sizes) -> [Vec<f64>; 3] {
    let mut o = vec![0.0; s.b * s.t * s.c()];
    let mut probs = vec![0.0; s.b * s.h * s.t * s.t];
    let mut lse = vec![0.0; s.b * s.h * s.t];
    for (b, h, i) in s.rows() {
        let total: f64 = (0..=i).map(|j| s.score(qkv, b, h, i, j).exp()).sum();
        lse[(b * s.h + h) * s.t + i] = total.ln();
        for j in 0..=i {
            let p = s.score(qkv, b, h, i, j).exp() / total;
            probs[s.pair(b, h, i, j)] = p;
            for l in 0..s.d {
                o[s.out([b, i, h, l])] += p * s.at(qkv, 2, [b, j, h, l]);
            }
        }
    }
    [o, probs, lse]
}

/// Gradient of the unscaled scores: dSᵢⱼ = Pᵢⱼ · (dPᵢⱼ − Σₗ Pᵢₗ·dPᵢₗ) / √D with dP = dO·Vᵀ.
pub fn grad_scores(qkv: &[f64], dout: &[f64], probs: &[f64], s: Sizes) -> Vec<f64> {
    let mut ds = vec![0.0; probs.len()];
    for (b, h, i) in s.rows() {
        let dp = |j: usize| -> f64 {
            (0..s.d).map(|l| dout[s.out([b, i, h, l])] * s.at(qkv, 2, [b, j, h, l])).sum()
        };
        let mean: f64 = (0..=i).map(|j| probs[s.pair(b, h, i, j)] * dp(j)).sum();
        for j in 0..=i {
            let at = s.pair(b, h, i, j);
            ds[at] = probs[at] * (dp(j) - mean) / s.root();
        }
    }
    ds
}

/// dqkv from the gradient of the unscaled scores: dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dO.
pub fn grad(qkv: &[f64], dout: &[f64], probs: &[f64], ds: &[f64], s: Sizes) -> Vec<f64> {
    let mut dqkv = vec![0.0; qkv.len()];
    let at = |third: usize, b: usize, t: usize, h: usize, l: usize| {
        (b * s.t + t) * 3 * s.c() + third * s.c() + h * s.d + l
    };
    for (b, h, i) in s.rows() {
        for j in 0..=i {
            let pair = s.pair(b, h, i, j);
            for l in 0..s.d {
                dqkv[at(0, b, i, h, l)] += ds[pair] * qkv[at(1, b, j, h, l)];
                dqkv[at(1, b, j, h, l)] += ds[pair] * qkv[at(0, b, i, h, l)];
                dqkv[at(2, b, j, h, l)] += probs[pair] * dout[s.out([b, i, h, l])];
            }
        }
    }
    dqkv
}

/// P = e^(S − lse), from the log-sum-exp kept by the forward pass.
pub fn probs_from_lse(qkv: &[f64], lse: &[f64], s: Sizes) -> Vec<f64> {
    let mut probs = vec![0.0; s.b * s.h * s.t * s.t];
    for (b, h, i) in s.rows() {
        for j in 0..=i {
            probs[s.pair(b, h, i, j)] = (s.score(qkv, b, h, i, j) - lse[(b * s.h + h) * s.t + i]).exp();
        }
    }
    probs
}

/// As [`grad_scores`], with Σₗ Pᵢₗ·dPᵢₗ given as `delta` `[B, H, T]`.
pub fn grad_scores_from_delta(qkv: &[f64], dout: &[f64], probs: &[f64], delta: &[f64], s: Sizes) -> Vec<f64> {
    let mut ds = vec![0.0; probs.len()];
    for (b, h, i) in s.rows() {
        for j in 0..=i {
            let at = s.pair(b, h, i, j);
            let dp: f64 = (0..s.d).map(|l| dout[s.out([b, i, h, l])] * s.at(qkv, 2, [b, j, h, l])).sum();
            ds[at] = probs[at] * (dp - delta[(b * s.h + h) * s.t + i]) / s.root();
        }
    }
    ds
}

/// delta `[B, H, T]` = Σ over a head of dO·O.
pub fn delta(o: &[f64], dout: &[f64], s: Sizes) -> Vec<f64> {
    s.rows().map(|(b, h, i)| (0..s.d).map(|l| s.out([b, i, h, l])).map(|at| o[at] * dout[at]).sum()).collect()
}
