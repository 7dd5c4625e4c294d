//! Fitting the law: L-BFGS on log residuals (Hoffmann et al. 2022, section 3.3, equation 3).

use super::{Law, Point};
use crate::{Error, Result};
use argmin::core::{CostFunction, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use serde::{Deserialize, Serialize};

/// How a residual `ln L(N, D) − ln L` is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Residual {
    /// Huber's loss (Huber 1964): `r²/2` up to δ, linear beyond. Hoffmann et al. use δ = 1e-3.
    Huber(f64),
    /// `r²/2`.
    Squares,
}

/// How a law is fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Method {
    /// How residuals are weighed.
    pub residual: Residual,
    /// E, in nats a token, where the entropy of the text is known; without it E is fitted as the other constants
    /// are. Runs of one decade of N and of D hardly tell a low floor from small exponents, so the exponents are much
    /// surer with it.
    pub floor: Option<f64>,
}

impl Method {
    /// All five constants are fitted.
    pub const fn free(residual: Residual) -> Self {
        Self { residual, floor: None }
    }

    /// Four are fitted, above a known floor.
    pub const fn above(residual: Residual, floor: f64) -> Self {
        Self { residual, floor: Some(floor) }
    }

    /// How many constants are fitted.
    pub const fn constants(self) -> f64 {
        if self.floor.is_some() { 4.0 } else { 5.0 }
    }
}

/// A fitted law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The law.
    pub law: Law,
    /// The least sum of weighed residuals.
    pub cost: f64,
    /// Share of the variance of ln L that the law explains.
    pub r2: f64,
}

/// Starts from the grid that are followed to their end: the best of it.
const FOLLOWED: usize = 12;
/// Steps of one start.
const STEPS: u64 = 600;

impl Residual {
    fn cost(self, r: f64) -> f64 {
        match self {
            Self::Huber(delta) if r.abs() > delta => delta * (r.abs() - delta / 2.0),
            _ => r * r / 2.0,
        }
    }

    fn slope(self, r: f64) -> f64 {
        match self {
            Self::Huber(delta) => r.clamp(-delta, delta),
            Self::Squares => r,
        }
    }
}

/// The sum over points, as a function of `[e, a, b, α, β]` with E = exp(e), A = exp(a), B = exp(b).
struct Problem<'p> {
    points: &'p [Point],
    method: Method,
}

impl Problem<'_> {
    /// ln of the law by log-sum-exp, and the shares of its three terms.
    fn terms(theta: &[f64], point: &Point) -> (f64, [f64; 3]) {
        let t = [theta[0], theta[1] - theta[3] * point.n.ln(), theta[2] - theta[4] * point.d.ln()];
        let max = t.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let e = t.map(|x| (x - max).exp());
        let sum: f64 = e.iter().sum();
        (max + sum.ln(), e.map(|x| x / sum))
    }

    fn value(&self, theta: &[f64]) -> f64 {
        let cost = |p: &Point| self.method.residual.cost(Self::terms(theta, p).0 - p.loss.ln());
        self.points.iter().map(cost).sum()
    }

    fn slope(&self, theta: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; 5];
        for point in self.points {
            let (ln, [e, a, b]) = Self::terms(theta, point);
            let s = self.method.residual.slope(ln - point.loss.ln());
            out[0] += s * e;
            out[1] += s * a;
            out[2] += s * b;
            out[3] -= s * a * point.n.ln();
            out[4] -= s * b * point.d.ln();
        }
        // A floor that is known stays where the start has it.
        if self.method.floor.is_some() {
            out[0] = 0.0;
        }
        out
    }

    /// L-BFGS from `start`: where it ends, and the cost there.
    fn follow(self, start: Vec<f64>) -> Option<(f64, Vec<f64>)> {
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), 8)
            .with_tolerance_grad(1e-10)
            .and_then(|s| s.with_tolerance_cost(1e-15))
            .ok()?;
        let result = Executor::new(self, solver).configure(|s| s.param(start).max_iters(STEPS)).run().ok()?;
        let state = result.state();
        Some((state.get_best_cost(), state.get_best_param()?.clone()))
    }
}

impl CostFunction for Problem<'_> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, theta: &Self::Param) -> std::result::Result<f64, argmin::core::Error> {
        Ok(self.value(theta))
    }
}

impl Gradient for Problem<'_> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, theta: &Self::Param) -> std::result::Result<Vec<f64>, argmin::core::Error> {
        Ok(self.slope(theta))
    }
}

/// The grid of starts: Hoffmann et al.'s α, β and e (or the known one), with a and b spanning what small models need
/// too.
fn grid(floor: Option<f64>) -> impl Iterator<Item = Vec<f64>> {
    let exponents = [0.2, 0.5, 0.8, 1.2];
    let factors = [0.0, 3.0, 6.0, 9.0, 12.0, 18.0];
    let floors = floor.map_or(vec![-1.0, -0.5, 0.0, 0.5, 1.0], |e| vec![e.ln()]);
    let shapes = exponents.into_iter().flat_map(move |alpha| exponents.map(|beta| [alpha, beta]));
    let terms = shapes.flat_map(move |[alpha, beta]| {
        factors.into_iter().flat_map(move |a| factors.map(|b| [a, b, alpha, beta]))
    });
    terms.flat_map(move |[a, b, alpha, beta]| {
        floors.iter().map(|&e| vec![e, a, b, alpha, beta]).collect::<Vec<_>>()
    })
}

/// Fits the law to `points`: L-BFGS from the best starts of a grid, or from `near` alone if it is given (a
/// bootstrap begins at the fit to the data).
///
/// # Errors
/// [`Error::Config`] for fewer than six points, for losses, N, D or a floor that are not positive numbers, or if
/// no start leads anywhere.
pub fn fit(points: &[Point], method: Method, near: Option<&Law>) -> Result<Fit> {
    if points.len() < 6 {
        return Err(Error::Config(format!(
            "{} points are too few for a law of five constants: measure six or more",
            points.len()
        )));
    }
    let positive = |x: f64| x.is_finite() && x > 0.0;
    if let Some(bad) = points.iter().find(|p| !(positive(p.n) && positive(p.d) && positive(p.loss))) {
        return Err(Error::Config(format!("{bad:?} cannot be fitted: N, D and loss must be above 0")));
    }
    if let Some(e) = method.floor.filter(|&e| !positive(e)) {
        return Err(Error::Config(format!("a floor of {e} cannot be fitted above: it must be above 0")));
    }
    let problem = || Problem { points, method };
    let starts = match near {
        Some(law) => vec![vec![
            method.floor.unwrap_or(law.e).max(1e-9).ln(),
            law.a.ln(),
            law.b.ln(),
            law.alpha,
            law.beta,
        ]],
        None => {
            let mut all: Vec<(f64, Vec<f64>)> =
                grid(method.floor).map(|s| (problem().value(&s), s)).collect();
            all.sort_by(|x, y| x.0.total_cmp(&y.0));
            all.into_iter().take(FOLLOWED).map(|(_, start)| start).collect()
        }
    };
    let ends = starts.into_iter().filter_map(|start| problem().follow(start));
    let (cost, theta) = ends
        .filter(|(cost, theta)| cost.is_finite() && theta.iter().all(|x| x.is_finite()))
        .min_by(|x, y| x.0.total_cmp(&y.0))
        .ok_or_else(|| Error::Config("no start of the fit leads to a law: check the losses".into()))?;
    let law =
        Law { e: theta[0].exp(), a: theta[1].exp(), b: theta[2].exp(), alpha: theta[3], beta: theta[4] };
    Ok(Fit { law, cost, r2: r2(&law, points) })
}

fn r2(law: &Law, points: &[Point]) -> f64 {
    let mean = points.iter().map(|p| p.loss.ln()).sum::<f64>() / points.len() as f64;
    let square = |x: f64| x * x;
    let left: f64 = points.iter().map(|p| square(p.loss.ln() - law.loss(p.n, p.d).ln())).sum();
    let all: f64 = points.iter().map(|p| square(p.loss.ln() - mean)).sum();
    1.0 - left / all
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::rng::{Rng, Stream};

    pub(crate) const LAW: Law = Law { e: 1.0943, a: 60.0, b: 400.0, alpha: 0.57, beta: 0.49 };

    pub(crate) fn planted(noise: f64, seed: u32) -> Vec<Point> {
        let mut rng = Rng::new(seed, Stream::Test);
        let sizes = [9e3, 14e3, 22e3, 40e3, 77e3, 127e3];
        let mut points = Vec::new();
        for (run, n) in sizes.into_iter().enumerate() {
            for k in 0..9 {
                let d = 2.5e5 * 2f64.powf(f64::from(k) / 2.0);
                points.push(Point { n, d, loss: LAW.loss(n, d) * (noise * rng.normal()).exp(), run });
            }
        }
        points
    }

    #[test]
    fn finds_a_planted_law() {
        for residual in [Residual::Squares, Residual::Huber(1e-3)] {
            let found = fit(&planted(0.0, 1), Method::free(residual), None).unwrap();
            assert!((found.law.e - LAW.e).abs() < 1e-3, "{residual:?} {found:?}");
            assert!((found.law.alpha - LAW.alpha).abs() < 5e-3, "{found:?}");
            assert!((found.law.beta - LAW.beta).abs() < 5e-3, "{found:?}");
            assert!(found.r2 > 0.999_99);
        }
    }

    #[test]
    fn is_near_it_under_noise() {
        let found = fit(&planted(0.003, 2), Method::free(Residual::Squares), None).unwrap();
        assert!((found.law.e / LAW.e - 1.0).abs() < 0.05, "{found:?}");
        let held_out = found.law.loss(200e3, 8e6) / LAW.loss(200e3, 8e6);
        assert!((held_out - 1.0).abs() < 0.01, "{held_out}");
    }

    #[test]
    fn a_known_floor_is_kept_and_makes_the_exponents_surer() {
        let known = Method::above(Residual::Squares, LAW.e);
        let exact = fit(&planted(0.0, 1), known, None).unwrap();
        assert!(
            (exact.law.e - LAW.e).abs() < 1e-12 && (exact.law.alpha - LAW.alpha).abs() < 1e-3,
            "{exact:?}"
        );
        // The root of the mean squared error of α and β over ten noisy sweeps.
        let error = |method: Method| {
            let squares = (0..10).map(|seed| {
                let law = fit(&planted(0.005, 40 + seed), method, None).unwrap().law;
                (law.alpha - LAW.alpha).powi(2) + (law.beta - LAW.beta).powi(2)
            });
            (squares.sum::<f64>() / 10.0).sqrt()
        };
        let (with, without) = (error(known), error(Method::free(Residual::Squares)));
        assert!(with < without, "{with} with the floor, {without} without");
    }

    #[test]
    fn the_slope_is_the_derivative() {
        let points = planted(0.02, 3);
        for residual in [Residual::Squares, Residual::Huber(1e-2)] {
            let problem = Problem { points: &points, method: Method::free(residual) };
            let theta = vec![0.1, 4.0, 6.2, 0.6, 0.45];
            let slope = problem.slope(&theta);
            for i in 0..5 {
                let moved = |by: f64| {
                    let mut t = theta.clone();
                    t[i] += by;
                    problem.value(&t)
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!((difference - slope[i]).abs() < 1e-6 * slope[i].abs().max(1.0), "{i}");
            }
        }
    }

    #[test]
    fn refuses_what_cannot_be_fitted() {
        let mut points = planted(0.0, 1);
        let method = Method::free(Residual::Squares);
        assert!(fit(&points[..5], method, None).is_err());
        assert!(fit(&points, Method::above(Residual::Squares, -1.0), None).is_err());
        points[3].loss = f64::NAN;
        assert!(fit(&points, method, None).is_err());
    }
}
