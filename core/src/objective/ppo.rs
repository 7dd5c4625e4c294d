//! Proximal policy optimisation of a language model against a learned reward.
//!
//! The clipped losses are of Schulman et al. 2017 (arXiv 1707.06347), §3; the advantages of Schulman et al.
//! 2015 (arXiv 1506.02438), §3; a reward a token that charges for leaving the reference of Ziegler et al. 2019
//! (arXiv 1909.08593), §2.2, Stiennon et al. 2020 and Ouyang et al. 2022 (arXiv 2203.02155), §3.5. Where those
//! leave something open it is as TRL's `PPOTrainer` has it, with two differences: the score is given at the
//! answer's last token (TRL: one place behind it), and every mean is over the answers' tokens alone (TRL averages
//! ratio, entropy and approxkl over the padding too).
//!
//! A token's numbers stand at the position that predicts it. `mask` is 1 where that token belongs to an
//! answer, else 0; an answer's positions are one stretch.

use crate::device::cpu::Real;
use serde::{Deserialize, Serialize};

/// What TRL adds to a variance before its root is taken.
const WHITEN_EPS: f64 = 1e-8;

/// Which estimate of the KL divergence the reward charges for (Schulman 2020, "Approximating KL divergence").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KlEstimator {
    /// `ln π − ln π_ref`: unbiased, may be negative.
    #[default]
    K1,
    /// `ρ − 1 − ln ρ` with ρ = π_ref/π: unbiased, never negative.
    K3,
}

impl KlEstimator {
    /// The estimate at a token drawn from π, in nats.
    pub fn of<F: Real>(self, logp: F, reference: F) -> F {
        let log_rho = reference - logp;
        match self {
            Self::K1 => -log_rho,
            Self::K3 => log_rho.expo() - F::one() - log_rho,
        }
    }
}

fn log_sum_exp<F: Real>(logits: &[F]) -> F {
    let max = logits.iter().copied().fold(F::neg_infinity(), F::max);
    max + logits.iter().map(|&x| (x - max).expo()).sum::<F>().ln()
}

/// What [`KlEstimator`]'s estimates are on average, and by how much they vary: exact, over all tokens that the
/// policy may draw.
#[derive(Clone, Copy, Debug)]
pub struct KlMoments<F> {
    /// `KL(π ‖ π_ref) = Σ π (ln π − ln π_ref)`, in nats: k1's mean.
    pub kl: F,
    /// Var\[k1\], in nats².
    pub k1_variance: F,
    /// The mean of k3 where the token is not rare, and of 0 where it is: with no token rare, the KL again.
    pub k3_mean: F,
    /// The variance of the same.
    pub k3_variance: F,
}

impl<F: Real> KlMoments<F> {
    /// Of two rows of logits. A token is rare if π is below `rare`. k3 has to do without those: its mean and its
    /// variance may be made by tokens that no sample holds, where π_ref²/π is huge.
    pub fn of(policy: &[F], reference: &[F], rare: F) -> Self {
        let (p, q, rare) = (log_sum_exp(policy), log_sum_exp(reference), rare.ln());
        // π of each token, and its two estimates.
        let tokens = || {
            policy.iter().zip(reference).map(|(&a, &b)| {
                let (p, q) = (a - p, b - q);
                let k3 = if p >= rare { KlEstimator::K3.of(p, q) } else { F::zero() };
                (p.expo(), KlEstimator::K1.of(p, q), k3)
            })
        };
        let zero = (F::zero(), F::zero());
        let (kl, k3_mean) = tokens().fold(zero, |(kl, mean), (p, k1, k3)| (kl + p * k1, mean + p * k3));
        let (k1_variance, k3_variance) = tokens().fold(zero, |(of_k1, of_k3), (p, k1, k3)| {
            let (k1, k3) = (k1 - kl, k3 - k3_mean);
            (of_k1 + p * k1 * k1, of_k3 + p * k3 * k3)
        });
        Self { kl, k1_variance, k3_mean, k3_variance }
    }
}

/// `−Σ π ln π` of a row of logits, in nats.
pub fn entropy<F: Real>(logits: &[F]) -> F {
    let lse = log_sum_exp(logits);
    -logits.iter().map(|&x| (x - lse).expo() * (x - lse)).sum::<F>()
}

/// The rewards of one answer's tokens: `−kl_coef · kl` at each, and `score` beside it at the last.
pub fn rewards<F: Real>(kl_coef: F, kl: impl Fn(usize) -> F, mask: &[F], score: F, out: &mut [F]) {
    let last = last(mask);
    for (t, out) in out.iter_mut().enumerate() {
        *out = if mask[t] > F::zero() { -kl_coef * kl(t) } else { F::zero() };
        if Some(t) == last {
            *out += score;
        }
    }
}

/// The position of an answer's last token, if it has any.
pub fn last<F: Real>(mask: &[F]) -> Option<usize> {
    mask.iter().rposition(|&m| m > F::zero())
}

/// Generalised advantage estimation over one answer: `δ_t = r_t + γV_{t+1} − V_t`,
/// `A_t = δ_t + γλA_{t+1}` (2015, eq. 16), and the returns `A_t + V_t`. Behind the answer V is 0.
pub fn gae<F: Real>(
    [gamma, lambda]: [F; 2],
    rewards: &[F],
    values: &[F],
    mask: &[F],
    [advantages, returns]: [&mut [F]; 2],
) {
    let (mut next_value, mut next_advantage) = (F::zero(), F::zero());
    for t in (0..rewards.len()).rev() {
        let v = mask[t] * values[t];
        let delta = rewards[t] + gamma * next_value - v;
        next_advantage = mask[t] * (delta + gamma * lambda * next_advantage);
        next_value = v;
        advantages[t] = next_advantage;
        returns[t] = next_advantage + v;
    }
}

/// Shifts to mean 0 (if `shift`) and scales to variance 1 over the masked elements, with Bessel's correction;
/// 0 elsewhere.
pub fn whiten<F: Real>(x: &[F], mask: &[F], shift: bool, out: &mut [F]) {
    let n = mask.iter().copied().sum::<F>();
    let pairs = || x.iter().zip(mask);
    let mean = pairs().map(|(&x, &m)| m * x).sum::<F>() / n.max(F::one());
    let squares = pairs().map(|(&x, &m)| m * (x - mean) * (x - mean)).sum::<F>();
    let scale = F::one() / (squares / (n - F::one()).max(F::one()) + F::of(WHITEN_EPS)).sqrt();
    let back = if shift { F::zero() } else { mean };
    for ((out, &x), &m) in out.iter_mut().zip(x).zip(mask) {
        *out = m * ((x - mean) * scale + back);
    }
}

/// What a clipped loss is at one token.
#[derive(Clone, Copy, Debug)]
pub struct Clipped<F> {
    /// The loss.
    pub loss: F,
    /// Its slope in what is learned: the token's ln p, or its value.
    pub slope: F,
    /// Whether the clip decided.
    pub active: bool,
}

/// `−min(ρA, clip(ρ, 1 − ε, 1 + ε)A)` with ρ = π/π_old (2017, eq. 7), and its slope in ln π.
pub fn policy_loss<F: Real>(ratio: F, advantage: F, clip: F) -> Clipped<F> {
    let free = -advantage * ratio;
    let bound = -advantage * ratio.max(F::one() - clip).min(F::one() + clip);
    let active = bound > free;
    Clipped { loss: free.max(bound), slope: if active { F::zero() } else { free }, active }
}

/// `½ max((V − R)², (V_clip − R)²)` where V_clip is within `clip` of the old value, and its slope in V.
pub fn value_loss<F: Real>(value: F, old: F, target: F, clip: F) -> Clipped<F> {
    let bounded = value.max(old - clip).min(old + clip);
    let (free, bound) = (value - target, bounded - target);
    let active = bound * bound > free * free;
    let loss = F::of(0.5) * (free * free).max(bound * bound);
    Clipped { loss, slope: if active { F::zero() } else { free }, active }
}

#[cfg(test)]
mod tests {
    use super::KlMoments;

    /// π is .7, .2, .1 and π_ref .3, .3, .4.
    fn moments(rare: f64) -> KlMoments<f64> {
        KlMoments::of(&[0.7f64, 0.2, 0.1].map(f64::ln), &[0.3f64, 0.3, 0.4].map(f64::ln), rare)
    }

    #[test]
    fn both_estimates_are_right_on_average() {
        let all = moments(0.0);
        let kl = 0.7 * (7.0f64 / 3.0).ln() + 0.2 * (2.0f64 / 3.0).ln() + 0.1 * 0.25f64.ln();
        assert!((all.kl - kl).abs() < 1e-15 && (all.k3_mean - kl).abs() < 1e-15, "{all:?}, KL {kl}");
    }

    #[test]
    fn rare_tokens_count_for_nothing() {
        let k3 = [3.0 / 7.0, 1.5].map(|u: f64| u - 1.0 - u.ln());
        let mean = 0.7 * k3[0] + 0.2 * k3[1];
        let square = 0.7 * k3[0].powi(2) + 0.2 * k3[1].powi(2);
        let found = moments(0.15);
        assert!((found.k3_mean - mean).abs() < 1e-15, "{found:?}, expected {mean}");
        assert!((found.k3_variance - (square - mean * mean)).abs() < 1e-15, "{found:?}");
        assert_eq!(found.k1_variance, moments(0.0).k1_variance);
    }
}
