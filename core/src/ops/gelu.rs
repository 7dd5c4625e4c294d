//! The derivative of GELU, applied.

use super::{Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// reads dy, pre (what went into the GELU); writes dpre. All of one shape.
#[derive(Debug)]
pub struct GeluGrad;

impl Op for GeluGrad {
    fn name(&self) -> &'static str {
        "gelu_grad"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[0].len() == reads[1].len(), self.name(), reads)?;
        Ok(vec![reads[1].clone()])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        F::gelu_grad(io.f(0), io.f(1), io.out(0));
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let n = reads[0].len();
        Dispatch { shader: "gelu_grad", constants: vec![u("N", n)], workgroups: groups(n, 256) }
    }
}
