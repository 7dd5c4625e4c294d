//! A checked door to the `gemm` crate, the only unsafe code of the engine.

use super::{Real, Start};

/// `c[m, n] = start + a[m, k] · b[k, n]`; `c` is row-major with row stride `c_rs`; the other strides are (row,
/// column).
pub(super) fn gemm<F: Real>(
    [m, n, k]: [usize; 3],
    (a, [a_rs, a_cs]): (&[F], [usize; 2]),
    (b, [b_rs, b_cs]): (&[F], [usize; 2]),
    (c, c_rs): (&mut [F], usize),
    start: Start<'_, F>,
) {
    let add = !matches!(start, Start::Zero);
    if add || k == 0 {
        start.fill(c, [m, n], c_rs);
    }
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!((m - 1) * a_rs + (k - 1) * a_cs < a.len(), "gemm: a is too short");
    assert!((k - 1) * b_rs + (n - 1) * b_cs < b.len(), "gemm: b is too short");
    assert!(c_rs >= n && (m - 1) * c_rs + n <= c.len(), "gemm: c is too short");
    let alpha = if add { F::one() } else { F::zero() };
    #[allow(unsafe_code)]
    // SAFETY: the three assertions bound every element that the strides and sizes can reach; `c` is
    // borrowed mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            c_rs as isize,
            add,
            a.as_ptr(),
            a_cs as isize,
            a_rs as isize,
            b.as_ptr(),
            b_cs as isize,
            b_rs as isize,
            alpha,
            F::one(),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
