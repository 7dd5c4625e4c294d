//! What others measured on large models.

use super::law::{Law, Optimum};

/// Chinchilla's constants as printed (Hoffmann et al. 2022, equation 10, approach 3).
pub const HOFFMANN: Law = Law { e: 1.69, a: 406.4, b: 410.7, alpha: 0.34, beta: 0.28 };

/// The fit to the same runs by Besiroglu et al. 2024 (arXiv 2404.10102, Epoch AI).
pub const EPOCH: Law = Law { e: 1.817, a: 482.0, b: 2085.0, alpha: 0.348, beta: 0.366 };

/// Operations of a PF-day.
const PF_DAY: f64 = 1e15 * 86_400.0;

/// What Kaplan et al. 2020 would build: `N = 1.3e9·(C in PF-days)^0.73` without embeddings (§1.2 for the exponent,
/// appendix A, table 6, for the factor); D from C = 6·N·D.
pub fn kaplan_optimum(c: f64) -> Optimum {
    let n = 1.3e9 * (c / PF_DAY).powf(0.73);
    Optimum { n, d: c / (6.0 * n) }
}

/// The least and the largest D/N that constants rounding to `law`'s exponents (two decimals) give at `c`
/// operations: how little two printed digits say.
pub fn ratios_within_rounding(law: &Law, c: f64) -> [f64; 2] {
    let half = 0.005;
    let mut range = [f64::INFINITY, f64::NEG_INFINITY];
    for alpha in [law.alpha - half, law.alpha + half] {
        for beta in [law.beta - half, law.beta + half] {
            let ratio = Law { alpha, beta, ..*law }.optimum(c).ratio();
            range = [range[0].min(ratio), range[1].max(ratio)];
        }
    }
    range
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chinchilla's own budget.
    const C: f64 = 5.76e23;

    #[test]
    fn printed_constants_do_not_give_the_papers_own_model() {
        // The paper trained 70B parameters on 1.4T tokens, 20 tokens a parameter.
        let printed = HOFFMANN.optimum(C).ratio();
        assert!((90.0..96.0).contains(&printed), "{printed}");
        let epoch = EPOCH.optimum(C).ratio();
        assert!((17.0..19.0).contains(&epoch), "{epoch}");
    }

    #[test]
    fn two_digits_leave_the_ratio_open() {
        let [low, high] = ratios_within_rounding(&HOFFMANN, C);
        let printed = HOFFMANN.optimum(C).ratio();
        assert!(low < printed && printed < high && high / low > 2.0, "{low} {high}");
    }

    #[test]
    fn kaplan_builds_larger_models_on_fewer_tokens() {
        assert!(kaplan_optimum(C).ratio() < EPOCH.optimum(C).ratio());
        let tenfold = kaplan_optimum(10.0 * C).n / kaplan_optimum(C).n;
        assert!((tenfold - 10f64.powf(0.73)).abs() < 1e-9);
    }
}
