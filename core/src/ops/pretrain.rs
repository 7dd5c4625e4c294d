//! The pretraining objective as a kernel; the formula is in [`crate::objective::pretrain`].

use super::{Dispatch, Op, expect, f, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};
use crate::objective::pretrain;

/// reads logp `[B, T]`; adds `scale · mean(−logp)` to loss `[1]`, writes seed `[B, T]`, the gradient of
/// the loss in logp. `scale` is 1 over the number of micro-batches.
#[derive(Debug)]
pub struct Pretrain {
    /// The micro-batch's share of the loss.
    pub scale: f64,
}

impl Op for Pretrain {
    fn name(&self) -> &'static str {
        "pretrain"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["loss", "seed"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 1, self.name(), reads)?;
        Ok(vec![Spec::float([1]), reads[0].clone()])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (logp, loss, seed) = (io.f(0), io.out(0), io.out(1));
        loss[0] += F::of(self.scale) * pretrain::loss(logp);
        seed.fill(F::of(self.scale) * pretrain::seed::<F>(logp.len()));
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let n = reads[0].len();
        Dispatch {
            shader: "pretrain",
            constants: vec![u("N", n), f("WEIGHT", self.scale / n as f64)],
            workgroups: [1, 1, 1],
        }
    }
}
