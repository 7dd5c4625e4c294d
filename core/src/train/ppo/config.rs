//! The settings of PPO.

use crate::model::check_tokens;
use crate::objective::ppo::KlEstimator;
use crate::protocol::TrainConfig;
use crate::train::check::check_train;
use crate::train::plans::TABLE;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// How PPO is run. Names and meanings are TRL's (`PPOConfig`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PpoConfig {
    /// The optimiser of both models. `steps` and `warmup` count iterations, `batch` is the answers of one.
    pub train: TrainConfig,
    /// Passes over an iteration's answers.
    pub num_ppo_epochs: usize,
    /// Minibatches of a pass; must divide the batch.
    pub num_mini_batches: usize,
    /// What a nat of KL to the reference costs.
    pub kl_coef: f64,
    /// How it is estimated.
    pub kl_estimator: KlEstimator,
    /// How far a ratio may move from 1.
    pub cliprange: f64,
    /// How far a value may move from what it was.
    pub cliprange_value: f64,
    /// The weight of the value loss.
    pub vf_coef: f64,
    /// γ.
    pub gamma: f64,
    /// λ.
    pub lam: f64,
    /// Whether rewards are scaled to variance 1.
    pub whiten_rewards: bool,
    /// What an answer without an end costs.
    pub missing_eos_penalty: Option<f64>,
    /// What logits are divided by, in sampling and in all log-probabilities.
    pub temperature: f32,
    /// Tokens of the longest answer.
    pub response_length: usize,
    /// Tokens of the longest prompt.
    pub prompt_length: usize,
    /// The token that ends an answer.
    pub stop: u32,
    /// Tokens that no answer holds.
    pub forbidden: Vec<u32>,
    /// Whether scores are brought to mean 0 and deviation 1 by those of the first iteration.
    pub standardise: bool,
}

impl Default for PpoConfig {
    fn default() -> Self {
        Self {
            train: TrainConfig {
                lr: 3e-6,
                weight_decay: 0.0,
                warmup: 0,
                batch: 64,
                ..TrainConfig::default()
            },
            num_ppo_epochs: 4,
            num_mini_batches: 1,
            kl_coef: 0.05,
            kl_estimator: KlEstimator::K1,
            cliprange: 0.2,
            cliprange_value: 0.2,
            vf_coef: 0.1,
            gamma: 1.0,
            lam: 0.95,
            whiten_rewards: false,
            missing_eos_penalty: None,
            temperature: 0.7,
            response_length: 53,
            prompt_length: 16,
            stop: 0,
            forbidden: Vec::new(),
            standardise: false,
        }
    }
}

impl PpoConfig {
    /// For models of `vocab` tokens.
    pub(super) fn check(&self, vocab: usize) -> Result<()> {
        check_train(&self.train)?;
        let refuse = |message: &str| Err(Error::Config(message.to_string()));
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let unit = |x: f64| (0.0..=1.0).contains(&x);
        if !self.train.batch.is_multiple_of(self.num_mini_batches) {
            return refuse("num_mini_batches must be 1 or more and divide the batch");
        }
        if !(1..=TABLE).contains(&self.num_ppo_epochs.saturating_mul(self.num_mini_batches)) {
            return refuse("num_ppo_epochs times num_mini_batches must be 1 to 64");
        }
        if !positive(self.cliprange)
            || !positive(self.cliprange_value)
            || !positive(f64::from(self.temperature))
        {
            return refuse("cliprange, cliprange_value and temperature must be above 0");
        }
        if !unit(self.gamma) || !unit(self.lam) {
            return refuse("gamma and lam must be 0 to 1");
        }
        if !(self.kl_coef.is_finite() && self.vf_coef.is_finite()) {
            return refuse("kl_coef and vf_coef must be numbers");
        }
        check_tokens("stop", &[self.stop], vocab)?;
        check_tokens("forbidden", &self.forbidden, vocab)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let usual = PpoConfig::default();
        assert_eq!(usual.check(24), Ok(()));
        let train = |train| PpoConfig { train, ..usual.clone() };
        let optimizer = usual.train.clone();
        for (config, named) in [
            (train(TrainConfig { steps: 0, ..optimizer.clone() }), "steps"),
            (train(TrainConfig { beta1: 2.0, ..optimizer.clone() }), "beta1"),
            (train(TrainConfig { eps: 0.0, ..optimizer.clone() }), "eps"),
            (train(TrainConfig { batch: usize::MAX, ..optimizer }), "batch"),
            (PpoConfig { stop: 24, ..usual.clone() }, "token 24"),
            (PpoConfig { forbidden: vec![1, 999], ..usual.clone() }, "ends at 23"),
            (PpoConfig { num_mini_batches: 0, ..usual.clone() }, "num_mini_batches"),
            // Twice this is 2 where numbers wrap.
            (
                PpoConfig { num_mini_batches: 2, num_ppo_epochs: usize::MAX / 2 + 2, ..usual.clone() },
                "num_ppo_epochs",
            ),
        ] {
            let refused = config.check(24).map_err(|e| e.to_string());
            assert!(refused.as_ref().is_err_and(|e| e.contains(named)), "{named}: {refused:?}");
        }
    }
}
