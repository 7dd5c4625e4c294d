//! The two precisions an op's CPU implementation is written for.

#[cfg(target_arch = "wasm32")]
use super::product;
use super::{Flash, Io, flash, gelu, gemm, simd};
use crate::ops::DynOp;
use num_traits::{Float, NumAssign};
use std::fmt::Debug;
use std::iter::Sum;

/// What the sums of a product begin with.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, F> {
    /// Nothing.
    Zero,
    /// What C holds: the product is added to it.
    Held,
    /// A row `[n]`, the same for every row of C: a bias.
    Row(&'a [F]),
    /// Such a row, and a matrix that lies as C does: a residual.
    RowAnd(&'a [F], &'a [F]),
}

impl<F: Real> Start<'_, F> {
    /// Writes the start into `c[m, n]`.
    pub(super) fn fill(self, c: &mut [F], [m, n]: [usize; 2], c_rows: usize) {
        for i in 0..m {
            let row = &mut c[i * c_rows..][..n];
            match self {
                Self::Zero => row.fill(F::zero()),
                Self::Held => break,
                Self::Row(bias) => row.copy_from_slice(&bias[..n]),
                Self::RowAnd(bias, more) => {
                    for ((c, &b), &x) in row.iter_mut().zip(bias).zip(&more[i * c_rows..]) {
                        *c = b + x;
                    }
                }
            }
        }
    }
}

/// f32, the device, or f64, the reference.
pub trait Real: Float + NumAssign + Sum + Debug + Default + Send + Sync + 'static {
    /// From f64, rounded.
    fn of(x: f64) -> Self;

    /// To f64, exactly.
    fn as_f64(self) -> f64;

    /// Runs the op in this precision.
    fn run(op: &dyn DynOp, io: Io<'_, Self>);

    /// e^x. In f32 within 2 ulp of it and made to become vector code; 0 where it would be denormal.
    #[inline(always)]
    fn expo(self) -> Self {
        self.exp()
    }

    /// Σ term(aᵢ, bᵢ). In f32 in sixteen sums side by side, which become vector code and are the same on
    /// every processor; in f64 one after another.
    #[inline(always)]
    fn sum_of(a: &[Self], b: &[Self], term: impl Fn(Self, Self) -> Self) -> Self {
        a.iter().zip(b).map(|(&a, &b)| term(a, b)).sum()
    }

    /// Σ xᵢ.
    #[inline(always)]
    fn total(x: &[Self]) -> Self {
        Self::sum_of(x, x, |x, _| x)
    }

    /// Σ aᵢ·bᵢ.
    #[inline(always)]
    fn dot(a: &[Self], b: &[Self]) -> Self {
        Self::sum_of(a, b, |a, b| a * b)
    }

    /// The largest number, −∞ of none; NaN counts for nothing.
    #[inline(always)]
    fn largest(x: &[Self]) -> Self {
        x.iter().copied().fold(Self::neg_infinity(), Self::max)
    }

    /// `x ← gelu(x)`, GELU in its tanh form (Hendrycks & Gimpel 2016), and `slope = gelu′(x)` of what x was.
    #[inline(always)]
    fn gelu(x: &mut [Self], slope: &mut [Self]) {
        x.iter_mut().zip(slope).for_each(|(x, slope)| (*x, *slope) = gelu::gelu(*x));
    }

    /// `c[m, n] = start + a[m, k] · b[k, n]`. Strides are (row, column) in elements; `c` has a row stride alone.
    fn gemm(
        [m, n, k]: [usize; 3],
        (a, a_strides): (&[Self], [usize; 2]),
        (b, b_strides): (&[Self], [usize; 2]),
        (c, c_rows): (&mut [Self], usize),
        start: Start<'_, Self>,
    ) {
        gemm::gemm([m, n, k], (a, a_strides), (b, b_strides), (c, c_rows), start);
    }

    /// Flash attention's kernels of this precision; without them the ops' own loops run.
    fn flash() -> Option<Flash<Self>> {
        None
    }
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
    fn run(op: &dyn DynOp, io: Io<'_, Self>) {
        op.cpu_f32(io);
    }
    #[inline(always)]
    fn expo(self) -> Self {
        simd::exp(self)
    }
    #[inline(always)]
    fn sum_of(a: &[Self], b: &[Self], term: impl Fn(Self, Self) -> Self) -> Self {
        simd::sum_of(a, b, term)
    }
    #[inline(always)]
    fn largest(x: &[Self]) -> Self {
        simd::largest(x)
    }
    // In wasm the crate has no fused multiply-adds, and its tile spills; natively it is a little quicker than ours.
    #[cfg(target_arch = "wasm32")]
    fn gemm(
        size: [usize; 3],
        a: (&[f32], [usize; 2]),
        b: (&[f32], [usize; 2]),
        c: (&mut [f32], usize),
        start: Start<'_, f32>,
    ) {
        product::gemm(size, a, b, c, start);
    }
    fn gelu(x: &mut [f32], slope: &mut [f32]) {
        gelu::with_slope(x, slope);
    }
    fn flash() -> Option<Flash<f32>> {
        Some(flash::KERNELS)
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }
    fn as_f64(self) -> f64 {
        self
    }
    fn run(op: &dyn DynOp, io: Io<'_, Self>) {
        op.cpu_f64(io);
    }
}
