//! Comparisons that a learner makes by hand: pairs to compare, and what becomes of the choices.

use super::Course;
use super::preferences::{DIALOGUE, Preference, held_out};
use super::tuning::scores;
use gradus_core::Result;
use gradus_core::model::ModelFolder;
use gradus_core::train::Example;
use serde::{Deserialize, Serialize};

/// Two answers to one question, as a learner sees them, and what others say of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What was asked, token ids.
    pub prompt: Vec<u32>,
    /// What is true.
    pub truth: Vec<u32>,
    /// The two answers, in an order that says nothing of their worth.
    pub answers: [Vec<u32>; 2],
    /// Their gold rewards; they differ.
    pub gold: [f64; 2],
    /// Which of them the rule-based labeller preferred: its coin errs now and then.
    pub labelled: usize,
    /// What the reward model gives them, after its training.
    pub scores: [f32; 2],
}

/// A choice made by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// What was asked, token ids.
    pub prompt: Vec<u32>,
    /// The answer that was preferred.
    pub chosen: Vec<u32>,
    /// The other.
    pub rejected: Vec<u32>,
}

impl Own {
    /// Rows for a reward model: chosen, rejected.
    pub fn scored(&self) -> [Example; 2] {
        [&self.chosen, &self.rejected].map(|answer| Example::scored(&[&self.prompt[..], answer].concat()))
    }
}

/// The first `n` pairs of the training part whose gold rewards differ, scored by the reward model.
pub(super) async fn comparisons(
    course: &mut Course<'_>,
    reward: &ModelFolder,
    pairs: &[Preference],
    n: usize,
) -> Result<Vec<Comparison>> {
    let mut all: Vec<Comparison> = held_out(pairs)
        .0
        .iter()
        .filter(|p| p.chosen_gold.value() != p.rejected_gold.value())
        .take(n)
        .map(Comparison::of)
        .collect();
    let rows: Vec<Example> = all.iter().flat_map(Comparison::scored).collect();
    let given = scores(course, reward, &rows, DIALOGUE).await?;
    for (comparison, scores) in all.iter_mut().zip(given.as_chunks::<2>().0) {
        comparison.scores = *scores;
    }
    Ok(all)
}

impl Comparison {
    fn of(pair: &Preference) -> Self {
        let (chosen, rejected) = (&pair.chosen, &pair.rejected);
        let [w, l] = [pair.chosen_gold.value(), pair.rejected_gold.value()];
        // By the alphabet of ids: an order that no label has touched.
        let swapped = chosen > rejected;
        let (answers, gold) =
            if swapped { ([rejected, chosen], [l, w]) } else { ([chosen, rejected], [w, l]) };
        Self {
            prompt: pair.question.prompt.clone(),
            truth: pair.question.truth.clone(),
            answers: answers.map(Clone::clone),
            gold,
            labelled: usize::from(swapped),
            scores: [0.0; 2],
        }
    }

    fn scored(&self) -> [Example; 2] {
        [0, 1].map(|i| Example::scored(&[&self.prompt[..], &self.answers[i]].concat()))
    }

    /// The choice of answer `preferred` (0 or 1).
    pub fn chosen(&self, preferred: usize) -> Own {
        let preferred = preferred.min(1);
        Own {
            prompt: self.prompt.clone(),
            chosen: self.answers[preferred].clone(),
            rejected: self.answers[1 - preferred].clone(),
        }
    }

    /// Which answer the gold rule prefers.
    pub fn better(&self) -> usize {
        usize::from(self.gold[1] > self.gold[0])
    }

    /// Which answer the reward model prefers.
    pub fn judged(&self) -> usize {
        usize::from(self.scores[1] > self.scores[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::chat::{Question, Split, judge};

    #[test]
    fn the_order_of_a_comparison_says_nothing_of_the_label() {
        let question = Question::sample(1, Split::Train, 1).remove(0);
        let (good, bad) = (question.truth.clone(), vec![question.truth[0]]);
        let pair = |chosen: &Vec<u32>, rejected: &Vec<u32>| Preference {
            question: question.clone(),
            chosen: chosen.clone(),
            rejected: rejected.clone(),
            chosen_gold: judge(&question, chosen),
            rejected_gold: judge(&question, rejected),
        };
        let [one, other] = [Comparison::of(&pair(&good, &bad)), Comparison::of(&pair(&bad, &good))];
        assert_eq!((&one.answers, one.gold), (&other.answers, other.gold));
        assert_eq!(one.labelled + other.labelled, 1);
        assert_eq!(one.answers[one.labelled], good);
        assert_eq!(one.answers[one.better()], good);
        assert_eq!(one.chosen(one.labelled).chosen, good);
        assert_eq!(one.chosen(1 - one.labelled).rejected, good);
        assert_eq!(one.chosen(0).scored()[0].tokens, [&question.prompt[..], &one.answers[0]].concat());
    }
}
