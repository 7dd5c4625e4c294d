//! Pearson's χ² test: do draws follow a law?

use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Expected counts below this are pooled into one cell: the test's approximation needs no fewer (Cochran 1954).
const LEAST: f64 = 5.0;

/// The probability of a χ² at least as large if `counts` are draws from `law`. 0 where something was drawn that
/// the law excludes; 1 where the law leaves nothing to test.
pub fn p_value(counts: &[f64], law: &[f64]) -> f64 {
    let n: f64 = counts.iter().sum();
    let total: f64 = law.iter().sum();
    let (mut chi, mut cells, mut pooled) = (0.0, 0usize, (0.0, 0.0));
    let mut add = |count: f64, expected: f64| {
        chi += (count - expected).powi(2) / expected;
        cells += 1;
    };
    for (&count, &p) in counts.iter().zip(law) {
        let expected = n * p / total;
        if expected >= LEAST {
            add(count, expected);
        } else {
            pooled = (pooled.0 + count, pooled.1 + expected);
        }
    }
    match pooled {
        (count, expected) if expected > 0.0 => add(count, expected),
        (count, _) if count > 0.0 => return 0.0,
        _ => {}
    }
    ChiSquared::new(cells.saturating_sub(1) as f64).map_or(1.0, |law| law.sf(chi))
}

#[cfg(test)]
mod tests {
    use super::p_value;

    #[test]
    fn known_values() {
        // χ² = 4 with one degree of freedom, and 3.84 is the 5 % point.
        assert!((p_value(&[60.0, 40.0], &[0.5, 0.5]) - 0.0455).abs() < 1e-4);
        assert_eq!(p_value(&[50.0, 50.0], &[0.5, 0.5]), 1.0);
        assert!(p_value(&[600.0, 400.0], &[0.5, 0.5]) < 1e-6);
        assert_eq!(p_value(&[99.0, 1.0], &[1.0, 0.0]), 0.0);
        assert_eq!(p_value(&[100.0], &[1.0]), 1.0);
    }
}
