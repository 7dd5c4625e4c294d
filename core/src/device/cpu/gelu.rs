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

/// `y = gelu(x)`.
#[inline(never)] // tile.rs says why
pub(super) fn forward(x: &[f32], y: &mut [f32]) {
    dispatch(Forward { x, y });
}

/// `dx = dy · gelu′(x)`.
#[inline(never)]
pub(super) fn backward(dy: &[f32], x: &[f32], dx: &mut [f32]) {
    dispatch(Backward { dy, x, dx });
}

struct Forward<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((x, x_rest), (y, y_rest)) = (S::as_simd_f32s(self.x), S::as_mut_simd_f32s(self.y));
        for (y, &x) in y.iter_mut().zip(x) {
            *y = gelu_vector(simd, x)[0];
        }
        for (y, &x) in y_rest.iter_mut().zip(x_rest) {
            *y = gelu(x).0;
        }
    }
}

struct Backward<'a> {
    dy: &'a [f32],
    x: &'a [f32],
    dx: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let ((x, x_rest), (dy, dy_rest)) = (S::as_simd_f32s(self.x), S::as_simd_f32s(self.dy));
        let (dx, dx_rest) = S::as_mut_simd_f32s(self.dx);
        for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
            *dx = simd.mul_f32s(dy, gelu_vector(simd, x)[1]);
        }
        for ((dx, &dy), &x) in dx_rest.iter_mut().zip(dy_rest).zip(x_rest) {
            *dx = dy * gelu(x).1;
        }
    }
}
