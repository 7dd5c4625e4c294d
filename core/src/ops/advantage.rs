//! From what four models say of a batch of answers to the advantage of each token. The formulas are in
//! [`crate::objective::ppo`].

use super::{Dispatch, Op, expect, f, flag, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};
use crate::objective::ppo::{self, KlEstimator};

/// reads logp `[B, T]`, the reference's logp `[B, T]`, mask `[B, T]`, targets `[B, T]` u32, scores `[B, T, S]` of
/// the reward model (column 0 counts), norm `[2]` (mean and deviation of a score); writes rewards `[B, T]`,
/// score `[B]`.
///
/// An answer's score is the reward model's at the answer's last token, standardised by `norm`, less
/// `missing_eos_penalty` if that token is not `stop`. The mask is 0 at T − 1: nothing follows there.
#[derive(Debug)]
pub struct TokenRewards {
    /// What a nat of KL costs.
    pub kl_coef: f64,
    /// How it is estimated.
    pub estimator: KlEstimator,
    /// What an answer without an end costs.
    pub missing_eos_penalty: f64,
    /// The token that ends an answer.
    pub stop: u32,
}

impl Op for TokenRewards {
    fn name(&self) -> &'static str {
        "token_rewards"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["rewards", "score"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 6
            && reads[0].shape.len() == 2
            && reads[1] == reads[0]
            && reads[2] == reads[0]
            && reads[3].shape == reads[0].shape
            && reads[3].dtype == DType::U32
            && reads[4].rows() == reads[0].len()
            && reads[5].len() == 2;
        expect(ok, self.name(), reads)?;
        Ok(vec![reads[0].clone(), Spec::float([reads[0].shape[0]])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (t, width) = (io.read_spec(0).last(), io.read_spec(4).last());
        let (logp, reference, mask, targets) = (io.f(0), io.f(1), io.f(2), io.u(3));
        let (scores, norm) = (io.f(4), io.f(5));
        let (rewards, score) = (io.out(0), io.out(1));
        for (b, rewards) in rewards.chunks_exact_mut(t).enumerate() {
            let row = b * t..(b + 1) * t;
            let mask = &mask[row.clone()];
            score[b] = F::zero();
            if let Some(last) = ppo::last(mask) {
                let at = row.start + last;
                let raw = scores.get((at + 1) * width).copied().unwrap_or(F::zero());
                let ended = targets[at] == self.stop;
                let penalty = if ended { F::zero() } else { F::of(self.missing_eos_penalty) };
                score[b] = (raw - norm[0]) / norm[1] - penalty;
            }
            let kl = |i: usize| self.estimator.of(logp[row.start + i], reference[row.start + i]);
            ppo::rewards(F::of(self.kl_coef), kl, mask, score[b], rewards);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (b, t) = (reads[0].rows(), reads[0].last());
        let constants = vec![
            u("B", b),
            u("T", t),
            u("WIDTH", reads[4].last()),
            u("STOP", self.stop as usize),
            f("KL_COEF", self.kl_coef),
            f("PENALTY", self.missing_eos_penalty),
            flag("K3", self.estimator == KlEstimator::K3),
        ];
        Dispatch { shader: "token_rewards", constants, workgroups: groups(b, 64) }
    }
}

/// reads rewards `[B, T]`, scores `[B, T, S]` of the value model (column 0 counts), mask `[B, T]`; writes
/// advantages, returns and values, each `[B, T]` and 0 where the mask is.
#[derive(Debug)]
pub struct Gae {
    /// γ, the discount.
    pub gamma: f64,
    /// λ, how far rewards are looked ahead for.
    pub lambda: f64,
}

impl Op for Gae {
    fn name(&self) -> &'static str {
        "gae"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["advantages", "returns", "values"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3
            && reads[0].shape.len() == 2
            && reads[1].rows() == reads[0].len()
            && reads[2] == reads[0];
        expect(ok, self.name(), reads)?;
        Ok(vec![reads[0].clone(); 3])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (t, width) = (io.read_spec(0).last(), io.read_spec(1).last());
        let (scores, mask) = (io.f(1), io.f(2));
        let values = io.out(2);
        for (i, value) in values.iter_mut().enumerate() {
            *value = mask[i] * scores[i * width];
        }
        let rows = io.f(0).chunks_exact(t).zip(values.chunks_exact(t)).zip(mask.chunks_exact(t));
        let outs = io.out(0).chunks_exact_mut(t).zip(io.out(1).chunks_exact_mut(t));
        for (((rewards, values), mask), (advantages, returns)) in rows.zip(outs) {
            let constants = [F::of(self.gamma), F::of(self.lambda)];
            ppo::gae(constants, rewards, values, mask, [advantages, returns]);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (b, t) = (reads[0].rows(), reads[0].last());
        let constants = vec![
            u("B", b),
            u("T", t),
            u("WIDTH", reads[1].last()),
            f("GAMMA", self.gamma),
            f("LAMBDA", self.lambda),
        ];
        Dispatch { shader: "gae", constants, workgroups: groups(b, 64) }
    }
}

/// reads x `[..]`, mask `[..]`; writes x `[..]` at variance 1 (and mean 0 if `shift`) over the masked elements,
/// 0 elsewhere.
#[derive(Debug)]
pub struct Whiten {
    /// Whether the mean goes.
    pub shift: bool,
}

impl Op for Whiten {
    fn name(&self) -> &'static str {
        "whiten"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[0].len() == reads[1].len(), self.name(), reads)?;
        Ok(vec![reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        ppo::whiten(io.f(0), io.f(1), self.shift, io.out(0));
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![u("N", reads[0].len()), flag("SHIFT", self.shift)];
        Dispatch { shader: "whiten", constants, workgroups: [1, 1, 1] }
    }
}
