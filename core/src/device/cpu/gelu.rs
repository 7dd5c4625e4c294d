//! GELU in its tanh form (Hendrycks & Gimpel 2016, arXiv 1606.08415) and its derivative, through σ: ½(1 + tanh z) = σ(2z),
//! whose exponential goes to 0 or grows without harm.

use super::Real;
use super::simd::{dispatch, exp_vector};
use pulp::{Simd, WithSimd};

/// 2√(2/π): 2z = x · (K + A·x²).
const K: f64 = 2.0 * 0.797_884_560_802_865_4;
/// The cubic's share.
const A: f64 = 0.044_715 * K;

/// GELU of x, and its derivative.
#[inline(always)]
pub(super) fn gelu<F: Real>(x: F) -> (F, F) {
    let (k, a) = (F::of(K), F::of(A));
    let square = x * x;
    let s = F::one() / (F::one() + (-x * (k + a * square)).expo());
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
