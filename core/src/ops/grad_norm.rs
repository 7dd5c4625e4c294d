//! The global gradient norm's square, in parts that [`AdamW`](super::AdamW) and
//! [`Record`](super::Record) add up.

use super::{Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// How many parts.
pub const GRAD_NORM_PARTS: usize = 64;

/// reads grads `[n]`; writes parts `[64]`: part p is the sum of squares of a 64th of the elements.
#[derive(Debug)]
pub struct GradNorm;

impl Op for GradNorm {
    fn name(&self) -> &'static str {
        "grad_norm"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 1, self.name(), reads)?;
        Ok(vec![Spec::float([GRAD_NORM_PARTS])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (grads, parts) = (io.f(0), io.out(0));
        let span = grads.len().div_ceil(GRAD_NORM_PARTS).max(1);
        parts.fill(F::zero());
        for (part, grads) in parts.iter_mut().zip(grads.chunks(span)) {
            *part = F::dot(grads, grads);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let n = reads[0].len();
        let constants = vec![u("N", n), u("SPAN", n.div_ceil(GRAD_NORM_PARTS).max(1))];
        Dispatch { shader: "grad_norm", constants, workgroups: [GRAD_NORM_PARTS as u32, 1, 1] }
    }

    fn dispatch_threads(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let mut constants = self.dispatch(reads, writes).constants;
        constants.push(u("THREADS", 4));
        Dispatch { shader: "grad_norm_threads", constants, workgroups: groups(GRAD_NORM_PARTS, 4) }
    }
}
