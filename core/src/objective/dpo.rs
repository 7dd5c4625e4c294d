//! Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290): the policy is its own reward model.

use super::{log_sigmoid, sigmoid};
use crate::device::cpu::Real;

/// The loss's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dpo {
    /// β: how dear it is to leave the reference.
    pub beta: f64,
    /// ε: the share of labels taken to be wrong (conservative DPO; Mitchell 2023).
    pub label_smoothing: f64,
    /// α: weight of the chosen answer's own mean surprise (Pang et al. 2024, arXiv 2404.19733, eq. 1); 0 is
    /// plain DPO.
    pub nll: f64,
}

/// §4, eq. 5: `r̂ = β (ln π(y|x) − ln π_ref(y|x))`, but for what depends on x alone.
pub fn reward<F: Real>(beta: F, logp: F, reference: F) -> F {
    beta * (logp - reference)
}

/// §4, eq. 7: `−(1 − ε) ln σ(m) − ε ln σ(−m)`, where m is the difference of the two rewards.
pub fn loss<F: Real>(margin: F, smoothing: F) -> F {
    -(F::one() - smoothing) * log_sigmoid(margin) - smoothing * log_sigmoid(-margin)
}

/// `∂L/∂m = σ(m) − (1 − ε)`.
pub fn slope<F: Real>(margin: F, smoothing: F) -> F {
    smoothing * sigmoid(margin) - (F::one() - smoothing) * sigmoid(-margin)
}
