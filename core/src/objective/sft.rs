//! Supervised fine-tuning: the mean surprise at the tokens of the answers (Ouyang et al. 2022, InstructGPT,
//! §3.5; the mask is TRL's `completion_only_loss`).

use crate::device::cpu::Real;

/// One token's part of `L = −(1/n) Σ ln p(token | before)`: `weight` is 1 for tokens that are learned and 0 for
/// the prompt and the padding, `share` is `1/n`, n the number of such tokens in the step.
pub fn loss<F: Real>(logp: F, weight: F, share: F) -> F {
    -share * weight * logp
}

/// `∂L/∂ ln p` of that token.
pub fn seed<F: Real>(weight: F, share: F) -> F {
    -share * weight
}
