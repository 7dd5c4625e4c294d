//! Objectives: each file is the formula of one paper, in plain Rust. The kernels compute the same.

pub mod dpo;
pub mod ppo;
pub mod pretrain;
pub mod reward;
pub mod sft;

use crate::device::cpu::Real;

/// `σ(x) = 1 / (1 + e⁻ˣ)`, without overflow.
pub fn sigmoid<F: Real>(x: F) -> F {
    let small = (-x.abs()).expo();
    (if x < F::zero() { small } else { F::one() }) / (F::one() + small)
}

/// `ln σ(x)`, without overflow.
pub fn log_sigmoid<F: Real>(x: F) -> F {
    x.min(F::zero()) - (F::one() + (-x.abs()).expo()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sigmoids_hold_at_both_ends() {
        for x in [-700.0, -3.0, -1e-9, 0.0, 0.4, 30.0, 700.0] {
            let plain = 1.0 / (1.0 + f64::exp(-x));
            assert!((sigmoid(x) - plain).abs() < 1e-15, "{x}");
            assert!((log_sigmoid(x) - plain.ln()).abs() < 1e-12 * x.abs().max(1.0), "{x}");
        }
        assert_eq!(log_sigmoid(-1e30f32), -1e30);
        assert_eq!((sigmoid(-1e30f32), sigmoid(1e30f32)), (0.0, 1.0));
    }
}
