//! Speculative decoding (Leviathan et al. 2022, arXiv 2211.17192). p is the target's distribution, q the
//! draft's, α the rate of acceptance, γ the number of proposals a round.

use crate::device::cpu::Real;

/// Algorithm 1: the probability that a proposal x drawn from q is accepted, `min(1, p(x)/q(x))`.
pub fn acceptance<F: Real>(p: F, q: F) -> F {
    if q > F::zero() { (p / q).min(F::one()) } else { F::one() }
}

/// Whether Algorithm 1 accepts when its coin in [0, 1) shows `coin`: `coin < p(x)/q(x)`, without the quotient.
pub fn accepts<F: Real>(p: F, q: F, coin: F) -> bool {
    coin * q < p
}

/// `Σ min(p, q) = 1 − TV(p, q)`: how often a proposal is accepted (theorem 3.5).
pub fn overlap<F: Real>(p: &[F], q: &[F]) -> F {
    p.iter().zip(q).map(|(&p, &q)| p.min(q)).sum()
}

/// `max(0, p − q)`: what is drawn from after a rejection, up to its norm (Algorithm 1).
pub fn residual<F: Real>(p: &[F], q: &[F]) -> Vec<F> {
    p.iter().zip(q).map(|(&p, &q)| (p - q).max(F::zero())).collect()
}

/// Expected tokens of a call of the target: `(1 − α^(γ+1)) / (1 − α)`, and γ + 1 at α = 1 (equation 1).
pub fn tokens_per_call(alpha: f64, gamma: u32) -> f64 {
    // The geometric series itself: the closed form loses digits near α = 1.
    (0..=gamma).map(|i| alpha.powi(i as i32)).sum()
}

/// Expected speed-up where a call of the draft costs `c` calls of the target: tokens a call over `γc + 1`
/// (theorem 3.8).
pub fn speed_up(alpha: f64, gamma: u32, c: f64) -> f64 {
    tokens_per_call(alpha, gamma) / (f64::from(gamma) * c + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// min(p, q) + (1 − Σ min(p, q)) · residual/‖residual‖ = p: the rule draws from the target exactly.
    #[test]
    fn the_rule_is_exact() {
        let (p, q): ([f64; 4], [f64; 4]) = ([0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.25, 0.05]);
        let (alpha, left) = (overlap(&p, &q), residual(&p, &q));
        let norm: f64 = left.iter().sum();
        assert!((alpha - 0.6).abs() < 1e-12 && (norm - (1.0 - alpha)).abs() < 1e-12);
        for i in 0..4 {
            let drawn = q[i] * acceptance(p[i], q[i]) + (1.0 - alpha) * left[i] / norm;
            assert!((drawn - p[i]).abs() < 1e-12);
        }
    }

    #[test]
    fn tokens_per_call_is_the_closed_form() {
        for (alpha, gamma) in [(0.5f64, 1), (0.8, 4), (0.9, 8)] {
            let closed = (1.0 - alpha.powi(gamma as i32 + 1)) / (1.0 - alpha);
            assert!((tokens_per_call(alpha, gamma) - closed).abs() < 1e-12);
        }
        assert_eq!(tokens_per_call(1.0, 4), 5.0);
        assert_eq!(tokens_per_call(0.0, 4), 1.0);
        // A draft that costs as much as the target cannot win.
        assert!(speed_up(1.0, 4, 1.0) == 1.0 && speed_up(0.75, 7, 0.02) > 3.0);
    }
}
