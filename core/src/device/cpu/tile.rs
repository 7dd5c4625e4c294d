//! The register tile that products and attention share: a few rows by a few vectors of sums stay in registers while a
//! strip of one operand and a panel of the other pass by.
//!
//! Both are copied into panels of W numbers first: for each step of K, W rows (or columns) side by side. A tile
//! takes a whole panel of B and R of the W rows of one of A. The inner loop then runs along two stretches of memory,
//! with loads that V8 makes one instruction each, and has no ragged ends.
//!
//! Loops that are hot are functions of their own in wasm: in a large function V8 leaves its good allocation of
//! registers, and a tile of eight sums is spilled (14 instead of 50 GFLOP/s). Natively they must be part of what `pulp`
//! compiles for each instruction set.

use super::Start;
use pulp::{Simd, WithSimd};

/// What is compiled for each width of vectors. R rows, V vectors and W numbers make a tile: R·V sums hide the latency
/// of multiply-adds, and W is V vectors. (V8 keeps nine vectors of sums at most; `docs/PERFORMANCE.md` has the table.)
pub(super) trait Tiled {
    /// Runs with tiles of R × V vectors, W numbers wide.
    fn run<S: Simd, const R: usize, const V: usize, const W: usize>(self, simd: S);
}

/// Chooses the tile.
pub(super) struct Chosen<T>(pub(super) T);

impl<T: Tiled> WithSimd for Chosen<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match S::F32_LANES {
            16 => self.0.run::<S, 8, 1, 16>(simd),
            8 => self.0.run::<S, 4, 2, 16>(simd),
            4 => self.0.run::<S, 4, 2, 8>(simd),
            _ => self.0.run::<pulp::Scalar, 4, 8, 8>(pulp::Scalar::new()),
        }
    }
}

/// Sums, by row and vector. It goes by value and is indexed by constants alone: a tile with an address would live in
/// memory, and be stored there at every step of K.
pub(super) type Tile<S, const R: usize, const V: usize> = [[<S as Simd>::f32s; V]; R];

/// Adds `strip[p][r] · panel[p]` over all p. The strip begins within a panel, at the first of its R rows, and so ends
/// as far within the next.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // an iterator would take the tile's address
pub(super) fn multiply<S: Simd, const R: usize, const V: usize, const W: usize>(
    simd: S,
    mut tile: Tile<S, R, V>,
    strip: &[f32],
    panel: &[f32],
) -> Tile<S, R, V> {
    let panel = S::as_simd_f32s(panel).0.as_chunks::<V>().0;
    for (a, b) in strip.as_chunks::<W>().0.iter().zip(panel) {
        for r in 0..R {
            let a = simd.splat_f32s(a[r]);
            for v in 0..V {
                tile[r][v] = simd.mul_add_e_f32s(a, b[v], tile[r][v]);
            }
        }
    }
    tile
}

/// Where a tile lies in a matrix whose rows are `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) stride: usize,
    /// Rows and columns of the tile that lie within the matrix.
    pub(super) inside: [usize; 2],
}

/// Vector v of a row of which `columns` are within the tile.
#[inline(always)]
fn load<S: Simd>(simd: S, x: &[f32], columns: usize, v: usize) -> S::f32s {
    let at = v * S::F32_LANES;
    if at + S::F32_LANES <= columns {
        S::as_simd_f32s(&x[at..at + S::F32_LANES]).0[0]
    } else if at < columns {
        simd.partial_load_f32s(&x[at..columns])
    } else {
        simd.splat_f32s(0.0)
    }
}

/// `c = start + strip · panel` at a place. Where all of the tile lies within C, `inside` should be known to the
/// compiler.
#[inline(always)]
pub(super) fn tile<S: Simd, const R: usize, const V: usize, const W: usize>(
    simd: S,
    start: Start<'_, f32>,
    strip: &[f32],
    panel: &[f32],
    c: &mut [f32],
    place: Place,
) {
    let tile = multiply::<S, R, V, W>(simd, begin::<S, R, V>(simd, start, c, place), strip, panel);
    store(simd, tile, c, place);
}

/// As [`tile`], of steps of a strip beside stretches of a row of B.
#[cfg(any(test, target_arch = "wasm32"))]
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
pub(super) fn tile_in_place<'a, S: Simd, const R: usize, const V: usize, const W: usize>(
    simd: S,
    start: Start<'_, f32>,
    steps: impl Iterator<Item = (&'a [f32; W], &'a [f32])>,
    c: &mut [f32],
    place: Place,
) {
    let mut tile = begin::<S, R, V>(simd, start, c, place);
    for (a, b) in steps {
        let b = S::as_simd_f32s(&b[..W]).0.as_chunks::<V>().0[0];
        for r in 0..R {
            let a = simd.splat_f32s(a[r]);
            for v in 0..V {
                tile[r][v] = simd.mul_add_e_f32s(a, b[v], tile[r][v]);
            }
        }
    }
    store(simd, tile, c, place);
}

/// As [`tile`], where part of it may lie beyond C's ends: rare, and so not part of the loops that are hot.
#[cfg_attr(target_arch = "wasm32", inline(never))] // see tile.rs
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
pub(super) fn ragged_tile<S: Simd, const R: usize, const V: usize, const W: usize>(
    simd: S,
    start: Start<'_, f32>,
    strip: &[f32],
    panel: &[f32],
    c: &mut [f32],
    place: Place,
) {
    tile::<S, R, V, W>(simd, start, strip, panel, c, place);
}

/// The tile that sums begin with; `c` is the matrix they will be stored in.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
fn begin<S: Simd, const R: usize, const V: usize>(
    simd: S,
    start: Start<'_, f32>,
    c: &[f32],
    place: Place,
) -> Tile<S, R, V> {
    let mut tile = [[simd.splat_f32s(0.0); V]; R];
    let [rows, columns] = place.inside;
    let of = |x: &[f32], r: usize, v: usize| {
        load(simd, &x[(place.row + r) * place.stride + place.column..], columns, v)
    };
    let row = |bias: &[f32]| -> [S::f32s; V] {
        std::array::from_fn(|v| load(simd, &bias[place.column..], columns, v))
    };
    match start {
        Start::Zero => {}
        Start::Held => {
            for r in 0..R {
                for v in 0..V {
                    if r < rows {
                        tile[r][v] = of(c, r, v);
                    }
                }
            }
        }
        Start::Row(bias) => tile = [row(bias); R],
        Start::RowAnd(bias, more) => {
            let bias = row(bias);
            for r in 0..R {
                for v in 0..V {
                    if r < rows {
                        tile[r][v] = simd.add_f32s(bias[v], of(more, r, v));
                    }
                }
            }
        }
    }
    tile
}

/// Writes what of a tile lies within `c`.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // as above
pub(super) fn store<S: Simd, const R: usize, const V: usize>(
    simd: S,
    tile: Tile<S, R, V>,
    c: &mut [f32],
    place: Place,
) {
    let [rows, columns] = place.inside;
    for r in 0..R {
        if r >= rows {
            break;
        }
        let row = &mut c[(place.row + r) * place.stride + place.column..][..columns];
        for v in 0..V {
            let at = v * S::F32_LANES;
            if at + S::F32_LANES <= columns {
                S::as_mut_simd_f32s(&mut row[at..at + S::F32_LANES]).0[0] = tile[r][v];
            } else if at < columns {
                simd.partial_store_f32s(&mut row[at..], tile[r][v]);
            }
        }
    }
}
