//! Puts a step's metrics into a ring, which the host reads now and then: no step waits for a read-back.

use super::{Dispatch, GRAD_NORM_PARTS, Op, STATE_WORDS, State, expect, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// Steps the ring holds.
pub const RING: usize = 256;
/// Numbers a step: loss, gradient norm.
pub const RING_WORDS: usize = 2;

/// reads state `[16]` u32, parts `[64]`; writes ring `[256 · 2]` at the step's place, and loss `[1]`, which
/// it takes over and zeroes.
#[derive(Debug)]
pub struct Record;

impl Op for Record {
    fn name(&self) -> &'static str {
        "record"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["ring", "loss"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2 && reads[0].len() == STATE_WORDS && reads[1].len() == GRAD_NORM_PARTS;
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([RING * RING_WORDS]), Spec::float([1])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let at = (State::from_words(io.u(0)).step as usize % RING) * RING_WORDS;
        let norm = io.f(1).iter().copied().sum::<F>().sqrt();
        let (ring, loss) = (io.out(0), io.out(1));
        ring[at] = std::mem::take(&mut loss[0]);
        ring[at + 1] = norm;
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, _: &[Spec], _: &[Spec]) -> Dispatch {
        Dispatch { shader: "record", constants: vec![u("RING", RING)], workgroups: [1, 1, 1] }
    }
}
