//! What a recipe shows of an answer while it is being learned from, and the data of a stage as other tools read it.

use crate::world::text;
use gradus_core::objective::ppo::KlEstimator;
use gradus_core::train::Answer;
use serde::{Deserialize, Serialize};

/// An answer of PPO, token by token: columns, because a record holds many of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// What it answers, token ids.
    pub prompt: Vec<u32>,
    /// Its tokens; the other columns are as long.
    pub answer: Vec<u32>,
    /// What is charged for each token: `kl_coef` times the estimate of its KL. Negative where the reference likes the
    /// token better.
    pub charge: Vec<f32>,
    /// The exact KL of the two distributions that each token was drawn from, in nats.
    pub kl: Vec<f32>,
    /// The reward of each token: minus the charge, and at the last one plus the score.
    pub reward: Vec<f32>,
    /// What the value model expected from each token on.
    pub value: Vec<f32>,
    /// Each token's advantage, not whitened.
    pub advantage: Vec<f32>,
    /// The reward model's score, in deviations of the first iteration's scores.
    pub score: f32,
    /// The gold reward.
    pub gold: f64,
}

impl Rollout {
    /// What is shown of `answer`, given the charge of a nat, how nats are estimated, and the answer's gold reward.
    pub fn of(answer: &Answer, kl_coef: f64, estimator: KlEstimator, gold: f64) -> Self {
        let column = |of: &dyn Fn(&gradus_core::train::TokenNumbers) -> f64| {
            answer.tokens.iter().map(|t| of(t) as f32).collect::<Vec<f32>>()
        };
        Self {
            prompt: answer.prompt.clone(),
            answer: answer.ids(),
            charge: column(&|t| kl_coef * t.estimate(estimator)),
            kl: column(&|t| f64::from(t.kl)),
            reward: column(&|t| f64::from(t.reward)),
            value: column(&|t| f64::from(t.value)),
            advantage: column(&|t| f64::from(t.advantage)),
            score: answer.score,
            gold,
        }
    }

    /// The same with every number cut to three digits: what a picture can show.
    pub(super) fn cut(mut self) -> Self {
        let short = |x: f64| format!("{x:.2e}").parse::<f64>().unwrap_or(x);
        let columns =
            [&mut self.charge, &mut self.kl, &mut self.reward, &mut self.value, &mut self.advantage];
        for column in columns {
            column.iter_mut().for_each(|x| *x = short(f64::from(*x)) as f32);
        }
        self.score = short(f64::from(self.score)) as f32;
        self.gold = short(self.gold);
        self
    }
}

/// A line of a data set for TRL: `{"prompt": …, "completion": …}` and the like. Texts that follow the prompt begin with a
/// blank, so that prompt and answer can be put together as they are.
pub fn jsonl(prompt: &[u32], parts: &[(&str, &[u32])]) -> String {
    let mut line = serde_json::Map::new();
    line.insert("prompt".into(), text(prompt).into());
    for (name, tokens) in parts {
        line.insert((*name).into(), format!(" {}", text(tokens)).into());
    }
    serde_json::Value::Object(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_core::train::TokenNumbers;

    #[test]
    fn the_charge_is_what_lies_between_score_and_reward() {
        let token = |token, logp, ref_logp, reward| TokenNumbers {
            token,
            logp,
            ref_logp,
            kl: 0.1,
            k1_variance: 0.2,
            k3_mean: 0.1,
            k3_variance: 0.3,
            entropy: 1.0,
            reward,
            value: 0.5,
            advantage: 0.25,
        };
        // k1 = ln π − ln π_ref: 0.5 and −0.25 nats, at 0.2 a nat; the score comes with the last token.
        let tokens = vec![token(7, -1.0, -1.5, -0.1), token(8, -1.0, -0.75, 2.05)];
        let answer = Answer { prompt: vec![1, 2], score: 2.0, tokens };
        let shown = Rollout::of(&answer, 0.2, KlEstimator::K1, 1.5);
        assert_eq!((shown.answer.as_slice(), shown.gold), ([7, 8].as_slice(), 1.5));
        for (i, score) in [0.0, 2.0].into_iter().enumerate() {
            assert!((score - shown.charge[i] - shown.reward[i]).abs() < 1e-6, "{shown:?}");
        }
        let cut = Rollout { kl: vec![0.123_456], ..shown }.cut();
        assert_eq!(cut.kl, [0.123]);
    }

    #[test]
    fn a_line_holds_the_texts() {
        let line = jsonl(&[0, 1], &[("chosen", &[2, 3])]);
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(value["prompt"], text(&[0, 1]));
        assert_eq!(value["chosen"], format!(" {}", text(&[2, 3])));
    }
}
