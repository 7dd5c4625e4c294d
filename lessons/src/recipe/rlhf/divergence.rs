//! k1 and k3, Schulman's two estimates of the KL, beside the exact one.

use super::Estimate;
use gradus_core::objective::ppo::KlEstimator;
use gradus_core::train::{Iteration, RARE, TokenNumbers};

/// The KL over the tokens of some iterations.
pub(super) struct Divergence {
    /// The exact one's mean and deviation.
    pub(super) exact: [f64; 2],
    pub(super) k1: Estimate,
    pub(super) k3: Estimate,
    /// What tokens below [`RARE`] add to k3's exact mean.
    pub(super) rare: f64,
}

impl Divergence {
    /// A token's estimate is drawn anew given all before it: what it is beyond its exact mean is uncorrelated with
    /// the others, and the variances add. They are the exact ones, over the vocabulary. A sample's own would mislead:
    /// k3's mean is made by rare tokens, and a sample without them has too small a mean and too small a deviation.
    /// Nor can a sample of a few thousand say what tokens add that are drawn less than once in a thousand: k3 is held
    /// against its exact mean without them.
    pub(super) fn of(iterations: &[Iteration]) -> Self {
        let tokens: Vec<_> = iterations.iter().flat_map(|i| &i.answers).flat_map(|a| &a.tokens).collect();
        let n = tokens.len() as f64;
        let sum = |of: &dyn Fn(&TokenNumbers) -> f64| tokens.iter().map(|t| of(t)).sum::<f64>();
        let moments = |of: &dyn Fn(&TokenNumbers) -> f64| {
            let mean = sum(of) / n;
            [mean, (sum(&|t| (of(t) - mean).powi(2)) / (n - 1.0)).sqrt()]
        };
        let exact = |t: &TokenNumbers| f64::from(t.kl);
        let estimate =
            |estimator, off: &dyn Fn(&TokenNumbers, f64) -> f64, variance: fn(&TokenNumbers) -> f32| {
                let of = |t: &TokenNumbers| t.estimate(estimator);
                let [mean, deviation] = moments(&of);
                let z = sum(&|t| off(t, of(t))) / sum(&|t| f64::from(variance(t))).sqrt();
                Estimate { mean, deviation, z }
            };
        let common = |t: &TokenNumbers| f64::from(t.logp) >= RARE.ln();
        Self {
            exact: moments(&exact),
            k1: estimate(KlEstimator::K1, &|t, k1| k1 - exact(t), |t| t.k1_variance),
            k3: estimate(
                KlEstimator::K3,
                &|t, k3| if common(t) { k3 } else { 0.0 } - f64::from(t.k3_mean),
                |t| t.k3_variance,
            ),
            rare: sum(&|t| f64::from(t.kl - t.k3_mean)) / n,
        }
    }
}
