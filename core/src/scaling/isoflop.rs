//! IsoFLOP profiles (Hoffmann et al. 2022, section 3.2, approach 2): at one budget, loss against ln N is close to
//! a parabola, whose lowest point is the best model of that budget.

use serde::{Deserialize, Serialize};

/// `loss = low + curvature·(ln N − ln n)²`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parabola {
    /// Parameters at its lowest point.
    pub n: f64,
    /// Loss there, nats a token.
    pub low: f64,
    /// How steeply it rises; above 0.
    pub curvature: f64,
}

/// Least-squares parabola through `(N, loss)` pairs of one budget. None for fewer than three sizes, or if it
/// opens downwards: then the best size lies outside those that were tried.
pub fn parabola(points: &[(f64, f64)]) -> Option<Parabola> {
    if points.len() < 3 {
        return None;
    }
    let count = points.len() as f64;
    let centre = points.iter().map(|p| p.0.ln()).sum::<f64>() / count;
    // Normal equations of c₀ + c₁x + c₂x² in x = ln N − centre.
    let (mut s, mut t) = ([0.0; 5], [0.0; 3]);
    for &(n, loss) in points {
        let x = n.ln() - centre;
        (0..5).for_each(|k| s[k] += x.powi(k as i32));
        (0..3).for_each(|k| t[k] += loss * x.powi(k as i32));
    }
    let det = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let m = [[s[0], s[1], s[2]], [s[1], s[2], s[3]], [s[2], s[3], s[4]]];
    let whole = det(m);
    let with = |column: usize| {
        let mut m = m;
        (0..3).for_each(|row| m[row][column] = t[row]);
        det(m) / whole
    };
    let c = [with(0), with(1), with(2)];
    if !(c.iter().all(|x| x.is_finite()) && c[2] > 0.0) {
        return None;
    }
    let x = -c[1] / (2.0 * c[2]);
    Some(Parabola { n: (x + centre).exp(), low: c[0] - c[1] * c[1] / (4.0 * c[2]), curvature: c[2] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_planted_parabola() {
        let points: Vec<(f64, f64)> =
            [8e3, 2e4, 5e4, 1.2e5].iter().map(|&n: &f64| (n, 1.3 + 0.05 * (n / 3e4).ln().powi(2))).collect();
        let found = parabola(&points).unwrap();
        assert!((found.n / 3e4 - 1.0).abs() < 1e-6 && (found.low - 1.3).abs() < 1e-9);
        assert!((found.curvature - 0.05).abs() < 1e-9);
    }

    #[test]
    fn says_nothing_where_there_is_no_lowest_point() {
        assert_eq!(parabola(&[(1e4, 2.0), (2e4, 1.9)]), None);
        let falling: Vec<(f64, f64)> =
            [1e4, 2e4, 4e4].iter().map(|&n: &f64| (n, 5.0 - n.ln().powi(2))).collect();
        assert_eq!(parabola(&falling), None);
    }
}
