//! `y = a · b`, element by element: a gradient times the slope of what it goes back through.

use super::{Dispatch, Op, expect, groups, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// reads a, b; writes y. All of one shape.
#[derive(Debug)]
pub struct Mul;

impl Op for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[0] == reads[1], self.name(), reads)?;
        Ok(vec![reads[0].clone()])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (a, b, y) = (io.f(0), io.f(1), io.out(0));
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = a * b;
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        if let Some(dy) = back.only(step) {
            let (a, b) = (step.reads[0], step.reads[1]);
            let (da, db) = (back.push(a, Mul, &[dy, b])?, back.push(b, Mul, &[dy, a])?);
            back.set(a, da)?;
            back.set(b, db)?;
        }
        Ok(())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let n = reads[0].len();
        Dispatch { shader: "mul", constants: vec![u("N", n)], workgroups: groups(n, 256) }
    }
}
