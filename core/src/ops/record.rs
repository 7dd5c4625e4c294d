//! Puts a step's metrics into a ring, which the host reads now and then: no step waits for a read-back.

use super::{Dispatch, GRAD_NORM_PARTS, Op, STATE_WORDS, State, expect, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// Steps the ring holds.
pub const RING: usize = 256;

/// reads state `[16]` u32, parts `[64]`; writes ring `[256, M + 1]` at the step's place (the metrics, then
/// the gradient norm), and metrics `[M]`, which it takes over and zeroes.
#[derive(Debug)]
pub struct Record {
    /// M.
    pub metrics: usize,
}

impl Op for Record {
    fn name(&self) -> &'static str {
        "record"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["ring", "metrics"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2 && reads[0].len() == STATE_WORDS && reads[1].len() == GRAD_NORM_PARTS;
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([RING * (self.metrics + 1)]), Spec::float([self.metrics])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let at = (State::from_words(io.u(0)).step as usize % RING) * (self.metrics + 1);
        let norm = io.f(1).iter().copied().sum::<F>().sqrt();
        let (ring, metrics) = (io.out(0), io.out(1));
        ring[at..at + self.metrics].copy_from_slice(metrics);
        ring[at + self.metrics] = norm;
        metrics.fill(F::zero());
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, _: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![u("RING", RING), u("METRICS", self.metrics)];
        Dispatch { shader: "record", constants, workgroups: [1, 1, 1] }
    }
}
