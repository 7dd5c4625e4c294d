//! The update of a policy and of a value model on a minibatch of old answers. The formulas are in
//! [`crate::objective::ppo`].

use super::{Dispatch, Op, STATE_WORDS, State, expect, f, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};
use crate::objective::ppo;

/// Rows of what [`Minibatch`] gathers: mask, old ln p, old values, advantages, returns.
pub const OLD: usize = 5;
/// What [`PpoPolicy`] measures: loss, approxkl, clipfrac, entropy, mean ratio, the largest |ratio − 1|.
pub const POLICY_METRICS: usize = 6;
/// What [`PpoValue`] measures: loss, clipfrac.
pub const VALUE_METRICS: usize = 2;

/// reads mask, logp, values, advantages, returns, each `[B, T]`, order `[n]` u32, state `[16]` u32; writes old `[5, M, T]`: of each of the five the rows `order[state.row ..][.. M]`, around the
/// end.
#[derive(Debug)]
pub struct Minibatch {
    /// M.
    pub rows: usize,
}

impl Op for Minibatch {
    fn name(&self) -> &'static str {
        "minibatch"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 7
            && reads[0].shape.len() == 2
            && reads[1..OLD].iter().all(|r| *r == reads[0])
            && !reads[5].is_empty()
            && reads[5].dtype == DType::U32
            && reads[6].len() == STATE_WORDS;
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([OLD, self.rows, reads[0].last()])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let t = io.read_spec(0).last();
        let (order, first) = (io.u(5), State::from_words(io.u(6)).row as usize);
        for (i, out) in io.out(0).chunks_exact_mut(self.rows * t).enumerate() {
            for (m, out) in out.chunks_exact_mut(t).enumerate() {
                let row = order[(first + m) % order.len()] as usize;
                out.copy_from_slice(&io.f(i)[row * t..][..t]);
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let t = reads[0].last();
        let constants = vec![u("M", self.rows), u("T", t), u("ORDER", reads[5].len())];
        Dispatch { shader: "minibatch", constants, workgroups: groups(self.rows * t, 64) }
    }
}

/// reads logp `[M, T]`, entropy `[M, T]`, old `[5, M, T]`; writes metrics `[6]` ([`POLICY_METRICS`]), seed `[M, T]`,
/// the gradient of the loss in logp. Means are over the masked positions; clipfrac counts where the clip decided.
#[derive(Debug)]
pub struct PpoPolicy {
    /// ε.
    pub clip: f64,
}

impl Op for PpoPolicy {
    fn name(&self) -> &'static str {
        "ppo_policy"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["metrics", "seed"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3 && reads[1] == reads[0] && reads[2].len() == OLD * reads[0].len();
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([POLICY_METRICS]), reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (logp, entropy) = (io.f(0), io.f(1));
        let mut old = io.f(2).chunks_exact(logp.len());
        let [mask, before, _, advantages, _] = std::array::from_fn(|_| old.next().unwrap_or_default());
        let (metrics, seed) = (io.out(0), io.out(1));
        let n = mask.iter().copied().sum::<F>().max(F::one());
        metrics.fill(F::zero());
        for i in 0..logp.len() {
            let diff = mask[i] * (logp[i] - before[i]);
            let ratio = diff.expo();
            let term = ppo::policy_loss(ratio, advantages[i], F::of(self.clip));
            let clipped = if term.active { F::one() } else { F::zero() };
            seed[i] = mask[i] * term.slope / n;
            let parts = [term.loss, F::of(0.5) * diff * diff, clipped, entropy[i], ratio];
            metrics.iter_mut().zip(parts).for_each(|(sum, part)| *sum += mask[i] * part);
            metrics[5] = metrics[5].max((ratio - F::one()).abs());
        }
        // Divided at the end, so that the mean of ratios that are all 1 is 1 and no other number.
        metrics[..5].iter_mut().for_each(|sum| *sum /= n);
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![u("N", reads[0].len()), f("CLIP", self.clip)];
        Dispatch { shader: "ppo_policy", constants, workgroups: [1, 1, 1] }
    }
}

/// reads values `[M, T, S]` (column 0 counts), old `[5, M, T]`; writes metrics `[2]` ([`VALUE_METRICS`]), seed
/// `[M, T, S]`, the gradient of `coef` times the loss in the values.
#[derive(Debug)]
pub struct PpoValue {
    /// How far a value may move from the old one.
    pub clip: f64,
    /// The weight of the loss.
    pub coef: f64,
}

impl Op for PpoValue {
    fn name(&self) -> &'static str {
        "ppo_value"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["metrics", "seed"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[1].len() == OLD * reads[0].rows(), self.name(), reads)?;
        Ok(vec![Spec::float([VALUE_METRICS]), reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (width, n) = (io.read_spec(0).last(), io.read_spec(0).rows());
        let values = io.f(0);
        let mut old = io.f(1).chunks_exact(n);
        let [mask, _, before, _, returns] = std::array::from_fn(|_| old.next().unwrap_or_default());
        let (metrics, seed) = (io.out(0), io.out(1));
        let share = F::one() / mask.iter().copied().sum::<F>().max(F::one());
        metrics.fill(F::zero());
        seed.fill(F::zero());
        for i in 0..n {
            let weight = mask[i] * share;
            let term = ppo::value_loss(values[i * width], before[i], returns[i], F::of(self.clip));
            seed[i * width] = F::of(self.coef) * weight * term.slope;
            metrics[0] += weight * term.loss;
            metrics[1] += if term.active { weight } else { F::zero() };
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![
            u("N", reads[0].rows()),
            u("WIDTH", reads[0].last()),
            f("CLIP", self.clip),
            f("COEF", self.coef),
        ];
        Dispatch { shader: "ppo_value", constants, workgroups: [1, 1, 1] }
    }
}
