//! How many f32 elements attention moves between storage and a workgroup, per sequence and head.
//!
//! Letters as in the papers: N rows, head size d, tiles of B_r queries and B_c keys. The formulas of the tiled
//! and the naive kernels are of *these* kernels (`shaders/`): each load and store that a kernel issues,
//! whether or not a cache of the adapter answers it. In counting kernels each helper that loads or stores says
//! so to a counter, and the counters must equal these formulas to the element.

use super::tiles::{Tiles, seen};
use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::{Add, Mul};

/// Elements moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Traffic {
    /// From storage.
    pub reads: u64,
    /// To storage.
    pub writes: u64,
}

/// Who is told of each movement. `()` does not listen, and costs nothing.
pub trait Meter {
    /// `n` elements were loaded.
    fn read(&mut self, n: usize);
    /// `n` elements were stored.
    fn wrote(&mut self, n: usize);
}

impl Meter for () {
    fn read(&mut self, _: usize) {}
    fn wrote(&mut self, _: usize) {}
}

impl Meter for Traffic {
    fn read(&mut self, n: usize) {
        self.reads += n as u64;
    }
    fn wrote(&mut self, n: usize) {
        self.writes += n as u64;
    }
}

impl Traffic {
    /// Words of a counter on a device: reads and writes, each its low and its high half.
    pub const WORDS: usize = 4;

    /// Both directions.
    pub const fn total(self) -> u64 {
        self.reads + self.writes
    }

    /// From a counter's words. None if they are not [`WORDS`](Self::WORDS).
    pub fn from_words(words: &[u32]) -> Option<Self> {
        let &[a, b, c, d] = words else { return None };
        let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        Some(Self { reads: join(a, b), writes: join(c, d) })
    }

    /// As a counter's words.
    pub const fn words(self) -> [u32; Self::WORDS] {
        [self.reads as u32, (self.reads >> 32) as u32, self.writes as u32, (self.writes >> 32) as u32]
    }
}

impl Add for Traffic {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { reads: self.reads + other.reads, writes: self.writes + other.writes }
    }
}

impl Mul<u64> for Traffic {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self { reads: self.reads * times, writes: self.writes * times }
    }
}

impl Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// One sequence and head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// N: queries, and keys.
    pub n: usize,
    /// Head size.
    pub d: usize,
    /// Whether a query sees only keys up to its own.
    pub causal: bool,
}

impl Problem {
    const fn nd(self) -> u64 {
        self.n as u64 * self.d as u64
    }

    const fn nn(self) -> u64 {
        self.n as u64 * self.n as u64
    }

    /// (query, key) pairs that see each other: N(N+1)/2 or N².
    pub const fn pairs(self) -> u64 {
        if self.causal { (self.nn() + self.n as u64) / 2 } else { self.nn() }
    }

    /// Σc_i: rows of K that pass by block after block of queries. Block i sees keys up to its last query, in
    /// whole tiles: c_i = min(N, B_c·⌈min((i+1)·B_r, N)/B_c⌉), and N where attention is full.
    pub fn keys_passing(self, tiles: Tiles) -> u64 {
        let Self { n, causal, .. } = self;
        let c = |i: usize| n.min(tiles.keys * n.min((i + 1) * tiles.queries).div_ceil(tiles.keys));
        (0..n.div_ceil(tiles.queries)).map(|i| if causal { c(i) } else { n } as u64).sum()
    }

    /// Σr_j: rows of Q that pass by block after block of keys. Block j is seen by queries from the tile that
    /// holds its first key on: r_j = N − B_r·⌊j·B_c/B_r⌋, and N where attention is full.
    pub fn queries_passing(self, tiles: Tiles) -> u64 {
        let Self { n, causal, .. } = self;
        let r = |j: usize| n - tiles.queries * (j * tiles.keys / tiles.queries);
        (0..n.div_ceil(tiles.keys)).map(|j| if causal { r(j) } else { n } as u64).sum()
    }

    /// The tiled forward kernel. Each block reads its queries once (Nd in all), and each tile of K and V that
    /// passes by (2d a row): reads Nd + 2d·Σc_i. It writes O and the log-sum-exp: Nd + N.
    pub fn flash_forward(self, tiles: Tiles) -> Traffic {
        let (nd, d) = (self.nd(), self.d as u64);
        Traffic { reads: nd + 2 * d * self.keys_passing(tiles), writes: nd + self.n as u64 }
    }

    /// delta = rowsum(dO ∘ O): reads 2Nd, writes N.
    pub const fn flash_delta(self) -> Traffic {
        Traffic { reads: 2 * self.nd(), writes: self.n as u64 }
    }

    /// The kernel of dK and dV. Each block reads its K and V once (2Nd), and of each query that passes by Q,
    /// dO, log-sum-exp and delta (2d + 2): reads 2Nd + (2d + 2)·Σr_j, writes 2Nd.
    pub fn flash_grad_kv(self, tiles: Tiles) -> Traffic {
        let (nd, d) = (self.nd(), self.d as u64);
        Traffic { reads: 2 * nd + (2 * d + 2) * self.queries_passing(tiles), writes: 2 * nd }
    }

    /// The kernel of dQ. Each block reads its Q, dO, log-sum-exp and delta once (2Nd + 2N), and each tile of K
    /// and V that passes by: reads 2Nd + 2N + 2d·Σc_i, writes Nd.
    pub fn flash_grad_q(self, tiles: Tiles) -> Traffic {
        let (nd, n, d) = (self.nd(), self.n as u64, self.d as u64);
        Traffic { reads: 2 * nd + 2 * n + 2 * d * self.keys_passing(tiles), writes: nd }
    }

    /// The three kernels of the tiled backward pass.
    pub fn flash_backward(self, tiles: Tiles) -> Traffic {
        self.flash_delta() + self.flash_grad_kv(tiles) + self.flash_grad_q(tiles)
    }

    /// The naive forward kernel (`shaders/attention.wgsl`), P pairs, as it issues loads, no cache in sight: a
    /// score reads a row of Q and one of K (2d); the exponential and the division each read and write the
    /// matrix's line, of which the unseen part is written once as zero; an output reads for each seen key a
    /// probability and a number of V (2d a pair). Reads 4dP + 2P, writes 2P + N² + Nd.
    pub const fn naive_forward(self) -> Traffic {
        let (p, d) = (self.pairs(), self.d as u64);
        Traffic { reads: 4 * d * p + 2 * p, writes: 2 * p + self.nn() + self.nd() }
    }

    /// The naive gradient of the scores (`shaders/attention_grad_scores.wgsl`): a pair reads dO and V (2d) and
    /// its probability; then its probability and dP again. Reads 2dP + 3P, writes P + N².
    pub const fn naive_grad_scores(self) -> Traffic {
        let (p, d) = (self.pairs(), self.d as u64);
        Traffic { reads: 2 * d * p + 3 * p, writes: p + self.nn() }
    }

    /// The naive gradient of Q, K and V (`shaders/attention_grad.wgsl`): each of the three reads a number of
    /// the matrix and one of the other factor for each pair and each of d. Reads 6dP, writes 3Nd.
    pub const fn naive_grad(self) -> Traffic {
        Traffic { reads: 6 * self.d as u64 * self.pairs(), writes: 3 * self.nd() }
    }

    /// The two kernels of the naive backward pass.
    pub fn naive_backward(self) -> Traffic {
        self.naive_grad_scores() + self.naive_grad()
    }

    /// What attention with a written-out matrix moves at best: each kernel reads each of its inputs once, as
    /// if the rest came from a perfect cache (Dao et al. 2022, algorithm 0, which skips nothing of the N²).
    /// S = QKᵀ reads 2Nd, writes N²; softmax reads and writes N²; O = PV reads N² + Nd, writes Nd: together
    /// 4N² + 4Nd.
    pub const fn ideal_naive_forward(self) -> Traffic {
        let (nn, nd) = (self.nn(), self.nd());
        Traffic { reads: 2 * nn + 3 * nd, writes: 2 * nn + nd }
    }

    /// The backward pass likewise: dV = PᵀdO reads N² + Nd, writes Nd; dP = dO·Vᵀ reads 2Nd, writes N²; dS =
    /// P ∘ (dP − rowsum) reads 2N², writes N²; dQ = dS·K and dK = dSᵀ·Q each read N² + Nd, write Nd: together
    /// 7N² + 8Nd.
    pub const fn ideal_naive_backward(self) -> Traffic {
        let (nn, nd) = (self.nn(), self.nd());
        Traffic { reads: 5 * nn + 5 * nd, writes: 2 * nn + 3 * nd }
    }

    /// FlashAttention's own algorithm 1 (Dao et al. 2022) with a memory of M elements, full attention: for
    /// each of the T_c = ⌈N/B_c⌉ tiles of K and V, read once (2Nd in all), every block reads Q, O, ℓ and m and
    /// writes O, ℓ and m. Reads 2Nd + T_c·(2Nd + 2N), writes T_c·(Nd + 2N).
    pub fn algorithm_1(self, memory: usize) -> Traffic {
        let (nd, n) = (self.nd(), self.n as u64);
        let passes = self.n.div_ceil(Tiles::algorithm_1(memory, self.d).keys) as u64;
        Traffic { reads: 2 * nd + passes * (2 * nd + 2 * n), writes: passes * (nd + 2 * n) }
    }

    /// N²d²/M, the order of growth below which no exact algorithm stays for all M between d and Nd (Dao et al.
    /// 2022, theorem 2 and proposition 3), without its constant.
    pub fn bound(self, memory: usize) -> f64 {
        let nd = self.nd() as f64;
        nd * nd / memory.max(1) as f64
    }

    /// How many of these keys query `row` sees.
    pub fn seen(self, row: usize, keys: &std::ops::Range<usize>) -> usize {
        seen(row, keys, self.causal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [(usize, usize, usize, usize); 9] = [
        (1, 4, 1, 1),
        (5, 3, 2, 3),
        (32, 8, 8, 8),
        (33, 8, 8, 8),
        (40, 16, 16, 8),
        (40, 16, 8, 16),
        (37, 5, 7, 4),
        (17, 4, 64, 4),
        (100, 20, 9, 31),
    ];

    /// Every element that a tile brings, one by one.
    #[test]
    fn the_tiled_formulas_are_what_loops_count() {
        for (n, d, queries, keys) in SHAPES {
            for causal in [false, true] {
                let (p, tiles) = (Problem { n, d, causal }, Tiles { queries, keys });
                let visible = |i: usize, j: usize| !causal || j <= i;
                let (mut forward, mut kv, mut q) =
                    (Traffic::default(), Traffic::default(), Traffic::default());
                for i0 in (0..n).step_by(queries) {
                    let rows = i0..n.min(i0 + queries);
                    for _ in rows.clone() {
                        forward = forward + Traffic { reads: d as u64, writes: d as u64 + 1 };
                        q = q + Traffic { reads: 2 * d as u64 + 2, writes: d as u64 };
                    }
                    for j0 in (0..n).step_by(keys) {
                        let columns = j0..n.min(j0 + keys);
                        // A tile is brought if any of its pairs is seen.
                        if rows.clone().any(|i| columns.clone().any(|j| visible(i, j))) {
                            forward.reads += (2 * d * columns.len()) as u64;
                            q.reads += (2 * d * columns.len()) as u64;
                        }
                    }
                }
                for j0 in (0..n).step_by(keys) {
                    let columns = j0..n.min(j0 + keys);
                    kv.reads += (2 * d * columns.len()) as u64;
                    kv.writes += (2 * d * columns.len()) as u64;
                    for i0 in (0..n).step_by(queries) {
                        let rows = i0..n.min(i0 + queries);
                        if rows.clone().any(|i| columns.clone().any(|j| visible(i, j))) {
                            kv.reads += ((2 * d + 2) * rows.len()) as u64;
                        }
                    }
                }
                assert_eq!(p.flash_forward(tiles), forward, "{p:?} {tiles:?}");
                assert_eq!(p.flash_grad_kv(tiles), kv, "{p:?} {tiles:?}");
                assert_eq!(p.flash_grad_q(tiles), q, "{p:?} {tiles:?}");
            }
        }
    }

    #[test]
    fn square_tiles_that_divide_n_have_a_closed_form() {
        for (n, d, b) in [(256u64, 32, 32), (1024, 64, 64), (96, 5, 8)] {
            let p = Problem { n: n as usize, d: d as usize, causal: true };
            let (tiles, blocks) = (Tiles::square(b as usize), n / b);
            assert_eq!(p.flash_forward(tiles).total(), 2 * n * d + n + n * d * (blocks + 1));
            assert_eq!(p.flash_backward(tiles).total(), 9 * n * d + 3 * n + (2 * d + 1) * n * (blocks + 1));
        }
    }

    #[test]
    fn the_ideal_naive_is_4nn_and_7nn() {
        let p = Problem { n: 1000, d: 24, causal: false };
        assert_eq!(p.ideal_naive_forward().total(), 4 * 1_000_000 + 4 * 24_000);
        assert_eq!(p.ideal_naive_backward().total(), 7 * 1_000_000 + 8 * 24_000);
    }

    /// Algorithm 1 walked block by block.
    #[test]
    fn algorithm_1_is_what_its_loops_move() {
        for (n, d, memory) in [(64, 8, 256), (50, 4, 100), (1024, 64, 4096)] {
            let (p, tiles) = (Problem { n, d, causal: false }, Tiles::algorithm_1(memory, d));
            let mut moved = Traffic::default();
            for k in tiles.key_blocks(n) {
                moved.reads += 2 * (k.len() * d) as u64;
                for q in tiles.query_blocks(n) {
                    moved.reads += (q.len() * (2 * d + 2)) as u64;
                    moved.writes += (q.len() * (d + 2)) as u64;
                }
            }
            assert_eq!(p.algorithm_1(memory), moved);
        }
    }

    #[test]
    fn counters_survive_their_words() {
        let t = Traffic { reads: 0x1_2345_6789_abcd, writes: u64::MAX };
        assert_eq!(Traffic::from_words(&t.words()), Some(t));
        assert_eq!(Traffic::from_words(&[1, 2, 3]), None);
    }
}
