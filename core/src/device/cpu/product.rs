//! Matrix products in f32 for wasm.
//!
//! A and B are copied into panels (`pack.rs`), and tiles of C are summed up in registers (`tile.rs`). K is cut so that a
//! panel stays in the first-level cache, and so many rows of A are taken at a time that they stay there too (Goto & van
//! de Geijn 2008). What C begins with (a bias, a residual) is what the sums begin with.

use super::Start;
use super::pack::pack;
use super::simd::dispatch;
use super::tile::{Chosen, Place, Tiled, ragged_tile, tile, tile_in_place};
use pulp::Simd;
use std::cell::RefCell;
use std::ops::Range;

/// Elements of K that a panel holds.
const DEPTH: usize = 256;
/// Columns of B that are copied before rows of A pass by.
const WIDTH: usize = 512;
/// Elements of A that pass by a panel while they stay in the first-level cache: 16 KiB.
const BLOCK: usize = 4096;

/// A matrix where it lies, with its (row, column) strides.
pub(super) type Strided<'a> = (&'a [f32], [usize; 2]);

/// `c[m, n] = start + a[m, k] · b[k, n]`; `c`'s rows lie `c_rows` apart.
///
/// # Panics
/// If an operand is too short for its strides and sizes.
pub(super) fn gemm(
    size: [usize; 3],
    a: Strided<'_>,
    b: Strided<'_>,
    c: (&mut [f32], usize),
    start: Start<'_, f32>,
) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(|scratch| dispatch(Chosen(Product { size, a, b, c, start, scratch })));
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
    start: Start<'a, f32>,
    scratch: &'a mut Scratch,
}

impl Tiled for Product<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize, const W: usize>(self, simd: S) {
        let Self { size: [m, n, k], a: (a, [a_rows, a_columns]), b, c: (c, c_rows), start, scratch } = self;
        let (b, [b_rows, b_columns]) = b;
        if k == 0 {
            start.fill(c, [m, n], c_rows);
        }
        // A few rows do not repay a copy of B: decoding is read from the weights where they lie.
        let in_place = if m <= R && b_columns == 1 { n / W * W } else { 0 };
        for p in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - p);
            let start = if p > 0 { Start::Held } else { start };
            let block = (BLOCK / depth).next_multiple_of(W);
            // The last strip ends within a panel that is never read.
            grow(&mut scratch.a, block.min(m.next_multiple_of(W)) * depth + W);
            if in_place > 0 {
                pack::<W>(&a[p * a_columns..], [a_rows, a_columns], [m, depth], &mut scratch.a);
                let block = Block { rows: 0..m, columns: 0..in_place, depth, stride: c_rows };
                block.multiply_in_place::<S, R, V, W>(simd, start, &scratch.a, (&b[p * b_rows..], b_rows), c);
            }
            for j in (in_place..n).step_by(WIDTH) {
                let columns = WIDTH.min(n - j);
                grow(&mut scratch.b, columns.next_multiple_of(W) * depth);
                for (panel, j) in scratch.b.chunks_exact_mut(depth * W).zip((j..j + columns).step_by(W)) {
                    let b = &b[p * b_rows + j * b_columns..];
                    pack::<W>(b, [b_columns, b_rows], [W.min(n - j), depth], panel);
                }
                for i in (0..m).step_by(block) {
                    let rows = block.min(m - i);
                    for (panel, i) in scratch.a.chunks_exact_mut(depth * W).zip((i..i + rows).step_by(W)) {
                        let a = &a[i * a_rows + p * a_columns..];
                        pack::<W>(a, [a_rows, a_columns], [W.min(m - i), depth], panel);
                    }
                    let block = Block { rows: i..i + rows, columns: j..j + columns, depth, stride: c_rows };
                    block.multiply::<S, R, V, W>(simd, start, &scratch.a, &scratch.b, c);
                }
            }
        }
    }
}

/// A part of C that packed rows of A and packed columns of B make.
struct Block {
    rows: Range<usize>,
    columns: Range<usize>,
    depth: usize,
    stride: usize,
}

impl Block {
    /// Tile by tile, panel by panel.
    #[cfg_attr(target_arch = "wasm32", inline(never))] // see tile.rs
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn multiply<S: Simd, const R: usize, const V: usize, const W: usize>(
        &self,
        simd: S,
        start: Start<'_, f32>,
        a: &[f32],
        b: &[f32],
        c: &mut [f32],
    ) {
        let size = self.depth * W;
        for (panel, column) in b.chunks_exact(size).zip(self.columns.clone().step_by(W)) {
            for (r, row) in self.rows.clone().step_by(R).enumerate() {
                let strip = &a[r * R / W * size + r * R % W..][..size];
                let inside = [R.min(self.rows.end - row), W.min(self.columns.end - column)];
                let place = Place { row, column, stride: self.stride, inside };
                if inside == [R, W] {
                    let place = Place { inside: [R, W], ..place };
                    tile::<S, R, V, W>(simd, start, strip, panel, c, place);
                } else {
                    ragged_tile::<S, R, V, W>(simd, start, strip, panel, c, place);
                }
            }
        }
    }
}

impl Block {
    /// As [`multiply`](Self::multiply), with B where it lies, in whole panels, its rows `b_rows` apart.
    #[cfg_attr(target_arch = "wasm32", inline(never))] // see tile.rs
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn multiply_in_place<S: Simd, const R: usize, const V: usize, const W: usize>(
        &self,
        simd: S,
        start: Start<'_, f32>,
        a: &[f32],
        (b, b_rows): (&[f32], usize),
        c: &mut [f32],
    ) {
        for column in self.columns.clone().step_by(W) {
            for row in self.rows.clone().step_by(R) {
                let place =
                    Place { row, column, stride: self.stride, inside: [R.min(self.rows.end - row), W] };
                let rows =
                    a[row..].as_chunks::<W>().0.iter().zip(b[column..].chunks(b_rows)).take(self.depth);
                tile_in_place::<S, R, V, W>(simd, start, rows, c, place);
            }
        }
    }
}

/// Makes room for `len` numbers, if there is not.
fn grow(scratch: &mut Vec<f32>, len: usize) {
    if scratch.len() < len {
        scratch.resize(len, 0.0);
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
                    let start = if add { Start::Held } else { Start::Zero };
                    gemm([m, n, k], (&a, a_strides), (&b, b_strides), (&mut c, c_rows), start);
                    // On the narrowest vectors there are.
                    let (size, scratch) = ([m, n, k], &mut Scratch::default());
                    let (a_, b_, c_) = ((&a[..], a_strides), (&b[..], b_strides), (&mut scalar[..], c_rows));
                    Product { size, a: a_, b: b_, c: c_, start, scratch }
                        .run::<_, 4, 8, 8>(pulp::Scalar::new());
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
