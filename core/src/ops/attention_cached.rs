//! Attention of new positions over the keys and values kept from the positions before them. Each row of the
//! batch stands at a position of its own; Q positions from there on are computed in one pass, causal among
//! themselves, since their keys and values are kept first.

use super::attention::{scale, softmax};
use super::{Dispatch, Op, expect, f, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};

/// reads qkv `[B, Q, 3C]`, positions `[B]` u32; writes the K and V of positions
/// `positions[b] + offset + 0..Q` into cache `[B, P, 2C]`. Positions beyond P are left out.
#[derive(Debug)]
pub struct KvAppend {
    /// P.
    pub positions: usize,
    /// How far after `positions[b]` the first query stands.
    pub offset: usize,
}

impl Op for KvAppend {
    fn name(&self) -> &'static str {
        "kv_append"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2
            && reads[0].shape.len() == 3
            && reads[1].dtype == DType::U32
            && reads[1].len() == reads[0].shape[0];
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([reads[0].shape[0], self.positions, reads[0].last() / 3 * 2])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (queries, c) = (io.read_spec(0).shape[1], io.read_spec(0).last() / 3);
        let (qkv, positions, cache) = (io.f(0), io.u(1), io.out(0));
        for (i, qkv) in qkv.chunks_exact(3 * c).enumerate() {
            let (b, k) = (i / queries, i % queries);
            let position = positions[b] as usize + self.offset + k;
            if position < self.positions {
                cache[(b * self.positions + position) * 2 * c..][..2 * c].copy_from_slice(&qkv[c..]);
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (rows, c) = (reads[0].rows(), reads[0].last() / 3);
        let constants = vec![
            u("N", rows * 2 * c),
            u("C", c),
            u("P", self.positions),
            u("Q", reads[0].shape[1]),
            u("OFFSET", self.offset),
        ];
        Dispatch { shader: "kv_append", constants, workgroups: groups(rows * 2 * c, 64) }
    }
}

/// reads qkv `[B, Q, 3C]`, cache `[B, P, 2C]`, positions `[B]` u32; writes o `[B, Q, C]`. Query k of row b
/// stands at `positions[b] + offset + k` and sees the cache up to there (up to P at most).
#[derive(Debug)]
pub struct AttentionCached {
    /// H.
    pub heads: usize,
    /// As in [`KvAppend`].
    pub offset: usize,
    /// Whether scores are divided by √D.
    pub scaled: bool,
}

impl Op for AttentionCached {
    fn name(&self) -> &'static str {
        "attention_cached"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3
            && reads[0].shape.len() == 3
            && reads[1].shape.len() == 3
            && reads[0].shape[0] == reads[1].shape[0]
            && reads[0].last() / 3 * 2 == reads[1].last()
            && reads[0].last().is_multiple_of(3 * self.heads)
            && reads[2].dtype == DType::U32
            && reads[2].len() == reads[0].shape[0];
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([reads[0].shape[0], reads[0].shape[1], reads[0].last() / 3])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (queries, c, span) =
            (io.read_spec(0).shape[1], io.read_spec(0).last() / 3, io.read_spec(1).shape[1]);
        let (qkv, cache, positions, o) = (io.f(0), io.f(1), io.u(2), io.out(0));
        let d = c / self.heads;
        let scale = F::of(scale(d, self.scaled));
        let mut weights = vec![F::zero(); span];
        for (i, o) in o.chunks_exact_mut(d).enumerate() {
            let (row, h) = (i / self.heads, i % self.heads);
            let (b, k) = (row / queries, row % queries);
            let seen = (positions[b] as usize + self.offset + k + 1).min(span);
            let q = &qkv[row * 3 * c + h * d..][..d];
            let kept = |j: usize| &cache[(b * span + j) * 2 * c + h * d..];
            let weights = &mut weights[..seen];
            for (j, w) in weights.iter_mut().enumerate() {
                *w = F::dot(q, &kept(j)[..d]);
            }
            softmax(weights, scale);
            o.fill(F::zero());
            for (j, &w) in weights.iter().enumerate() {
                for (o, &v) in o.iter_mut().zip(&kept(j)[c..]) {
                    *o += w * v;
                }
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (rows, c, span) = (reads[0].rows(), reads[0].last() / 3, reads[1].shape[1]);
        let d = c / self.heads;
        let constants = vec![
            u("HEADS", rows * self.heads),
            u("P", span),
            u("H", self.heads),
            u("D", d),
            u("Q", reads[0].shape[1]),
            u("OFFSET", self.offset),
            f("SCALE", scale(d, self.scaled)),
        ];
        Dispatch { shader: "attention_cached", constants, workgroups: groups(rows * self.heads, 1) }
    }
}
