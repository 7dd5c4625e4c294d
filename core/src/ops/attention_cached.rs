//! Attention of one new position over the keys and values kept from the positions before it.

use super::attention::{scale, softmax};
use super::{Dispatch, Op, State, expect, f, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// reads qkv `[B, 1, 3C]`, state; writes the K and V of position `state.position` into cache `[B, P, 2C]`.
#[derive(Debug)]
pub struct KvAppend {
    /// P.
    pub positions: usize,
}

impl Op for KvAppend {
    fn name(&self) -> &'static str {
        "kv_append"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[0].shape.len() == 3 && reads[0].shape[1] == 1, self.name(), reads)?;
        Ok(vec![Spec::float([reads[0].shape[0], self.positions, reads[0].last() / 3 * 2])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let c = io.read_spec(0).last() / 3;
        let (qkv, position, cache) = (io.f(0), State::from_words(io.u(1)).position as usize, io.out(0));
        for (b, qkv) in qkv.chunks_exact(3 * c).enumerate() {
            cache[(b * self.positions + position) * 2 * c..][..2 * c].copy_from_slice(&qkv[c..]);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (b, c) = (reads[0].shape[0], reads[0].last() / 3);
        let constants = vec![u("N", b * 2 * c), u("C", c), u("P", self.positions)];
        Dispatch { shader: "kv_append", constants, workgroups: groups(b * 2 * c, 64) }
    }
}

/// reads qkv `[B, 1, 3C]`, cache `[B, P, 2C]`, state; writes o `[B, 1, C]`.
#[derive(Debug)]
pub struct AttentionCached {
    /// H.
    pub heads: usize,
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
            && reads[0].last() / 3 * 2 == reads[1].last()
            && reads[0].last().is_multiple_of(3 * self.heads);
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([reads[0].shape[0], 1, reads[0].last() / 3])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (c, span) = (io.read_spec(0).last() / 3, io.read_spec(1).shape[1]);
        let (qkv, cache, o) = (io.f(0), io.f(1), io.out(0));
        let seen = State::from_words(io.u(2)).position as usize + 1;
        let d = c / self.heads;
        let scale = F::of(scale(d, self.scaled));
        let mut weights = vec![F::zero(); seen];
        for (i, o) in o.chunks_exact_mut(d).enumerate() {
            let (b, h) = (i / self.heads, i % self.heads);
            let q = &qkv[b * 3 * c + h * d..][..d];
            let row = |j: usize| &cache[(b * span + j) * 2 * c + h * d..];
            for (j, w) in weights.iter_mut().enumerate() {
                *w = F::dot(q, &row(j)[..d]);
            }
            softmax(&mut weights, scale);
            o.fill(F::zero());
            for (j, &w) in weights.iter().enumerate() {
                for (o, &v) in o.iter_mut().zip(&row(j)[c..]) {
                    *o += w * v;
                }
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (b, c, span) = (reads[0].shape[0], reads[0].last() / 3, reads[1].shape[1]);
        let d = c / self.heads;
        let constants = vec![
            u("HEADS", b * self.heads),
            u("P", span),
            u("H", self.heads),
            u("D", d),
            f("SCALE", scale(d, self.scaled)),
        ];
        Dispatch { shader: "attention_cached", constants, workgroups: groups(b * self.heads, 1) }
    }
}
