//! GELU in its tanh form (Hendrycks & Gimpel 2016, arXiv 1606.08415) and its derivative, through σ: ½(1 + tanh z) = σ(2z),
//! whose exponential goes to 0 or grows without harm.

use super::Real;
use super::simd::{dispatch, exp_vector};
use pulp::{Simd, WithSimd};

/// 2√(2/π): 2z = x · (K + A·x²).
const K: f64 = 2.0 * 0.797_884_560_802_865_4;
/// The cubic's share.
const A: f64 = 0.044_715 * K;

/// −2z from which on σ(2z) is 0: it is below 4e-18, which is far less than the tanh form keeps in f32. Units that are off
/// would else hand on numbers so small that their products are subnormal (see `LEAST` in `simd.rs`).
const OFF: f64 = 40.0;

/// GELU of x, and its derivative.
#[inline(always)]
pub(super) fn gelu<F: Real>(x: F) -> (F, F) {
    let (k, a) = (F::of(K), F::of(A));
    let square = x * x;
    let minus = -x * (k + a * square);
    let s = if minus > F::of(OFF) { F::zero() } else { F::one() / (F::one() + minus.expo()) };
    let slope = k + F::of(3.0) * a * square;
    (x * s, s + x * s * (F::one() - s) * slope)
}

/// The same of a vector.
#[inline(always)]
fn gelu_vector<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    let number = |x: f64| simd.splat_f32s(x as f32);
    let add = |a, b, c| simd.mul_add_e_f32s(a, b, c);
    let (k, one, square) = (number(K), number(1.0), simd.mul_f32s(x, x));
    let minus = simd.mul_f32s(x, add(square, number(-A), number(-K)));
    let s = simd.div_f32s(one, simd.add_f32s(one, exp_vector(simd, minus)));
    let s = simd.select_f32s(simd.greater_than_f32s(minus, number(OFF)), number(0.0), s);
    let (y, slope) = (simd.mul_f32s(x, s), add(square, number(3.0 * A), k));
    [y, add(simd.mul_f32s(y, simd.sub_f32s(one, s)), slope, s)]
}

/// `x ← gelu(x)`, and `slope = gelu′(x)` of what x was.
#[inline(never)] // tile.rs says why
pub(super) fn with_slope(x: &mut [f32], slope: &mut [f32]) {
    dispatch(WithSlope { x, slope });
}

struct WithSlope<'a> {
    x: &'a mut [f32],
    slope: &'a mut [f32],
}

impl WithSimd for WithSlope<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (x, x_rest) = S::as_mut_simd_f32s(self.x);
        let (slope, slope_rest) = S::as_mut_simd_f32s(self.slope);
        for (x, slope) in x.iter_mut().zip(slope) {
            [*x, *slope] = gelu_vector(simd, *x);
        }
        for (x, slope) in x_rest.iter_mut().zip(slope_rest) {
            (*x, *slope) = gelu(*x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors and what is left over: units that are off, on, or not numbers.
    #[test]
    fn units_that_are_off_are_exactly_off() {
        let mut x: Vec<f32> = (0..37).map(|i| -6.0 - i as f32).collect();
        x.extend([0.0, 50.0, f32::NAN]);
        let mut slope = vec![1.0; x.len()];
        with_slope(&mut x, &mut slope);
        for (y, slope) in x.iter().zip(&slope).take(37) {
            let fit = |v: f32| v == 0.0 || v.abs() > 1e-18;
            assert!(fit(*y) && fit(*slope), "{y}, {slope}");
        }
        assert_eq!((x[36], slope[36]), (0.0, 0.0));
        assert_eq!((x[37], slope[37]), (0.0, 0.5));
        assert_eq!((x[38], slope[38]), (50.0, 1.0));
        assert!(x[39].is_nan() && slope[39].is_nan());
    }
}
