//! The backward pass of flash attention (Dao 2023, arXiv 2307.08691, algorithm 2), as two kernels so that no
//! atomics are needed and runs repeat to the bit: one walks Q tiles for each block of K rows, one walks K tiles
//! for each block of Q rows; both recompute P from the log-sum-exp.

use super::attention::Sizes;
use super::flash_attention::{CPU_TILES, bring, check_tiles, kernels, launch, launch_threads, put};
use super::{Dispatch, Form, Op, groups, no_gradient, u};
use crate::Result;
use crate::attention::{Meter, Tiles, tiles::seen};
use crate::device::cpu::{Io, Real, Start, Upstream};
use crate::graph::{Backward, Spec, Step};
use std::ops::Range;

/// reads o, do `[B, T, C]`; writes delta `[B, H, T]` = rowsum(dO ∘ O), which is rowsum(P ∘ dP), and adds to a
/// counter, if counted.
#[derive(Debug)]
pub struct FlashAttentionDelta {
    /// H.
    pub heads: usize,
    /// Counted or not; causal and full are the same here.
    pub form: Form,
}

impl Op for FlashAttentionDelta {
    fn name(&self) -> &'static str {
        "flash_attention_delta"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        super::expect(
            reads.len() == 2 && reads[0] == reads[1] && reads[0].shape.len() == 3,
            self.name(),
            reads,
        )?;
        Ok(self.form.with_counter(vec![Spec::float([reads[0].shape[0], self.heads, reads[0].shape[1]])]))
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, io: Io<'_, F>) {
        self.form.metered(io, 1, |io, meter| {
            let (t, d) = (io.read_spec(0).shape[1], io.read_spec(0).last() / self.heads);
            let (o, dout, delta) = (io.f(0), io.f(1), io.out(0));
            for (i, (o, g)) in o.chunks_exact(d).zip(dout.chunks_exact(d)).enumerate() {
                let (bt, h) = (i / self.heads, i % self.heads);
                delta[(bt / t * self.heads + h) * t + bt % t] = F::dot(o, g);
                meter.read(o.len() + g.len());
                meter.wrote(1);
            }
        });
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let (t, d, n) = (reads[0].shape[1], reads[0].last() / self.heads, writes[0].len());
        let sizes = vec![u("N", n), u("T", t), u("H", self.heads), u("D", d)];
        let constants = [sizes, self.form.counter(3)].concat();
        Dispatch { shader: "flash_attention_delta", constants, workgroups: groups(n, 64) }
    }
}

/// A block of queries and a block of keys in reach, with P and dS of their pairs.
struct Pair<'a, F> {
    s: Sizes,
    causal: bool,
    qkv: &'a [F],
    dout: &'a [F],
    stats: [&'a [F]; 2],
    q: Vec<F>,
    k: Vec<F>,
    v: Vec<F>,
    g: Vec<F>,
    /// Log-sum-exp and delta of the queries.
    lse: Vec<F>,
    delta: Vec<F>,
    p: Vec<F>,
    ds: Vec<F>,
}

impl<'a, F: Real> Pair<'a, F> {
    fn new(io: &Io<'a, F>, heads: usize, tiles: Tiles, form: Form) -> Self {
        let pairs = tiles.queries * tiles.keys;
        let [q, k, v, g, lse, delta] = [const { Vec::new() }; 6];
        Self {
            s: Sizes::of(io.read_spec(0), heads, form.scaled),
            causal: form.causal,
            qkv: io.f(0),
            dout: io.f(1),
            stats: [io.f(2), io.f(3)],
            q,
            k,
            v,
            g,
            lse,
            delta,
            p: vec![F::zero(); pairs],
            ds: vec![F::zero(); pairs],
        }
    }

    #[inline(always)]
    fn bring_keys(&mut self, meter: &mut dyn Meter, query: usize, keys: &Range<usize>) {
        let (d, c) = (self.s.d, self.s.c());
        let at = query + keys.start * 3 * c;
        bring(meter, (&self.qkv[at + c..], 3 * c), (keys.len(), d), &mut self.k);
        bring(meter, (&self.qkv[at + 2 * c..], 3 * c), (keys.len(), d), &mut self.v);
    }

    #[inline(always)]
    fn bring_queries(
        &mut self,
        meter: &mut dyn Meter,
        (head, query, out): (usize, usize, usize),
        queries: &Range<usize>,
    ) {
        let (t, d, c, n) = (self.s.t, self.s.d, self.s.c(), queries.len());
        bring(meter, (&self.qkv[query + queries.start * 3 * c..], 3 * c), (n, d), &mut self.q);
        bring(meter, (&self.dout[out + queries.start * c..], c), (n, d), &mut self.g);
        let line = head * t + queries.start;
        bring(meter, (&self.stats[0][line..], 1), (n, 1), &mut self.lse);
        bring(meter, (&self.stats[1][line..], 1), (n, 1), &mut self.delta);
    }

    /// `P = e^(S·scale − lse)`, `dS = scale · P ∘ (dO·Vᵀ − delta)`, rows of as many as there are keys.
    #[inline(always)]
    fn recompute(&mut self, queries: &Range<usize>, keys: &Range<usize>) {
        let (d, scale, columns) = (self.s.d, F::of(self.s.scale()), keys.len());
        let size = [queries.len(), columns, d];
        F::gemm(size, (&self.q, [d, 1]), (&self.k, [1, d]), (&mut self.p, columns), Start::Zero);
        F::gemm(size, (&self.g, [d, 1]), (&self.v, [1, d]), (&mut self.ds, columns), Start::Zero);
        for (r, row) in queries.clone().enumerate() {
            let seen = seen(row, keys, self.causal);
            let (p, ds) = (&mut self.p[r * columns..][..columns], &mut self.ds[r * columns..][..columns]);
            let (lse, delta) = (self.lse[r], self.delta[r]);
            // e^−∞ is 0: whole lines keep the loop free of ragged ends.
            p[seen..].fill(F::neg_infinity());
            for (p, ds) in p.iter_mut().zip(ds) {
                *p = (*p * scale - lse).expo();
                *ds = scale * *p * (*ds - delta);
            }
        }
    }
}

/// reads qkv, do, lse, delta; writes the K and V thirds of dqkv `[B, T, 3C]`, and adds to a counter, if counted.
#[derive(Debug)]
pub struct FlashAttentionGradKv {
    /// H.
    pub heads: usize,
    /// Rows of the tiles; None: what suits the device. A counted kernel must be told.
    pub tiles: Option<Tiles>,
    /// Causal or full, counted or not.
    pub form: Form,
}

impl FlashAttentionGradKv {
    #[inline(always)]
    fn run<F: Real>(&self, io: &mut Io<'_, F>, meter: &mut dyn Meter) {
        let tiles = self.tiles.unwrap_or(CPU_TILES);
        let mut pair = Pair::new(io, self.heads, tiles, self.form);
        let dqkv = io.out(0);
        let (t, d, c) = (pair.s.t, pair.s.d, pair.s.c());
        for head in pair.s.heads() {
            for keys in tiles.key_blocks(t) {
                pair.bring_keys(meter, head.1, &keys);
                let mut dk = vec![F::zero(); keys.len() * d];
                let mut dv = dk.clone();
                for queries in tiles.queries_for(&keys, t, self.form.causal) {
                    pair.bring_queries(meter, head, &queries);
                    pair.recompute(&queries, &keys);
                    let (size, turned) = ([keys.len(), d, queries.len()], [1, keys.len()]);
                    F::gemm(size, (&pair.ds, turned), (&pair.q, [d, 1]), (&mut dk, d), Start::Held);
                    F::gemm(size, (&pair.p, turned), (&pair.g, [d, 1]), (&mut dv, d), Start::Held);
                }
                let at = head.1 + keys.start * 3 * c;
                put(meter, &dk, d, &mut dqkv[at + c..], 3 * c);
                put(meter, &dv, d, &mut dqkv[at + 2 * c..], 3 * c);
            }
        }
    }
}

impl Op for FlashAttentionGradKv {
    fn name(&self) -> &'static str {
        "flash_attention_grad_kv"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let s = Sizes::check(self.name(), reads, self.heads)?;
        check_tiles(self.name(), self.tiles, self.form, |tiles| tiles.check_backward(s.d))?;
        Ok(self.form.with_counter(vec![reads[0].clone()]))
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        if let Some(kernels) = kernels::<F>(self.tiles, self.form) {
            let s = Sizes::of(io.read_spec(0), self.heads, self.form.scaled);
            let up = Upstream { dout: io.f(1), lse: io.f(2), delta: io.f(3) };
            return (kernels.grad_kv)(s.of_heads(self.form.causal, io.f(0)), up, io.out(0));
        }
        self.form.metered(io, 1, |io, meter| self.run(io, meter));
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn part(&self) -> bool {
        true
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        let tiles = self.tiles.unwrap_or_else(|| Tiles::of_backward(s.d));
        launch("flash_attention_grad_kv", s, (tiles.keys, tiles.queries), (self.form, 5))
    }

    fn dispatch_threads(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        launch_threads("flash_attention_grad_kv_threads", s, (4, 128), (self.form, self.tiles))
            .unwrap_or_else(|| self.dispatch(reads, writes))
    }
}

/// reads qkv, do, lse, delta; writes the Q third of dqkv `[B, T, 3C]`, and adds to a counter, if counted.
#[derive(Debug)]
pub struct FlashAttentionGradQ {
    /// H.
    pub heads: usize,
    /// Rows of the tiles; None: what suits the device. A counted kernel must be told.
    pub tiles: Option<Tiles>,
    /// Causal or full, counted or not.
    pub form: Form,
}

impl FlashAttentionGradQ {
    #[inline(always)]
    fn run<F: Real>(&self, io: &mut Io<'_, F>, meter: &mut dyn Meter) {
        let tiles = self.tiles.unwrap_or(CPU_TILES);
        let mut pair = Pair::new(io, self.heads, tiles, self.form);
        let dqkv = io.out(0);
        let (t, d, c) = (pair.s.t, pair.s.d, pair.s.c());
        for head in pair.s.heads() {
            for queries in tiles.query_blocks(t) {
                pair.bring_queries(meter, head, &queries);
                let mut dq = vec![F::zero(); queries.len() * d];
                for keys in tiles.keys_for(&queries, t, self.form.causal) {
                    pair.bring_keys(meter, head.1, &keys);
                    pair.recompute(&queries, &keys);
                    let size = [queries.len(), d, keys.len()];
                    F::gemm(size, (&pair.ds, [keys.len(), 1]), (&pair.k, [d, 1]), (&mut dq, d), Start::Held);
                }
                put(meter, &dq, d, &mut dqkv[head.1 + queries.start * 3 * c..], 3 * c);
            }
        }
    }
}

impl Op for FlashAttentionGradQ {
    fn name(&self) -> &'static str {
        "flash_attention_grad_q"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let s = Sizes::check(self.name(), reads, self.heads)?;
        check_tiles(self.name(), self.tiles, self.form, |tiles| tiles.check_forward(s.d))?;
        Ok(self.form.with_counter(vec![reads[0].clone()]))
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        if let Some(kernels) = kernels::<F>(self.tiles, self.form) {
            let s = Sizes::of(io.read_spec(0), self.heads, self.form.scaled);
            let up = Upstream { dout: io.f(1), lse: io.f(2), delta: io.f(3) };
            return (kernels.grad_q)(s.of_heads(self.form.causal, io.f(0)), up, io.out(0));
        }
        self.form.metered(io, 1, |io, meter| self.run(io, meter));
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn part(&self) -> bool {
        true
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        // As large as those of dK and dV, so that both fit one launch.
        let (held, staged) = match self.tiles {
            Some(tiles) => (tiles.queries, tiles.keys),
            None => (Tiles::of_backward(s.d).keys, Tiles::of_backward(s.d).queries),
        };
        launch("flash_attention_grad_q", s, (held, staged), (self.form, 5))
    }

    fn dispatch_threads(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        launch_threads("flash_attention_grad_q_threads", s, (8, 192), (self.form, self.tiles))
            .unwrap_or_else(|| self.dispatch(reads, writes))
    }
}
