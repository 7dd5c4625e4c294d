//! A run of PPO as a curve: running means, and Gao's form of it.

use super::{Gao, Point};

/// Iterations of a mean of the curves.
const WINDOW: usize = 5;

/// The mean of one number over the points; not a number if there are none.
fn mean(points: &[Point], of: impl Fn(&Point) -> f64) -> f64 {
    points.iter().map(of).sum::<f64>() / points.len() as f64
}

/// Gold reward, proxy, KL and flattering words in a mean of [`WINDOW`] iterations.
#[derive(Clone, Copy)]
pub(super) struct Smooth {
    pub(super) gold: f64,
    pub(super) proxy: f64,
    pub(super) kl: f64,
    pub(super) flattery: f64,
}

impl Smooth {
    /// Of a run without iterations.
    pub(super) const NOTHING: Self =
        Self { gold: f64::NAN, proxy: f64::NAN, kl: f64::NAN, flattery: f64::NAN };
}

/// Running means of [`WINDOW`] iterations.
pub(super) fn windows(curve: &[Point]) -> Vec<Smooth> {
    let smooth = |points: &[Point]| Smooth {
        gold: mean(points, |p| p.answered.gold),
        proxy: mean(points, |p| p.proxy),
        kl: mean(points, |p| p.kl),
        flattery: mean(points, |p| p.answered.flattery),
    };
    curve.windows(WINDOW.min(curve.len()).max(1)).map(smooth).collect()
}

/// Least squares of the gold gained in d and −d ln d, on running means.
pub(super) fn gao(curve: &[Point]) -> Gao {
    let means = windows(curve);
    let Some(first) = means.first().copied() else { return Gao { alpha: 0.0, beta: 0.0, r2: 0.0 } };
    let rows: Vec<[f64; 3]> = means
        .iter()
        .filter(|p| p.kl > 0.0)
        .map(|p| {
            let d = p.kl.sqrt();
            [d, -d * d.ln(), p.gold - first.gold]
        })
        .collect();
    let sum = |i: usize, j: usize| rows.iter().map(|r| r[i] * r[j]).sum::<f64>();
    let determinant = sum(0, 0) * sum(1, 1) - sum(0, 1) * sum(0, 1);
    let alpha = (sum(0, 2) * sum(1, 1) - sum(1, 2) * sum(0, 1)) / determinant;
    let beta = (sum(1, 2) * sum(0, 0) - sum(0, 2) * sum(0, 1)) / determinant;
    let middle = rows.iter().map(|r| r[2]).sum::<f64>() / rows.len() as f64;
    let left: f64 = rows.iter().map(|r| (r[2] - alpha * r[0] - beta * r[1]).powi(2)).sum();
    let all: f64 = rows.iter().map(|r| (r[2] - middle).powi(2)).sum();
    Gao { alpha, beta, r2: 1.0 - left / all }
}
