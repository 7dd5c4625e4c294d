//! Supervised fine-tuning's objective as a kernel; the formula is in [`crate::objective::sft`].

use super::{Dispatch, Op, expect, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};
use crate::objective::sft;

/// Names of the metrics, TRL's where TRL has one. `completion_loss` leaves replayed rows out.
pub const SFT_METRICS: [&str; 4] = ["loss", "entropy", "mean_token_accuracy", "completion_loss"];

/// reads logp, entropy, hit, weights, all `[B, T]`, share `[B]` (of each row's tokens in the loss), counted
/// `[B]` (their share in the other metrics); adds to metrics `[4]`, writes seed `[B, T]`, the gradient of
/// the loss in logp.
#[derive(Debug)]
pub struct Sft;

impl Op for Sft {
    fn name(&self) -> &'static str {
        "sft"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["metrics", "seed"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 6
            && reads[0].shape.len() == 2
            && reads[1..4].iter().all(|r| *r == reads[0])
            && reads[4..].iter().all(|r| r.len() == reads[0].rows());
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([SFT_METRICS.len()]), reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let t = io.read_spec(0).last();
        let [logp, entropy, hit, weights, share, counted] = [0, 1, 2, 3, 4, 5].map(|i| io.f(i));
        let (metrics, seed) = (io.out(0), io.out(1));
        for (i, &w) in weights.iter().enumerate() {
            let (share, counted) = (share[i / t], counted[i / t]);
            metrics[0] += sft::loss(logp[i], w, share);
            metrics[1] += counted * w * entropy[i];
            metrics[2] += counted * w * hit[i];
            metrics[3] += sft::loss(logp[i], w, counted);
            seed[i] = sft::seed(w, share);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![u("N", reads[0].len()), u("T", reads[0].last())];
        Dispatch { shader: "sft", constants, workgroups: [1, 1, 1] }
    }
}
