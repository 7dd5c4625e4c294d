//! Whole distributions, position by position: the exact divergence of two, and the entropy of one. The formulas
//! are in [`crate::objective::ppo`].

use super::{Dispatch, Op, expect, f, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};
use crate::objective::ppo::{self, KlMoments};

/// reads logits `[.., Vp]` of the policy and of the reference; writes exact, k1_variance, k3_mean and k3_variance,
/// each `[..]`: KL(policy ‖ reference) and what its estimates do, as [`ppo::KlMoments`] has it.
/// Columns from `vocab` on are padding and count for nothing.
#[derive(Debug)]
pub struct Kl {
    /// V.
    pub vocab: usize,
    /// Less probable tokens count for nothing in k3.
    pub rare: f64,
}

impl Op for Kl {
    fn name(&self) -> &'static str {
        "kl"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["exact", "k1_variance", "k3_mean", "k3_variance"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2 && reads[0] == reads[1] && reads[0].last() >= self.vocab;
        expect(ok, self.name(), reads)?;
        Ok(vec![positions(&reads[0]); 4])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let width = io.read_spec(0).last();
        let rows = io.f(0).chunks_exact(width).zip(io.f(1).chunks_exact(width));
        let mut out = [io.out(0), io.out(1), io.out(2), io.out(3)];
        for (i, (p, q)) in rows.enumerate() {
            let found = KlMoments::of(&p[..self.vocab], &q[..self.vocab], F::of(self.rare));
            let found = [found.kl, found.k1_variance, found.k3_mean, found.k3_variance];
            out.iter_mut().zip(found).for_each(|(out, x)| out[i] = x);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let mut launch = launch("kl", &reads[0], self.vocab);
        // WGSL has no ln 0. What is less probable than the smallest f32 is lost anyway.
        launch.constants.push(f("LOG_RARE", self.rare.max(f64::from(f32::MIN_POSITIVE)).ln()));
        launch
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
