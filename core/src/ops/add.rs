//! `y = a + b`, for gradients that reach one value along two ways.

use super::{Dispatch, Op, expect, groups, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// reads a, b; writes y. All of one shape.
#[derive(Debug)]
pub struct Add;

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[0] == reads[1], self.name(), reads)?;
        Ok(vec![reads[0].clone()])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (a, b, y) = (io.f(0), io.f(1), io.out(0));
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = a + b;
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        if let Some(dy) = back.only(step) {
            back.set(step.reads[0], dy)?;
            back.set(step.reads[1], dy)?;
        }
        Ok(())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let n = reads[0].len();
        Dispatch { shader: "add", constants: vec![u("N", n)], workgroups: groups(n, 256) }
    }
}
