//! Language modelling: the mean surprise at the next token (Radford et al. 2018, GPT, §3.1, eq. 1).

use crate::device::cpu::Real;

/// `L = −(1/n) Σ ln p(token | before)`, in nats a token.
pub fn loss<F: Real>(logp: &[F]) -> F {
    -logp.iter().copied().sum::<F>() / F::of(logp.len() as f64)
}

/// `∂L/∂ ln p = −1/n`, for each token alike.
pub fn seed<F: Real>(n: usize) -> F {
    F::of(-1.0 / n as f64)
}
