//! Matrix products in f32 for wasm: a tile of C stays in registers while a strip of A and a panel of B pass by.
//!
//! Both are copied first, in the order in which the tile reads them, so that the inner loop runs along two
//! stretches of memory and has no ragged ends; K is cut so that a panel stays in the first-level cache (Goto &
//! van de Geijn 2008). The tile fits the registers with room for what is multiplied: 12 × 2 vectors of 512 bits,
//! 6 × 2 of 256, 4 × 2 of 128. (V8 keeps nine vectors at most beside a strip's: with 4 × 3 it reaches half the
//! speed. `docs/PERFORMANCE.md` has the table.)

use pulp::{Arch, Simd, WithSimd};
use std::cell::RefCell;

/// Elements of K that a panel holds.
const DEPTH: usize = 256;
/// Columns of B that are copied before rows of A pass by.
const WIDTH: usize = 512;
/// Lines that are turned at once where a copy transposes.
const LINES: usize = 4;

/// A matrix where it lies, with its (row, column) strides.
pub(super) type Strided<'a> = (&'a [f32], [usize; 2]);

/// `c[m, n] = a[m, k] · b[k, n]`, added to `c` if `add`; `c`'s rows lie `c_rows` apart.
///
/// # Panics
/// If an operand is too short for its strides and sizes.
pub(super) fn gemm(size: [usize; 3], a: Strided<'_>, b: Strided<'_>, c: (&mut [f32], usize), add: bool) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(|scratch| Arch::new().dispatch(Product { size, a, b, c, add, scratch }));
}

/// Copies of operands; kept from call to call, so that nothing is allocated once a run is under way.
#[derive(Default)]
struct Scratch {
    a: Vec<f32>,
    b: Vec<f32>,
}

struct Product<'a> {
    size: [usize; 3],
    a: Strided<'a>,
    b: Strided<'a>,
    c: (&'a mut [f32], usize),
    add: bool,
    scratch: &'a mut Scratch,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.run::<S, 12, 2>(simd),
            8 => self.run::<S, 6, 2>(simd),
            _ => self.run::<S, 4, 2>(simd),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) {
        let Self { size: [m, n, k], a: (a, [a_rows, a_columns]), b, c: (c, c_rows), add, scratch } = self;
        let width = VECTORS * S::F32_LANES;
        if k == 0 && !add {
            (0..m).for_each(|i| c[i * c_rows..][..n].fill(0.0));
        }
        for p in (0..k).step_by(DEPTH) {
            let (depth, add) = (DEPTH.min(k - p), add || p > 0);
            scratch.a.resize(ROWS * DEPTH, 0.0);
            for j in (0..n).step_by(WIDTH) {
                let columns = WIDTH.min(n - j);
                let (b, [b_rows, b_columns]) = b;
                scratch.b.resize(columns.next_multiple_of(width) * DEPTH, 0.0);
                for (panel, j) in
                    scratch.b.chunks_exact_mut(depth * width).zip((j..j + columns).step_by(width))
                {
                    let b = &b[p * b_rows + j * b_columns..];
                    copy(b, [b_columns, b_rows], [width.min(n - j), depth], width, panel);
                }
                for i in (0..m).step_by(ROWS) {
                    let rows = ROWS.min(m - i);
                    let strip = &mut scratch.a[..depth * ROWS];
                    copy(&a[i * a_rows + p * a_columns..], [a_rows, a_columns], [rows, depth], ROWS, strip);
                    for (panel, j) in
                        scratch.b.chunks_exact(depth * width).zip((j..j + columns).step_by(width))
                    {
                        let into = (&mut c[i * c_rows + j..], c_rows);
                        tile::<S, ROWS, VECTORS>(simd, strip, panel, into, [rows, width.min(n - j)], add);
                    }
                }
            }
        }
    }
}

/// Multiplies a strip `[depth, ROWS]` by a panel `[depth, VECTORS]` and stores the tile.
#[inline(always)]
fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    strip: &[f32],
    panel: &[f32],
    into: (&mut [f32], usize),
    inside: [usize; 2],
    add: bool,
) {
    let mut tile = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    let panel = S::as_simd_f32s(panel).0.as_chunks::<VECTORS>().0;
    for (a, b) in strip.as_chunks::<ROWS>().0.iter().zip(panel) {
        for r in 0..ROWS {
            let a = simd.splat_f32s(a[r]);
            for v in 0..VECTORS {
                tile[r][v] = simd.mul_add_e_f32s(a, b[v], tile[r][v]);
            }
        }
    }
    store(simd, tile, into, inside, add);
}

/// Writes what of a tile lies within C, or adds it. The tile goes by value and is indexed by constants
/// alone: a tile with an address would live in memory, and be stored there at every step of K.
#[allow(clippy::needless_range_loop)] // an iterator would take the tile's address
#[inline(always)]
fn store<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: [[S::f32s; VECTORS]; ROWS],
    (c, c_rows): (&mut [f32], usize),
    [rows, columns]: [usize; 2],
    add: bool,
) {
    for r in 0..ROWS {
        if r >= rows {
            break;
        }
        let row = &mut c[r * c_rows..][..columns];
        for v in 0..VECTORS {
            let (at, x) = (v * S::F32_LANES, tile[r][v]);
            if at + S::F32_LANES <= columns {
                let c = &mut S::as_mut_simd_f32s(&mut row[at..][..S::F32_LANES]).0[0];
                *c = if add { simd.add_f32s(*c, x) } else { x };
            } else if at < columns {
                let c = &mut row[at..];
                let x = if add { simd.add_f32s(simd.partial_load_f32s(c), x) } else { x };
                simd.partial_store_f32s(c, x);
            }
        }
    }
}

/// `out[p, r] = x[r, p]` for r below `lines`, and zeros from there to `width`: what a tile reads, step by step.
#[inline(always)]
fn copy(
    x: &[f32],
    [x_lines, x_steps]: [usize; 2],
    [lines, depth]: [usize; 2],
    width: usize,
    out: &mut [f32],
) {
    if lines < width {
        out.fill(0.0);
    }
    if x_lines == 1 {
        for (p, out) in out.chunks_exact_mut(width).enumerate() {
            let x = &x[p * x_steps..][..lines];
            // Four at a time: a call to copy so few would cost more than the copy.
            let ((x, x_rest), (out, out_rest)) = (x.as_chunks::<LINES>(), out.as_chunks_mut::<LINES>());
            out.iter_mut().zip(x).for_each(|(out, x)| *out = *x);
            let rest = out.get_mut(x.len()).map_or(out_rest, |o| &mut o[..]);
            rest.iter_mut().zip(x_rest).for_each(|(out, x)| *out = *x);
        }
    } else if x_steps == 1 {
        for r in (0..lines).step_by(LINES) {
            let take = LINES.min(lines - r);
            // Lines beyond the last repeat it, and are not stored.
            let line: [&[f32]; LINES] =
                std::array::from_fn(|i| &x[(r + i).min(lines - 1) * x_lines..][..depth]);
            let squares = line.map(|line| line.as_chunks::<LINES>());
            for q in 0..depth / LINES {
                let square = squares.map(|(line, _)| line[q]);
                for i in 0..LINES {
                    let turned: [f32; LINES] = std::array::from_fn(|l| square[l][i]);
                    let out = &mut out[(q * LINES + i) * width + r..];
                    match out.first_chunk_mut() {
                        Some(out) if take == LINES => *out = turned,
                        _ => (0..take).for_each(|l| out[l] = turned[l]),
                    }
                }
            }
            for p in depth - depth % LINES..depth {
                (0..take).for_each(|l| out[p * width + r + l] = line[l][p]);
            }
        }
    } else {
        for (p, out) in out.chunks_exact_mut(width).enumerate() {
            (0..lines).for_each(|r| out[r] = x[r * x_lines + p * x_steps]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that f32 adds and multiplies exactly.
    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 31 + seed * 17) % 13) as f32 - 6.0).collect()
    }

    /// Sizes with every kind of ragged end, both orders of both operands, beyond one block of K and of N.
    #[test]
    fn equals_the_definition() {
        let sizes =
            [[1, 1, 1], [4, 8, 4], [5, 9, 3], [13, 33, 7], [3, 520, 5], [7, 4, 300], [64, 68, 64], [2, 3, 0]];
        for (case, [m, n, k]) in sizes.into_iter().enumerate() {
            let (a, b) = (numbers(m * k + 1, case), numbers(k * n + 1, case + 1));
            for order in 0..4 {
                let a_strides = if order % 2 == 0 { [k, 1] } else { [1, m] };
                let b_strides = if order < 2 { [n, 1] } else { [1, k] };
                for add in [false, true] {
                    let c_rows = n + 2;
                    let before = numbers(m * c_rows, case + 2);
                    let (mut c, mut scalar) = (before.clone(), before.clone());
                    gemm([m, n, k], (&a, a_strides), (&b, b_strides), (&mut c, c_rows), add);
                    // The tile of 4 × 2, as wasm has it, on the narrowest vectors there are.
                    let (size, scratch) = ([m, n, k], &mut Scratch::default());
                    let (a_, b_, c_) = ((&a[..], a_strides), (&b[..], b_strides), (&mut scalar[..], c_rows));
                    Product { size, a: a_, b: b_, c: c_, add, scratch }.with_simd(pulp::Scalar::new());
                    assert_eq!(c, scalar, "{m} {n} {k}, order {order}, add {add}");
                    for (at, (&got, &old)) in c.iter().zip(&before).enumerate() {
                        let (i, j) = (at / c_rows, at % c_rows);
                        let product = |p| {
                            a[i * a_strides[0] + p * a_strides[1]] * b[p * b_strides[0] + j * b_strides[1]]
                        };
                        let sum: f32 = (0..k).map(|p| if j < n { product(p) } else { 0.0 }).sum();
                        let expected = if j >= n {
                            old
                        } else if add {
                            old + sum
                        } else {
                            sum
                        };
                        assert_eq!(got, expected, "{m} {n} {k}, order {order}, add {add}, at {i} {j}");
                    }
                }
            }
        }
    }
}
