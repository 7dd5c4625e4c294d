//! DPO's objective as a kernel; the formulas are in [`crate::objective::dpo`].

use super::{Dispatch, Op, expect, f, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};
use crate::objective::dpo;

/// Names of the metrics, TRL's.
pub const DPO_METRICS: [&str; 10] = [
    "loss",
    "rewards/chosen",
    "rewards/rejected",
    "rewards/accuracies",
    "rewards/margins",
    "logps/chosen",
    "logps/rejected",
    "logits/chosen",
    "logits/rejected",
    "nll_loss",
];

/// reads, all `[B]`: the answers' log-probabilities under policy and reference, their lengths, the sums of
/// their tokens' mean logits; chosen answers are at 2i, rejected ones at 2i + 1. Adds `scale` times the
/// batch's figures to metrics `[10]`, writes seed `[B]`, the gradient of the loss in the policy's.
#[derive(Debug)]
pub struct Dpo {
    /// β, label smoothing, weight of the NLL.
    pub loss: dpo::Dpo,
    /// 1 over the number of micro-batches.
    pub scale: f64,
}

impl Op for Dpo {
    fn name(&self) -> &'static str {
        "dpo"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["metrics", "seed"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 4
            && !reads[0].is_empty()
            && reads[0].len().is_multiple_of(2)
            && reads.iter().all(|r| r.len() == reads[0].len());
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([DPO_METRICS.len()]), reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let [policy, reference, lengths, logits] = [0, 1, 2, 3].map(|i| io.f(i));
        let (metrics, seed) = (io.out(0), io.out(1));
        let pairs = policy.len() / 2;
        let share = F::of(self.scale / pairs as f64);
        let [beta, smoothing, weight] = [self.loss.beta, self.loss.label_smoothing, self.loss.nll].map(F::of);
        let mut tokens = [F::zero(); 2];
        let mut sums = [F::zero(); 2];
        for i in 0..pairs {
            let (c, r) = (2 * i, 2 * i + 1);
            let [chosen, rejected] = [c, r].map(|i| dpo::reward(beta, policy[i], reference[i]));
            let margin = chosen - rejected;
            let length = lengths[c].max(F::one());
            let nll = -policy[c] / length;
            metrics[0] += share * (dpo::loss(margin, smoothing) + weight * nll);
            metrics[1] += share * chosen;
            metrics[2] += share * rejected;
            metrics[3] += if margin > F::zero() { share } else { F::zero() };
            metrics[4] += share * margin;
            metrics[5] += share * policy[c];
            metrics[6] += share * policy[r];
            metrics[9] += share * nll;
            let slope = share * beta * dpo::slope(margin, smoothing);
            seed[c] = slope - share * weight / length;
            seed[r] = -slope;
            for (k, i) in [c, r].into_iter().enumerate() {
                tokens[k] += lengths[i];
                sums[k] += logits[i];
            }
        }
        for k in 0..2 {
            metrics[7 + k] += F::of(self.scale) * sums[k] / tokens[k].max(F::one());
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![
            u("PAIRS", reads[0].len() / 2),
            f("SCALE", self.scale),
            f("BETA", self.loss.beta),
            f("SMOOTHING", self.loss.label_smoothing),
            f("NLL", self.loss.nll),
        ];
        Dispatch { shader: "dpo", constants, workgroups: [1, 1, 1] }
    }
}
