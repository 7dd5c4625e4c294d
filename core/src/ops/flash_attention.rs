//! Causal self-attention tile by tile: no `[T, T]` matrix is ever stored.
//!
//! Forward: FlashAttention-2 (Dao 2023, arXiv 2307.08691), algorithm 1. A block of query rows stays in
//! place while tiles of K and V pass by; each row keeps its largest score m, the sum ℓ of its weights and
//! the output O so far, and rescales ℓ and O by e^(m − m′) when a larger score m′ turns up. At the end O is
//! divided by ℓ, and the log-sum-exp m + ln ℓ is kept. Tiles above the diagonal are skipped.
//!
//! Backward: algorithm 2, as two kernels so that no atomics are needed and runs repeat to the bit: one
//! walks Q tiles for each K row, one walks K tiles for each Q row; both recompute P from the log-sum-exp.

use super::attention::Sizes;
use super::{Dispatch, Op, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// Rows of a tile: queries of a workgroup, one a thread.
pub(crate) const TILE: usize = 32;

/// reads qkv `[B, T, 3C]`; writes o `[B, T, C]`, lse `[B, H, T]`.
#[derive(Debug)]
pub struct FlashAttention {
    /// H.
    pub heads: usize,
    /// Whether scores are divided by √D.
    pub scaled: bool,
}

/// One workgroup a tile of rows, sequence and head.
fn launch(shader: &'static str, s: Sizes) -> Dispatch {
    Dispatch {
        shader,
        constants: s.constants(),
        workgroups: [s.t.div_ceil(TILE) as u32, s.h as u32, s.b as u32],
    }
}

impl Op for FlashAttention {
    fn name(&self) -> &'static str {
        "flash_attention"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["", "lse"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let s = Sizes::check(self.name(), reads, self.heads)?;
        Ok(vec![Spec::float([s.b, s.t, s.c()]), Spec::float([s.b, s.h, s.t])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let s = Sizes::of(io.read_spec(0), self.heads, self.scaled);
        let (qkv, o, lse) = (io.f(0), io.out(0), io.out(1));
        let (d, c, row, scale) = (s.d, s.c(), 3 * s.c(), F::of(s.scale()));
        let mut scores = vec![F::zero(); TILE * TILE];
        for (head, q, out) in s.heads() {
            for (i, rows) in tiles(s.t) {
                let mut m = [F::neg_infinity(); TILE];
                let mut l = [F::zero(); TILE];
                for (j, columns) in tiles((i + rows).min(s.t)) {
                    let k = (&qkv[q + c + j * row..], [1, row]);
                    F::gemm(
                        [rows, columns, d],
                        (&qkv[q + i * row..], [row, 1]),
                        k,
                        (&mut scores, TILE),
                        false,
                    );
                    for r in 0..rows {
                        let seen = (i + r + 1).saturating_sub(j).min(columns);
                        let line = &mut scores[r * TILE..][..columns];
                        let largest = m[r].max(F::largest(&line[..seen]) * scale);
                        let rescale = if seen == 0 { F::one() } else { (m[r] - largest).expo() };
                        l[r] *= rescale;
                        line[..seen].iter_mut().for_each(|x| *x = (*x * scale - largest).expo());
                        l[r] += F::total(&line[..seen]);
                        line[seen..].fill(F::zero());
                        let kept = if j == 0 { F::zero() } else { rescale };
                        o[out + (i + r) * c..][..d].iter_mut().for_each(|o| *o *= kept);
                        if seen > 0 {
                            m[r] = largest;
                        }
                    }
                    let v = (&qkv[q + 2 * c + j * row..], [row, 1]);
                    let into = (&mut o[out + i * c..], c);
                    F::gemm([rows, d, columns], (&scores, [TILE, 1]), v, into, j > 0);
                }
                for r in 0..rows {
                    o[out + (i + r) * c..][..d].iter_mut().for_each(|o| *o /= l[r]);
                    lse[head * s.t + i + r] = m[r] + l[r].ln();
                }
            }
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let Some(d) = back.only(step) else { return Ok(()) };
        let (qkv, o, lse) = (step.reads[0], step.writes[0], step.writes[1]);
        let (heads, scaled) = (self.heads, self.scaled);
        let delta = back.push(lse, FlashAttentionDelta { heads }, &[o, d])?;
        let dqkv = back.partial(qkv);
        back.push_into(FlashAttentionGradKv { heads, scaled }, &[qkv, d, lse, delta], &[dqkv])?;
        back.push_into(FlashAttentionGradQ { heads, scaled }, &[qkv, d, lse, delta], &[dqkv])?;
        back.set(qkv, dqkv)
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        launch("flash_attention", Sizes::of(&reads[0], self.heads, self.scaled))
    }
}

/// Beginnings and lengths of the tiles of `0..n`.
fn tiles(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).step_by(TILE).map(move |i| (i, TILE.min(n - i)))
}

/// reads o, do `[B, T, C]`; writes delta `[B, H, T]` = rowsum(dO ∘ O), which is rowsum(P ∘ dP).
#[derive(Debug)]
pub struct FlashAttentionDelta {
    /// H.
    pub heads: usize,
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
        Ok(vec![Spec::float([reads[0].shape[0], self.heads, reads[0].shape[1]])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (t, d) = (io.read_spec(0).shape[1], io.read_spec(0).last() / self.heads);
        let (o, dout, delta) = (io.f(0), io.f(1), io.out(0));
        for (i, (o, g)) in o.chunks_exact(d).zip(dout.chunks_exact(d)).enumerate() {
            let (bt, h) = (i / self.heads, i % self.heads);
            delta[(bt / t * self.heads + h) * t + bt % t] = F::dot(o, g);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let (t, d, n) = (reads[0].shape[1], reads[0].last() / self.heads, writes[0].len());
        let constants = vec![u("N", n), u("T", t), u("H", self.heads), u("D", d)];
        Dispatch { shader: "flash_attention_delta", constants, workgroups: groups(n, 64) }
    }
}

/// P and dS of one tile, recomputed: `P = e^(S·scale − lse)`, `dS = scale · P ∘ (dO·Vᵀ − delta)`.
struct Tile<'a, F> {
    s: Sizes,
    qkv: &'a [F],
    dout: &'a [F],
    lse: &'a [F],
    delta: &'a [F],
    p: Vec<F>,
    ds: Vec<F>,
}

impl<'a, F: Real> Tile<'a, F> {
    fn new(io: &Io<'a, F>, heads: usize, scaled: bool) -> Self {
        let (p, ds) = (vec![F::zero(); TILE * TILE], vec![F::zero(); TILE * TILE]);
        let s = Sizes::of(io.read_spec(0), heads, scaled);
        Self { s, qkv: io.f(0), dout: io.f(1), lse: io.f(2), delta: io.f(3), p, ds }
    }

    #[inline(always)]
    fn recompute(
        &mut self,
        (head, q, out): (usize, usize, usize),
        (i, rows): (usize, usize),
        (j, columns): (usize, usize),
    ) {
        let (d, c, row, scale) = (self.s.d, self.s.c(), 3 * self.s.c(), F::of(self.s.scale()));
        let size = [rows, columns, d];
        let k = (&self.qkv[q + c + j * row..], [1, row]);
        F::gemm(size, (&self.qkv[q + i * row..], [row, 1]), k, (&mut self.p, TILE), false);
        let v = (&self.qkv[q + 2 * c + j * row..], [1, row]);
        F::gemm(size, (&self.dout[out + i * c..], [c, 1]), v, (&mut self.ds, TILE), false);
        for r in 0..rows {
            let at = head * self.s.t + i + r;
            let seen = (i + r + 1).saturating_sub(j).min(columns);
            let (p, ds) = (&mut self.p[r * TILE..][..columns], &mut self.ds[r * TILE..][..columns]);
            let (lse, delta) = (self.lse[at], self.delta[at]);
            for (p, ds) in p[..seen].iter_mut().zip(&mut ds[..seen]) {
                *p = (*p * scale - lse).expo();
                *ds = scale * *p * (*ds - delta);
            }
            p[seen..].fill(F::zero());
            ds[seen..].fill(F::zero());
        }
    }
}

/// reads qkv, do, lse, delta; writes the K and V thirds of dqkv `[B, T, 3C]`.
#[derive(Debug)]
pub struct FlashAttentionGradKv {
    /// H.
    pub heads: usize,
    /// Whether scores are divided by √D.
    pub scaled: bool,
}

impl Op for FlashAttentionGradKv {
    fn name(&self) -> &'static str {
        "flash_attention_grad_kv"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        Sizes::check(self.name(), reads, self.heads)?;
        Ok(vec![reads[0].clone()])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let mut tile = Tile::new(&io, self.heads, self.scaled);
        let dqkv = io.out(0);
        let (s, c) = (tile.s, tile.s.c());
        for head in s.heads() {
            let (_, q, out) = head;
            for (j, columns) in tiles(s.t) {
                for (i, rows) in tiles(s.t).filter(|&(i, rows)| i + rows > j) {
                    tile.recompute(head, (i, rows), (j, columns));
                    let (size, add) = ([columns, s.d, rows], i > j);
                    let queries = (&tile.qkv[q + i * 3 * c..], [3 * c, 1]);
                    F::gemm(
                        size,
                        (&tile.ds, [1, TILE]),
                        queries,
                        (&mut dqkv[q + c + j * 3 * c..], 3 * c),
                        add,
                    );
                    let grads = (&tile.dout[out + i * c..], [c, 1]);
                    F::gemm(
                        size,
                        (&tile.p, [1, TILE]),
                        grads,
                        (&mut dqkv[q + 2 * c + j * 3 * c..], 3 * c),
                        add,
                    );
                }
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        launch("flash_attention_grad_kv", Sizes::of(&reads[0], self.heads, self.scaled))
    }
}

/// reads qkv, do, lse, delta; writes the Q third of dqkv `[B, T, 3C]`.
#[derive(Debug)]
pub struct FlashAttentionGradQ {
    /// H.
    pub heads: usize,
    /// Whether scores are divided by √D.
    pub scaled: bool,
}

impl Op for FlashAttentionGradQ {
    fn name(&self) -> &'static str {
        "flash_attention_grad_q"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        Sizes::check(self.name(), reads, self.heads)?;
        Ok(vec![reads[0].clone()])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let mut tile = Tile::new(&io, self.heads, self.scaled);
        let dqkv = io.out(0);
        let (s, c) = (tile.s, tile.s.c());
        for head in s.heads() {
            let (_, q, _) = head;
            for (i, rows) in tiles(s.t) {
                for (j, columns) in tiles((i + rows).min(s.t)) {
                    tile.recompute(head, (i, rows), (j, columns));
                    let keys = (&tile.qkv[q + c + j * 3 * c..], [3 * c, 1]);
                    let into = (&mut dqkv[q + i * 3 * c..], 3 * c);
                    F::gemm([rows, s.d, columns], (&tile.ds, [TILE, 1]), keys, into, j > 0);
                }
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        launch("flash_attention_grad_q", Sizes::of(&reads[0], self.heads, self.scaled))
    }
}
