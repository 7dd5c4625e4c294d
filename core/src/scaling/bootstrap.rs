//! How sure a fit is: the wild cluster bootstrap (Cameron, Gelbach & Miller 2008, Rev. Econ. Stat. 90). The
//! points of one run are not independent, so a run's residuals are multiplied by one random weight together.

use super::{Fit, Law, Method, Point, fit};
use crate::Result;
use crate::rng::{Rng, Stream};
use serde::{Deserialize, Serialize};

/// The six weights of Webb (2023, Canadian J. Econ. 56): with few runs, ±1 alone repeats itself too soon.
const WEIGHTS: [f64; 6] = {
    let (large, small) = (1.224_744_871_391_589, std::f64::consts::FRAC_1_SQRT_2);
    [-large, -1.0, -small, small, 1.0, large]
};

/// A 95 % interval. With a handful of runs it is too narrow for extrapolations: on a planted law it held the
/// truth in 80 of 100 trials (see the test).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// 2.5 % of the draws lie below.
    pub low: f64,
    /// 2.5 % lie above.
    pub high: f64,
}

impl Interval {
    /// Whether `x` lies in it.
    pub fn contains(&self, x: f64) -> bool {
        (self.low..=self.high).contains(&x)
    }
}

/// `draws` laws, each fitted to losses remade from `fitted` and its residuals, these weighted anew run by run.
///
/// # Errors
/// Those of [`fit`].
pub fn bootstrap(
    points: &[Point],
    fitted: &Fit,
    method: Method,
    draws: usize,
    seed: u32,
) -> Result<Vec<Law>> {
    let mut rng = Rng::new(seed, Stream::Bootstrap);
    let runs = points.iter().map(|p| p.run + 1).max().unwrap_or(0);
    let law = &fitted.law;
    // A fit leaves residuals smaller than the errors; the correction for few clusters and lost degrees of
    // freedom is that of CR1 (Cameron & Miller 2015, section VI.B).
    let (g, n) = (runs.max(2) as f64, points.len() as f64);
    let correction = (g / (g - 1.0) * (n - 1.0) / (n - method.constants()).max(1.0)).sqrt();
    let mut laws = Vec::with_capacity(draws);
    for _ in 0..draws {
        let weights: Vec<f64> = (0..runs).map(|_| WEIGHTS[rng.below(6) as usize]).collect();
        let remade: Vec<Point> = points
            .iter()
            .map(|p| {
                let predicted = law.loss(p.n, p.d);
                Point { loss: predicted * (p.loss / predicted).powf(correction * weights[p.run]), ..*p }
            })
            .collect();
        laws.push(fit(&remade, method, Some(law))?.law);
    }
    Ok(laws)
}

/// The middle 95 % of `values`.
pub fn interval(values: impl IntoIterator<Item = f64>) -> Interval {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * (sorted.len().saturating_sub(1)) as f64;
        let (low, high) = (place.floor() as usize, place.ceil() as usize);
        let value = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
        value(low) + (place - place.floor()) * (value(high) - value(low))
    };
    Interval { low: at(0.025), high: at(0.975) }
}

#[cfg(test)]
mod tests {
    use super::super::Residual;
    use super::super::fit::tests::{LAW, planted};
    use super::*;

    #[test]
    fn intervals_cover_the_truth_most_of_the_time() {
        let mut covered = 0;
        for seed in 0..30 {
            let points = planted(0.003, 100 + seed);
            let method = Method::free(Residual::Squares);
            let fitted = fit(&points, method, None).unwrap();
            let laws = bootstrap(&points, &fitted, method, 60, seed).unwrap();
            let loss = interval(laws.iter().map(|l| l.loss(200e3, 8e6)));
            covered += usize::from(loss.contains(LAW.loss(200e3, 8e6)));
        }
        // 95 % are meant. With six runs the bootstrap is too sure of itself where the law is extrapolated: over
        // 100 seeds it covered 80.
        assert!(covered >= 20, "{covered} of 30");
    }

    #[test]
    fn the_middle_of_a_hundred() {
        let found = interval((0..=100).map(f64::from));
        assert!((found.low - 2.5).abs() < 1e-9 && (found.high - 97.5).abs() < 1e-9);
    }
}
