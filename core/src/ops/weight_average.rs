//! A running average of the weights: at a constant learning rate, averaged weights are about as good as those of a
//! decayed rate, and every moment of a run can be one's last (Polyak & Juditsky 1992; the polynomial weights are
//! those of Shamir & Zhang 2013, arXiv 1212.1824, section 4).

use super::{Dispatch, Op, STATE_WORDS, State, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// reads state `[16]` u32, params `[n]`; updates average `[n]`: `a ← a + r·(w − a)`, r being the state's `average`.
#[derive(Debug)]
pub struct WeightAverage;

impl Op for WeightAverage {
    fn name(&self) -> &'static str {
        "weight_average"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[0].len() == STATE_WORDS, self.name(), reads)?;
        Ok(vec![reads[1].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let rate = F::of(f64::from(State::from_words(io.u(0)).average));
        let (params, average) = (io.f(1), io.out(0));
        for (a, &w) in average.iter_mut().zip(params) {
            *a += rate * (w - *a);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let n = reads[1].len();
        Dispatch { shader: "weight_average", constants: vec![u("N", n)], workgroups: groups(n, 256) }
    }
}
