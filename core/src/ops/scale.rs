//! `y = s · x`, with s fixed when the plan is made: LoRA's α/r.

use super::{Dispatch, Op, expect, f, groups, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// reads x; writes y, of its shape.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// s.
    pub by: f64,
}

impl Op for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 1, self.name(), reads)?;
        Ok(vec![reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (x, y) = (io.f(0), io.out(0));
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = F::of(self.by) * x);
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let Some(dy) = back.only(step) else { return Ok(()) };
        let dx = back.push(step.reads[0], *self, &[dy])?;
        back.set(step.reads[0], dx)
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let n = reads[0].len();
        let constants = vec![u("N", n), f("BY", self.by)];
        Dispatch { shader: "scale", constants, workgroups: groups(n, 64) }
    }
}
