//! Flash attention's passes in f32, made for small heads: the kernels of the CPU device.
//!
//! A panel of W queries at a time: their scores with all keys that they see stand in the first-level cache, a row a
//! key and a lane a query, become weights there, and are multiplied by V. So scores never reach memory, as in Dao
//! 2023 (arXiv 2307.08691), and no row has to be rescaled, since the scores are whole. The scratch is linear in T.
//! Sums over keys are sums over rows: vectors are never added up within. Causal: keys beyond a panel's last query are
//! left out. The backward passes are made of the same parts: a panel of queries and rows of keys for dQ, a panel of
//! keys and rows of queries for dK and dV; both recompute the weights from the log-sum-exp.

use super::Start;
use super::pack::pack;
use super::simd::{dispatch, exp_vector, ln};
use super::tile::{Chosen, Place, Tiled, ragged_tile, tile};
use pulp::Simd;
use std::cell::RefCell;

/// Queries, keys and values of every head, and what is done with their scores.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a, F> {
    /// B, sequences.
    pub b: usize,
    /// T, tokens of a sequence.
    pub t: usize,
    /// H, heads.
    pub h: usize,
    /// D, numbers of a head.
    pub d: usize,
    /// What scores are multiplied by.
    pub scale: f64,
    /// Whether a query sees only keys up to its own.
    pub causal: bool,
    /// `[B, T, 3·H·D]`.
    pub qkv: &'a [F],
}

/// What the backward passes read beside queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a, F> {
    /// The gradient of the output, `[B, T, H·D]`.
    pub dout: &'a [F],
    /// Log-sum-exp of each query's scores, `[B, H, T]`.
    pub lse: &'a [F],
    /// rowsum(dO ∘ O), `[B, H, T]`.
    pub delta: &'a [F],
}

/// Kernels of the three passes.
#[derive(Clone, Copy, Debug)]
pub struct Flash<F> {
    /// Writes o `[B, T, H·D]` and the log-sum-exp of each query's scores `[B, H, T]`.
    pub forward: fn(Heads<'_, F>, &mut [F], &mut [F]),
    /// Writes the K and V thirds of the gradient of qkv.
    pub grad_kv: fn(Heads<'_, F>, Upstream<'_, F>, &mut [F]),
    /// Writes the Q third of it.
    pub grad_q: fn(Heads<'_, F>, Upstream<'_, F>, &mut [F]),
}

/// In f32.
pub(super) const KERNELS: Flash<f32> = Flash { forward, grad_kv, grad_q };

impl<F> Heads<'_, F> {
    fn c(&self) -> usize {
        self.h * self.d
    }

    fn each(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<F> {
        each_head([self.b, self.t, self.h, self.d])
    }
}

/// For each of B sequences of T tokens and each of H heads of D numbers: its index, where its queries begin in qkv,
/// and its output in o.
pub(crate) fn each_head([b, t, h, d]: [usize; 4]) -> impl Iterator<Item = (usize, usize, usize)> {
    let c = h * d;
    (0..b * h).map(move |i| (i, i / h * t * 3 * c + i % h * d, i / h * t * c + i % h * d))
}

/// Copies and scores; kept from call to call, so that nothing is allocated once a run is under way.
#[derive(Default)]
struct Scratch {
    /// `[T, D]` turned: panels of W lines, each `[D, W]`.
    turned: [Vec<f32>; 4],
    /// `[T, D]` in panels of W columns, each `[T, W]`.
    laid: [Vec<f32>; 2],
    /// Weights `[T, W]`, and their gradients.
    rows: [Vec<f32>; 2],
    /// Log-sum-exp and delta of one head, padded.
    stats: [Vec<f32>; 2],
}

fn with_scratch(run: impl FnOnce(&mut Scratch)) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(run);
}

fn forward(heads: Heads<'_, f32>, o: &mut [f32], lse: &mut [f32]) {
    with_scratch(|scratch| dispatch(Chosen(Forward { heads, o, lse, scratch })));
}

fn grad_kv(heads: Heads<'_, f32>, up: Upstream<'_, f32>, dqkv: &mut [f32]) {
    with_scratch(|scratch| dispatch(Chosen(GradKv { heads, up, dqkv, scratch })));
}

fn grad_q(heads: Heads<'_, f32>, up: Upstream<'_, f32>, dqkv: &mut [f32]) {
    with_scratch(|scratch| dispatch(Chosen(GradQ { heads, up, dqkv, scratch })));
}

/// T rows of D numbers, `stride` apart.
#[derive(Clone, Copy)]
struct Rows<'a> {
    x: &'a [f32],
    stride: usize,
    t: usize,
    d: usize,
}

impl Rows<'_> {
    /// Turned, in panels of W rows, and W numbers more, into which a strip may reach. Nothing that is kept comes of what
    /// stands beyond the last row.
    #[inline(always)]
    fn turn<const W: usize>(self, out: &mut Vec<f32>) {
        out.resize(self.t.next_multiple_of(W) * self.d + W, 0.0);
        for (panel, i) in out.chunks_exact_mut(W * self.d).zip((0..self.t).step_by(W)) {
            pack::<W>(&self.x[i * self.stride..], [self.stride, 1], [W.min(self.t - i), self.d], panel);
        }
    }

    /// In panels of W columns; zeros beyond the last.
    #[inline(always)]
    fn lay<const W: usize>(self, out: &mut Vec<f32>) {
        out.resize(self.d.next_multiple_of(W) * self.t, 0.0);
        for (panel, j) in out.chunks_exact_mut(W * self.t).zip((0..self.d).step_by(W)) {
            pack::<W>(&self.x[j..], [1, self.stride], [W.min(self.d - j), self.t], panel);
        }
    }
}

/// The p-th panel of rows turned.
fn panel<const W: usize>(turned: &[f32], d: usize, p: usize) -> &[f32] {
    &turned[p * W * d..][..W * d]
}

/// `rows[i − from, lane] = Σ turned[i] · panel[lane]`, for each i of the range, which begins with a panel.
#[cfg_attr(target_arch = "wasm32", inline(never))] // see tile.rs
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn scores<S: Simd, const R: usize, const V: usize, const W: usize>(
    simd: S,
    (turned, range): (&[f32], std::ops::Range<usize>),
    panel: &[f32],
    rows: &mut [f32],
) {
    let d = panel.len() / W;
    for i in range.clone().step_by(R) {
        let strip = &turned[i / W * W * d + i % W..][..W * d];
        let place = Place { row: i - range.start, column: 0, stride: W, inside: [R, W] };
        tile::<S, R, V, W>(simd, Start::Zero, strip, panel, rows, place);
    }
}

/// `out[lane] = Σᵢ rows[i, lane] · laid[i]`, for `inside` lanes of d numbers; rows of `out` are `stride` apart, and
/// `laid` is `t` rows a panel, of which those from `from` on count.
#[cfg_attr(target_arch = "wasm32", inline(never))] // see tile.rs
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn mix<S: Simd, const R: usize, const V: usize, const W: usize>(
    simd: S,
    (rows, n): (&[f32], usize),
    (laid, from, t): (&[f32], usize, usize),
    (out, stride): (&mut [f32], usize),
    [inside, d]: [usize; 2],
) {
    for (panel, column) in laid.chunks_exact(W * t).zip((0..d).step_by(W)) {
        let panel = &panel[from * W..][..n * W];
        for row in (0..inside).step_by(R) {
            let inside = [R.min(inside - row), W.min(d - column)];
            let (strip, place) = (&rows[row..][..n * W], Place { row, column, stride, inside });
            if inside == [R, W] {
                let place = Place { inside: [R, W], ..place };
                tile::<S, R, V, W>(simd, Start::Zero, strip, panel, out, place);
            } else {
                ragged_tile::<S, R, V, W>(simd, Start::Zero, strip, panel, out, place);
            }
        }
    }
}

/// Rows as vectors.
#[inline(always)]
fn vectors<S: Simd, const V: usize>(rows: &mut [f32]) -> &mut [[S::f32s; V]] {
    S::as_mut_simd_f32s(rows).0.as_chunks_mut::<V>().0
}

#[inline(always)]
fn load<S: Simd, const V: usize>(x: &[f32]) -> [S::f32s; V] {
    S::as_simd_f32s(x).0.as_chunks::<V>().0[0]
}

/// `rows[.., lane] ← softmax(scale · rows[.., lane])`; returns what was taken off the scaled scores, and the sums of
/// the exponentials.
#[cfg_attr(target_arch = "wasm32", inline(never))] // see tile.rs
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn softmax<S: Simd, const V: usize, const W: usize>(
    simd: S,
    scale: f32,
    rows: &mut [f32],
) -> ([f32; W], [f32; W]) {
    let scale = simd.splat_f32s(scale);
    let mut most = [simd.splat_f32s(f32::NEG_INFINITY); V];
    for row in vectors::<S, V>(rows) {
        for v in 0..V {
            most[v] = simd.select_f32s(simd.greater_than_f32s(row[v], most[v]), row[v], most[v]);
        }
    }
    let shift = most.map(|most| simd.mul_f32s(most, scale));
    let mut sum = [simd.splat_f32s(0.0); V];
    for row in vectors::<S, V>(rows) {
        for v in 0..V {
            row[v] = exp_vector(simd, simd.sub_f32s(simd.mul_f32s(row[v], scale), shift[v]));
            sum[v] = simd.add_f32s(sum[v], row[v]);
        }
    }
    let inverse = sum.map(|sum| simd.div_f32s(simd.splat_f32s(1.0), sum));
    for row in vectors::<S, V>(rows) {
        for v in 0..V {
            row[v] = simd.mul_f32s(row[v], inverse[v]);
        }
    }
    let (mut shifts, mut sums) = ([0.0; W], [0.0; W]);
    vectors::<S, V>(&mut shifts)[0] = shift;
    vectors::<S, V>(&mut sums)[0] = sum;
    (shifts, sums)
}

/// `p ← e^(scale · p − lse)` and `ds ← scale · p ∘ (ds − delta)`, row by row; `stats` gives lse and delta.
#[cfg_attr(target_arch = "wasm32", inline(never))] // see tile.rs
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn weigh_back<S: Simd, const V: usize>(
    simd: S,
    scale: f32,
    (p, ds): (&mut [f32], &mut [f32]),
    stats: impl Fn(usize) -> [[S::f32s; V]; 2],
) {
    let scale = simd.splat_f32s(scale);
    for (i, (p, ds)) in vectors::<S, V>(p).iter_mut().zip(vectors::<S, V>(ds)).enumerate() {
        let [lse, delta] = stats(i);
        for v in 0..V {
            p[v] = exp_vector(simd, simd.sub_f32s(simd.mul_f32s(p[v], scale), lse[v]));
            ds[v] = simd.mul_f32s(simd.mul_f32s(scale, p[v]), simd.sub_f32s(ds[v], delta[v]));
        }
    }
}

struct Forward<'a> {
    heads: Heads<'a, f32>,
    o: &'a mut [f32],
    lse: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl Tiled for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize, const W: usize>(self, simd: S) {
        let Self { heads, o, lse, scratch } = self;
        let Heads { t, d, causal, qkv, .. } = heads;
        let c = heads.c();
        let Scratch { turned: [queries, keys, ..], laid: [values, _], rows: [p, _], .. } = scratch;
        p.resize((t.next_multiple_of(W) + 1) * W, 0.0);
        for (head, at, out) in heads.each() {
            let part = |part: usize| Rows { x: &qkv[at + part * c..], stride: 3 * c, t, d };
            part(0).turn::<W>(queries);
            part(1).turn::<W>(keys);
            part(2).lay::<W>(values);
            for i in (0..t).step_by(W) {
                let n = if causal { t.min(i + W) } else { t };
                scores::<S, R, V, W>(simd, (keys, 0..n), panel::<W>(queries, d, i / W), p);
                if causal {
                    // A key is not seen by the queries before it: e^−∞ is 0.
                    (i..n).for_each(|key| p[key * W..][..key - i].fill(f32::NEG_INFINITY));
                }
                let (shifts, sums) = softmax::<S, V, W>(simd, heads.scale as f32, &mut p[..n * W]);
                let inside = W.min(t - i);
                for ((lse, shift), sum) in lse[head * t + i..][..inside].iter_mut().zip(shifts).zip(sums) {
                    *lse = shift + ln(sum);
                }
                let to = (&mut o[out + i * c..], c);
                mix::<S, R, V, W>(simd, (p, n), (values, 0, t), to, [inside, d]);
            }
        }
    }
}

struct GradQ<'a> {
    heads: Heads<'a, f32>,
    up: Upstream<'a, f32>,
    dqkv: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl Tiled for GradQ<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize, const W: usize>(self, simd: S) {
        let Self { heads, up, dqkv, scratch } = self;
        let Heads { t, d, causal, qkv, scale, .. } = heads;
        let c = heads.c();
        let Scratch { turned: [q, k, v, g], laid: [keys, _], rows: [p, ds], stats } = scratch;
        p.resize((t.next_multiple_of(W) + 1) * W, 0.0);
        ds.resize((t.next_multiple_of(W) + 1) * W, 0.0);
        for (head, at, out) in heads.each() {
            let part = |part: usize| Rows { x: &qkv[at + part * c..], stride: 3 * c, t, d };
            part(0).turn::<W>(q);
            part(1).turn::<W>(k);
            part(2).turn::<W>(v);
            Rows { x: &up.dout[out..], stride: c, t, d }.turn::<W>(g);
            part(1).lay::<W>(keys);
            // Lanes beyond the last query: e^(x − ∞) is 0.
            for (to, (from, beyond)) in stats.iter_mut().zip([(up.lse, f32::INFINITY), (up.delta, 0.0)]) {
                to.clear();
                to.extend_from_slice(&from[head * t..][..t]);
                to.resize(t.next_multiple_of(W), beyond);
            }
            for i in (0..t).step_by(W) {
                let n = if causal { t.min(i + W) } else { t };
                scores::<S, R, V, W>(simd, (k, 0..n), panel::<W>(q, d, i / W), p);
                scores::<S, R, V, W>(simd, (v, 0..n), panel::<W>(g, d, i / W), ds);
                if causal {
                    (i..n).for_each(|key| p[key * W..][..key - i].fill(f32::NEG_INFINITY));
                }
                let stats = [load::<S, V>(&stats[0][i..]), load::<S, V>(&stats[1][i..])];
                weigh_back(simd, scale as f32, (&mut p[..n * W], &mut ds[..n * W]), |_| stats);
                let to = (&mut dqkv[at + i * 3 * c..], 3 * c);
                mix::<S, R, V, W>(simd, (ds, n), (keys, 0, t), to, [W.min(t - i), d]);
            }
        }
    }
}

struct GradKv<'a> {
    heads: Heads<'a, f32>,
    up: Upstream<'a, f32>,
    dqkv: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl Tiled for GradKv<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize, const W: usize>(self, simd: S) {
        let Self { heads, up, dqkv, scratch } = self;
        let Heads { t, d, causal, qkv, scale, .. } = heads;
        let c = heads.c();
        let Scratch { turned: [q, k, v, g], laid: [queries, douts], rows: [p, ds], .. } = scratch;
        p.resize((t.next_multiple_of(W) + 1) * W, 0.0);
        ds.resize((t.next_multiple_of(W) + 1) * W, 0.0);
        for (head, at, out) in heads.each() {
            let part = |part: usize| Rows { x: &qkv[at + part * c..], stride: 3 * c, t, d };
            let dout = Rows { x: &up.dout[out..], stride: c, t, d };
            part(0).turn::<W>(q);
            part(1).turn::<W>(k);
            part(2).turn::<W>(v);
            dout.turn::<W>(g);
            part(0).lay::<W>(queries);
            dout.lay::<W>(douts);
            let (lse, delta) = (&up.lse[head * t..][..t], &up.delta[head * t..][..t]);
            for j in (0..t).step_by(W) {
                // Queries before these keys do not see them.
                let from = if causal { j } else { 0 };
                let n = t - from;
                scores::<S, R, V, W>(simd, (q, from..t), panel::<W>(k, d, j / W), p);
                scores::<S, R, V, W>(simd, (g, from..t), panel::<W>(v, d, j / W), ds);
                if causal {
                    (0..n.min(W)).for_each(|query| p[query * W..][query + 1..W].fill(f32::NEG_INFINITY));
                }
                weigh_back(simd, scale as f32, (&mut p[..n * W], &mut ds[..n * W]), |i| {
                    [[simd.splat_f32s(lse[from + i]); V], [simd.splat_f32s(delta[from + i]); V]]
                });
                let inside = [W.min(t - j), d];
                let to = &mut dqkv[at + c + j * 3 * c..];
                mix::<S, R, V, W>(simd, (ds, n), (queries, from, t), (to, 3 * c), inside);
                let to = &mut dqkv[at + 2 * c + j * 3 * c..];
                mix::<S, R, V, W>(simd, (p, n), (douts, from, t), (to, 3 * c), inside);
            }
        }
    }
}
