//! One row to fine-tune on, as the host lays it out for the device.

use crate::model::check_tokens;
use crate::ops::example_words;
use crate::{Error, Result};

/// A token row with a weight for each of its predictions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example {
    /// The row, from its first token.
    pub tokens: Vec<u32>,
    /// `weights[t]` belongs to what stands at position t: the prediction of token t + 1, or for a reward model
    /// the score at token t. What is not there is 0.
    pub weights: Vec<f32>,
    /// SFT: the share of each weighted token in the loss. DPO: ln p of the answer under the reference.
    pub first: f32,
    /// SFT: the share of each weighted token in the other metrics. DPO: the answer's length.
    pub second: f32,
}

impl Example {
    /// A prompt (one token or more) and an answer: the answer's tokens are learned.
    pub fn answer(prompt: &[u32], answer: &[u32]) -> Self {
        let before = prompt.len().saturating_sub(1);
        let learned = answer.len() - usize::from(prompt.is_empty() && !answer.is_empty());
        let weights = [vec![0.0; before], vec![1.0; learned]].concat();
        Self { tokens: [prompt, answer].concat(), weights, first: 0.0, second: learned as f32 }
    }

    /// A row whose every prediction is learned.
    pub fn whole(row: &[u32]) -> Self {
        Self::answer(&[], row)
    }

    /// A row that a reward model scores at its last token.
    pub fn scored(row: &[u32]) -> Self {
        let mut weights = vec![0.0; row.len()];
        if let Some(last) = weights.last_mut() {
            *last = 1.0;
        }
        Self { tokens: row.to_vec(), weights, first: 0.0, second: 1.0 }
    }

    /// The sum of its weights: for answers, how many tokens are learned.
    pub fn weight(&self) -> f64 {
        self.weights.iter().map(|&w| f64::from(w)).sum()
    }

    /// Appends the row's words for `context` predictions, as op `examples` reads them.
    ///
    /// # Errors
    /// [`Error::Config`] for a row that is too long or names a token beyond the vocabulary.
    pub(crate) fn write(&self, context: usize, vocab: usize, out: &mut Vec<u32>) -> Result<()> {
        if self.tokens.len() > context + 1 || self.weights.len() > context {
            return Err(Error::Config(format!(
                "a row of {} tokens is too long: this plan was made for {context} positions",
                self.tokens.len()
            )));
        }
        check_tokens("a row", &self.tokens, vocab)?;
        let end = out.len() + example_words(context);
        out.extend(&self.tokens);
        out.resize(end - context - 2, 0);
        out.extend(self.weights.iter().map(|w| w.to_bits()));
        out.resize(end - 2, 0);
        out.extend([self.first.to_bits(), self.second.to_bits()]);
        Ok(())
    }
}

/// Sets the shares of one step of SFT: the loss is the mean over all weighted tokens of `answers`, plus
/// `replay_weight` times the mean over those of `replay` (rows of the pretraining text, against forgetting;
/// Ouyang et al. 2022, eq. 2). Metrics count the answers alone. The step is the answers, then the replayed
/// rows.
pub fn sft_step(mut answers: Vec<Example>, mut replay: Vec<Example>, replay_weight: f64) -> Vec<Example> {
    let share = |rows: &[Example], weight: f64| {
        let tokens: f64 = rows.iter().map(Example::weight).sum();
        if tokens > 0.0 { (weight / tokens) as f32 } else { 0.0 }
    };
    let own = share(&answers, 1.0);
    answers.iter_mut().for_each(|e| (e.first, e.second) = (own, own));
    let other = share(&replay, replay_weight);
    replay.iter_mut().for_each(|e| (e.first, e.second) = (other, 0.0));
    answers.append(&mut replay);
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_is_weighted() {
        let example = Example::answer(&[5, 6, 7], &[8, 9]);
        // Positions 2 and 3 predict tokens 3 and 4, the answer.
        assert_eq!(example.weights, [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(Example::whole(&[5, 6, 7]).weights, [1.0, 1.0]);
        assert_eq!(Example::scored(&[5, 6, 7]).weights, [0.0, 0.0, 1.0]);
        let mut words = Vec::new();
        example.write(5, 10, &mut words).expect("it fits");
        assert_eq!(words.len(), 13);
        assert_eq!(words[..6], [5, 6, 7, 8, 9, 0]);
        assert_eq!(words[6..11], [0, 0, 1f32.to_bits(), 1f32.to_bits(), 0]);
        assert!(example.write(3, 10, &mut words).is_err() && example.write(5, 9, &mut words).is_err());
    }

    #[test]
    fn shares_add_up_to_one_over_the_answers() {
        let step = sft_step(
            vec![Example::answer(&[1], &[2, 3, 4]), Example::answer(&[1, 2], &[3])],
            vec![Example::whole(&[1; 9])],
            0.5,
        );
        let sum =
            |pick: fn(&Example) -> f32| -> f64 { step.iter().map(|e| e.weight() * f64::from(pick(e))).sum() };
        assert!((sum(|e| e.first) - 1.5).abs() < 1e-6 && (sum(|e| e.second) - 1.0).abs() < 1e-6);
    }
}
