//! How the tiled kernels are cut, and what a cut needs of a workgroup.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Bytes of workgroup memory that WebGPU promises everywhere.
pub const WORKGROUP_BYTES: usize = 16_384;
/// Invocations of a workgroup that WebGPU promises everywhere. A thread holds one row.
const INVOCATIONS: usize = 256;

/// Rows of a tile. FlashAttention-2 (Dao 2023, arXiv 2307.08691) calls them B_r and B_c.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tiles {
    /// B_r: rows of Q, of dO and of O.
    pub queries: usize,
    /// B_c: rows of K and of V.
    pub keys: usize,
}

/// Vectors of four floats in a row of `d`.
const fn vectors(d: usize) -> usize {
    d.div_ceil(4)
}

impl Tiles {
    /// Both tiles of `rows` rows.
    pub const fn square(rows: usize) -> Self {
        Self { queries: rows, keys: rows }
    }

    /// Algorithm 1 of FlashAttention (Dao et al. 2022, arXiv 2205.14135) for `memory` elements and head size
    /// `d`: B_c = ⌈M/4d⌉, B_r = min(⌈M/4d⌉, d).
    pub fn algorithm_1(memory: usize, d: usize) -> Self {
        let keys = memory.div_ceil(4 * d.max(1)).max(1);
        Self { queries: keys.min(d.max(1)), keys }
    }

    /// The largest square tiles with which every kernel fits `bytes` of workgroup memory. Errors: not one row
    /// fits.
    pub fn fitting(bytes: usize, d: usize) -> Result<Self> {
        let rows = (bytes / Self::row_bytes(d)).min(INVOCATIONS);
        if rows == 0 {
            let least = Self::row_bytes(d);
            return Err(Error::Config(format!(
                "one row of head size {d} needs {least} bytes of workgroup memory, {bytes} are given: give at \
                 least {least}, or take a smaller head"
            )));
        }
        Ok(Self::square(rows))
    }

    /// Bytes of a staged pair of rows: Q and dO as whole vectors, log-sum-exp and delta.
    const fn row_bytes(d: usize) -> usize {
        32 * vectors(d) + 8
    }

    /// Bytes of workgroup memory of the forward kernel and of dQ's, which stage K and V.
    pub const fn key_bytes(self, d: usize) -> usize {
        32 * vectors(d) * self.keys
    }

    /// Bytes of workgroup memory of dK's and dV's kernel, which stages Q, dO, log-sum-exp and delta.
    pub const fn query_bytes(self, d: usize) -> usize {
        (32 * vectors(d) * self.queries) + (8 * self.queries).next_multiple_of(16)
    }

    /// Errors: a kernel with a thread for each of `held` rows that stages tiles of `bytes` does not fit a
    /// workgroup. The message names the setting to lower.
    fn fits(self, (held, rows): (&str, usize), (staged, bytes): (&str, usize), d: usize) -> Result<()> {
        if self.queries == 0 || self.keys == 0 {
            return Err(Error::Config("a tile needs at least one row".into()));
        }
        if rows > INVOCATIONS {
            return Err(Error::Config(format!(
                "{held} = {rows} needs a workgroup of {rows} threads, one a row, and {INVOCATIONS} is the most: \
                 lower {held} to {INVOCATIONS}"
            )));
        }
        if bytes > WORKGROUP_BYTES {
            let most = Self::fitting(WORKGROUP_BYTES, d)?.keys;
            return Err(Error::Config(format!(
                "{staged} is too large: with rows of {d} its tiles need {bytes} bytes of workgroup memory, and \
                 there are {WORKGROUP_BYTES}. Lower {staged} to {most}, or take a smaller head."
            )));
        }
        Ok(())
    }

    /// Errors: the forward kernel, and dQ's, do not fit a workgroup.
    pub fn check_forward(self, d: usize) -> Result<()> {
        self.fits(("B_r", self.queries), ("B_c", self.key_bytes(d)), d)
    }

    /// Errors: the kernel of dK and dV does not fit a workgroup.
    pub fn check_backward(self, d: usize) -> Result<()> {
        self.fits(("B_c", self.keys), ("B_r", self.query_bytes(d)), d)
    }

    /// What the engine's own training kernels use for the forward pass and dQ: 32 queries a workgroup, and as
    /// many keys as fit, up to 32.
    pub(crate) fn of_forward(d: usize) -> Self {
        Self { queries: 32, keys: (WORKGROUP_BYTES / (32 * vectors(d))).clamp(1, 32) }
    }

    /// What the engine's own training kernel of dK and dV uses: 32 keys a workgroup, and as many queries as
    /// fit, up to 32.
    pub(crate) fn of_backward(d: usize) -> Self {
        let fitting = |&n: &usize| Self { queries: n, keys: 32 }.query_bytes(d) <= WORKGROUP_BYTES;
        Self { queries: (1..=32).rev().find(fitting).unwrap_or(1), keys: 32 }
    }

    /// The blocks of queries of `n` rows.
    pub fn query_blocks(self, n: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        blocks(0, n, n, self.queries)
    }

    /// The blocks of keys of `n` rows.
    pub fn key_blocks(self, n: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        blocks(0, n, n, self.keys)
    }

    /// The key tiles that pass by these queries: all, or (causal) those that begin before the last query. A
    /// tile is brought whole, also where the diagonal cuts it.
    pub fn keys_for(
        self,
        queries: &Range<usize>,
        n: usize,
        causal: bool,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        blocks(0, if causal { queries.end } else { n }, n, self.keys)
    }

    /// The query tiles that pass by these keys: all, or (causal) those from the one that holds the first key
    /// on.
    pub fn queries_for(
        self,
        keys: &Range<usize>,
        n: usize,
        causal: bool,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let first = if causal { keys.start / self.queries * self.queries } else { 0 };
        blocks(first, n, n, self.queries)
    }
}

/// Blocks of `size` that begin in `first..end`, cut off at `n`.
fn blocks(first: usize, end: usize, n: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (first..end).step_by(size).map(move |i| i..n.min(i + size))
}

/// How many of these keys query `row` sees, from the first on.
pub fn seen(row: usize, keys: &Range<usize>, causal: bool) -> usize {
    if causal { (row + 1).saturating_sub(keys.start).min(keys.len()) } else { keys.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_own_tiles_fit_a_workgroup() {
        for d in 1..=1000 {
            Tiles::of_forward(d).check_forward(d).unwrap_or_else(|e| panic!("{e}"));
            Tiles::of_backward(d).check_backward(d).unwrap_or_else(|e| panic!("{e}"));
        }
        assert_eq!(Tiles::of_forward(32), Tiles::square(32));
        assert_eq!(Tiles::of_backward(32), Tiles::square(32));
    }

    #[test]
    fn the_largest_tiles_that_fit_are_accepted_and_the_next_refused() {
        for d in [1, 4, 7, 16, 20, 32, 64, 128] {
            let tiles = Tiles::fitting(WORKGROUP_BYTES, d).unwrap_or_else(|e| panic!("{e}"));
            assert!(tiles.check_forward(d).is_ok() && tiles.check_backward(d).is_ok(), "{d}: {tiles:?}");
            let more = Tiles::square(tiles.keys + 1);
            assert!(more.check_backward(d).is_err(), "{d}: {more:?}");
        }
        assert!(Tiles::fitting(100, 64).is_err());
    }

    #[test]
    fn refusals_name_the_remedy() {
        let say = |r: Result<()>| r.expect_err("too large").to_string();
        assert!(say(Tiles::square(64).check_forward(64)).contains("Lower B_c to 31"));
        assert!(say(Tiles::square(64).check_backward(64)).contains("Lower B_r to 31"));
        assert!(say(Tiles { queries: 300, keys: 8 }.check_forward(8)).contains("lower B_r to 256"));
        assert!(say(Tiles { queries: 0, keys: 8 }.check_forward(8)).contains("at least one row"));
    }

    #[test]
    fn every_pair_that_sees_each_other_is_in_one_tile() {
        for (n, queries, keys) in [(1, 1, 1), (10, 3, 4), (33, 8, 5), (32, 8, 8), (17, 32, 4), (17, 4, 32)] {
            let tiles = Tiles { queries, keys };
            for causal in [false, true] {
                let mut forward = vec![0; n * n];
                for q in tiles.query_blocks(n) {
                    for k in tiles.keys_for(&q, n, causal) {
                        for i in q.clone() {
                            (0..seen(i, &k, causal)).for_each(|j| forward[i * n + k.start + j] += 1);
                        }
                    }
                }
                let mut backward = vec![0; n * n];
                for k in tiles.key_blocks(n) {
                    for q in tiles.queries_for(&k, n, causal) {
                        for i in q {
                            (0..seen(i, &k, causal)).for_each(|j| backward[i * n + k.start + j] += 1);
                        }
                    }
                }
                let want: Vec<i32> = (0..n * n).map(|at| i32::from(!causal || at % n <= at / n)).collect();
                assert_eq!(forward, want, "{tiles:?} {n} {causal}");
                assert_eq!(backward, want, "{tiles:?} {n} {causal}");
            }
        }
    }
}
