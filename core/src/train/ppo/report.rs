//! What an iteration came to: TRL's metrics, and every answer token by token.

use super::PpoConfig;
use crate::objective::ppo::KlEstimator;
use serde::{Deserialize, Serialize};

/// Tokens less probable than this are left out where k3 is held against its exact mean. What they add to it, a
/// sample of a few thousand tokens cannot show.
pub const RARE: f64 = 1e-3;

/// One token of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenNumbers {
    /// The token.
    pub token: u32,
    /// Its ln p under the policy that drew it.
    pub logp: f32,
    /// Its ln p under the reference.
    pub ref_logp: f32,
    /// The exact KL of the two distributions it was drawn from, in nats.
    pub kl: f32,
    /// What k1 varies by there, in nats².
    pub k1_variance: f32,
    /// The exact mean of k3 there, tokens below [`RARE`] counted as 0.
    pub k3_mean: f32,
    /// What that varies by, in nats².
    pub k3_variance: f32,
    /// The policy's entropy there, in nats.
    pub entropy: f32,
    /// Its reward: the charge for KL, and at the last token the score.
    pub reward: f32,
    /// What the value model expected.
    pub value: f32,
    /// Its advantage, not whitened.
    pub advantage: f32,
}

impl TokenNumbers {
    /// One estimate of the KL from this token alone.
    pub fn estimate(&self, estimator: KlEstimator) -> f64 {
        estimator.of(f64::from(self.logp), f64::from(self.ref_logp))
    }
}

/// One answer of an iteration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What it answers.
    pub prompt: Vec<u32>,
    /// The reward model's score, standardised, less a penalty for a missing end.
    pub score: f32,
    /// Its tokens.
    pub tokens: Vec<TokenNumbers>,
}

impl Answer {
    /// The answer's tokens alone.
    pub fn ids(&self) -> Vec<u32> {
        self.tokens.iter().map(|t| t.token).collect()
    }

    /// The sum of `of` over its tokens.
    pub fn sum(&self, of: impl Fn(&TokenNumbers) -> f64) -> f64 {
        self.tokens.iter().map(of).sum()
    }
}

/// One update of policy and value model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// The clipped policy loss.
    pub policy_loss: f32,
    /// Mean of half the squared change of ln p.
    pub approxkl: f32,
    /// Share of tokens whose policy loss the clip decided.
    pub clipfrac: f32,
    /// Mean entropy in nats.
    pub entropy: f32,
    /// Mean ratio.
    pub ratio: f32,
    /// The largest |ratio − 1|.
    pub deviation: f32,
    /// The policy's gradient norm before clipping.
    pub grad_norm: f32,
    /// The clipped value loss, without its coefficient.
    pub value_loss: f32,
    /// Share of tokens whose value loss the clip decided.
    pub value_clipfrac: f32,
}

/// An iteration that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Iteration {
    /// Its number, from 1.
    pub number: u64,
    /// The answers, in the order of the prompts.
    pub answers: Vec<Answer>,
    /// The updates, in order.
    pub updates: Vec<Update>,
    /// The learning rate.
    pub lr: f64,
    /// The token that ends an answer.
    pub stop: u32,
    /// The price of a nat, and how nats are estimated.
    pub kl_coef: f64,
    /// Which estimate is charged.
    pub kl_estimator: KlEstimator,
}

impl Iteration {
    pub(super) fn of(
        config: &PpoConfig,
        number: u64,
        answers: Vec<Answer>,
        updates: Vec<Update>,
        lr: f64,
    ) -> Self {
        Self {
            number,
            answers,
            updates,
            lr,
            stop: config.stop,
            kl_coef: config.kl_coef,
            kl_estimator: config.kl_estimator,
        }
    }

    /// The mean over answers.
    pub fn mean(&self, of: impl Fn(&Answer) -> f64) -> f64 {
        self.answers.iter().map(of).sum::<f64>() / self.answers.len().max(1) as f64
    }

    /// All of TRL's metrics under its names; `objective/kl_exact` and `objective/kl_k3` beside them.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let kl = |estimator| self.mean(|a| a.sum(|t| t.estimate(estimator)));
        let n = self.updates.len().max(1) as f64;
        let avg = |of: fn(&Update) -> f32| self.updates.iter().map(|u| f64::from(of(u))).sum::<f64>() / n;
        let ratio = avg(|u| u.ratio);
        let spread: f64 = self.updates.iter().map(|u| (f64::from(u.ratio) - ratio).powi(2)).sum();
        let scores = self.mean(|a| f64::from(a.score));
        let charge = -self.kl_coef * kl(self.kl_estimator);
        let ended = self.answers.iter().filter(|a| a.tokens.last().is_some_and(|t| t.token == self.stop));
        vec![
            ("objective/kl", kl(self.kl_estimator)),
            ("objective/kl_exact", self.mean(|a| a.sum(|t| f64::from(t.kl)))),
            ("objective/kl_k3", kl(KlEstimator::K3)),
            ("objective/entropy", self.mean(|a| a.sum(|t| -f64::from(t.logp)))),
            ("objective/non_score_reward", charge),
            ("objective/rlhf_reward", charge + scores),
            ("objective/scores", scores),
            ("policy/approxkl_avg", avg(|u| u.approxkl)),
            ("policy/clipfrac_avg", avg(|u| u.clipfrac)),
            ("policy/entropy_avg", avg(|u| u.entropy)),
            ("loss/policy_avg", avg(|u| u.policy_loss)),
            ("loss/value_avg", avg(|u| u.value_loss)),
            ("val/clipfrac_avg", avg(|u| u.value_clipfrac)),
            ("val/ratio", ratio),
            ("val/ratio_var", spread / (n - 1.0).max(1.0)),
            ("val/num_eos_tokens", ended.count() as f64),
            ("lr", self.lr),
            ("episode", (self.number * self.answers.len() as u64) as f64),
        ]
    }
}
