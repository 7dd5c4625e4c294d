//! The reward model's objective as a kernel; the formula is in [`crate::objective::reward`].

use super::{Dispatch, Op, expect, f, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};
use crate::objective::reward;

/// Names of the metrics, TRL's.
pub const REWARD_METRICS: [&str; 6] =
    ["loss", "accuracy", "margin", "min_reward", "mean_reward", "max_reward"];

/// reads scores `[B]`, of chosen answers at 2i, of rejected ones at 2i + 1; adds `scale` times the batch's
/// figures to metrics `[6]`, writes seed `[B]`, the gradient of the loss in the scores.
#[derive(Debug)]
pub struct RewardPair {
    /// 1 over the number of micro-batches.
    pub scale: f64,
}

impl Op for RewardPair {
    fn name(&self) -> &'static str {
        "reward_pair"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["metrics", "seed"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 1 && !reads[0].is_empty() && reads[0].len().is_multiple_of(2);
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([REWARD_METRICS.len()]), reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (scores, metrics, seed) = (io.f(0), io.out(0), io.out(1));
        let share = F::of(self.scale * 2.0 / scores.len() as f64);
        let (mut low, mut high) = (scores[0], scores[0]);
        for (pair, seed) in scores.as_chunks::<2>().0.iter().zip(seed.as_chunks_mut::<2>().0) {
            let margin = pair[0] - pair[1];
            metrics[0] += share * reward::loss(margin);
            metrics[1] += if margin > F::zero() { share } else { F::zero() };
            metrics[2] += share * margin;
            metrics[4] += share * F::of(0.5) * (pair[0] + pair[1]);
            low = low.min(pair[0]).min(pair[1]);
            high = high.max(pair[0]).max(pair[1]);
            let slope = share * reward::slope(margin);
            *seed = [slope, -slope];
        }
        metrics[3] += F::of(self.scale) * low;
        metrics[5] += F::of(self.scale) * high;
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![u("PAIRS", reads[0].len() / 2), f("SCALE", self.scale)];
        Dispatch { shader: "reward_pair", constants, workgroups: [1, 1, 1] }
    }
}
