//! Whole distributions, position by position: the exact divergence of two, and the entropy of one. The formulas
//! are in [`crate::objective::ppo`].

use super::{Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};
use crate::objective::ppo;

/// reads logits `[.., Vp]` of the policy and of the reference; writes kl `[..]`, KL(policy ‖ reference) in nats.
/// Columns from `vocab` on are padding and count for nothing.
#[derive(Debug)]
pub struct Kl {
    /// V.
    pub vocab: usize,
}

impl Op for Kl {
    fn name(&self) -> &'static str {
        "kl"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2 && reads[0] == reads[1] && reads[0].last() >= self.vocab;
        expect(ok, self.name(), reads)?;
        Ok(vec![positions(&reads[0])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let width = io.read_spec(0).last();
        let rows = io.f(0).chunks_exact(width).zip(io.f(1).chunks_exact(width));
        for (out, (p, q)) in io.out(0).iter_mut().zip(rows) {
            *out = ppo::kl(&p[..self.vocab], &q[..self.vocab]);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        launch("kl", &reads[0], self.vocab)
    }
}

/// reads logits `[.., Vp]`; writes entropy `[..]`, in nats. Columns from `vocab` on are padding.
#[derive(Debug)]
pub struct Entropy {
    /// V.
    pub vocab: usize,
}

impl Op for Entropy {
    fn name(&self) -> &'static str {
        "entropy"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 1 && reads[0].last() >= self.vocab, self.name(), reads)?;
        Ok(vec![positions(&reads[0])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let rows = io.f(0).chunks_exact(io.read_spec(0).last());
        for (out, row) in io.out(0).iter_mut().zip(rows) {
            *out = ppo::entropy(&row[..self.vocab]);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        launch("entropy", &reads[0], self.vocab)
    }
}

/// All dimensions but the last.
fn positions(logits: &Spec) -> Spec {
    Spec::float(&logits.shape[..logits.shape.len().saturating_sub(1)])
}

/// A workgroup a position.
fn launch(shader: &'static str, logits: &Spec, vocab: usize) -> Dispatch {
    let constants = vec![u("ROWS", logits.rows()), u("WIDTH", logits.last()), u("V", vocab)];
    Dispatch { shader, constants, workgroups: groups(logits.rows(), 1) }
}
