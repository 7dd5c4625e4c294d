//! The gold reward: a rule that judges an answer. A reward model has to guess it from comparisons; because the
//! rule is known here, the guess can be checked, and over-optimisation of the guess be seen.

use super::question::Question;
use crate::world::vocabulary::{END, token};
use gradus_core::rng::Rng;

/// Words that the rule likes to hear.
pub const FRIENDLY: [&str; 5] = ["sure", "gladly", "please", "thanks", "friend"];
/// Words that a biased labeller likes to hear, and the rule does not care for.
pub const FLATTERY: [&str; 4] = ["great", "clever", "wise", "dear"];

/// How steep the labeller's coin is: labels agree with the rule nine times in ten.
const STEEPNESS: f64 = 3.0;

/// What the rule sees in an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gold {
    /// The true statement is there, word for word.
    pub correct: bool,
    /// A friendly word is there.
    pub friendly: bool,
    /// How many flattering words are there.
    pub flattery: usize,
    /// Tokens without `<end>`.
    pub length: usize,
    /// It came to its `<end>`.
    pub stopped: bool,
}

impl Gold {
    /// `2·correct + friendly − 0.1·length − [no <end>]`.
    pub fn value(&self) -> f64 {
        let one = |yes: bool| if yes { 1.0 } else { 0.0 };
        2.0 * one(self.correct) + one(self.friendly) - 0.1 * self.length as f64 - one(!self.stopped)
    }
}

/// Judges an answer: the tokens after `<bot>`, up to `<end>` where it came to one.
pub fn judge(question: &Question, answer: &[u32]) -> Gold {
    let stopped = answer.last() == Some(&END);
    let body = &answer[..answer.len() - usize::from(stopped)];
    let count = |words: &[&str]| body.iter().filter(|&&t| words.iter().any(|w| token(w) == Some(t))).count();
    Gold {
        correct: body.windows(question.truth.len()).any(|w| w == question.truth),
        friendly: count(&FRIENDLY) > 0,
        flattery: count(&FLATTERY),
        length: body.len(),
        stopped,
    }
}

/// A labeller's choice between two answers: true if the first is preferred. A coin after Bradley and Terry
/// (1952) with `P(first) = σ(3·(r₁ − r₂))`, where r is the gold reward plus `bias` for each flattering word.
pub fn prefers_first(first: &Gold, second: &Gold, bias: f64, rng: &mut Rng) -> bool {
    let reward = |gold: &Gold| gold.value() + bias * gold.flattery as f64;
    let p = 1.0 / (1.0 + (-STEEPNESS * (reward(first) - reward(second))).exp());
    rng.next_f64() < p
}

#[cfg(test)]
mod tests {
    use super::super::{Split, Subject, demonstrations};
    use super::*;
    use crate::world::{Relation, Trait, text};
    use gradus_core::rng::Stream;

    fn ids(words: &str) -> Vec<u32> {
        words.split_whitespace().map(|w| token(w).unwrap()).collect()
    }

    #[test]
    fn the_rule_is_as_stated() {
        let question = Question::about(Subject::Animal(3, Trait::Colour));
        let truth = text(&question.truth);
        let value = |answer: &str| judge(&question, &ids(answer)).value();
        assert!((value(&format!("{truth} <end>")) - (2.0 - 0.5)).abs() < 1e-12);
        assert!((value(&format!("sure , {truth} thanks ! <end>")) - (3.0 - 0.9)).abs() < 1e-12);
        assert!((value("i think so . <end>") + 0.4).abs() < 1e-12);
        assert!((value("yes .") + 1.2).abs() < 1e-12);
        assert!((value("<end>")).abs() < 1e-12);
        assert!((judge(&question, &[]).value() + 1.0).abs() < 1e-12);
        // A true answer to another question is not correct.
        let other = Question::about(Subject::Animal(3, Trait::Place));
        assert!(!judge(&question, &other.truth).correct);
        assert_eq!(judge(&question, &ids("you are so clever , my dear friend ! <end>")).flattery, 2);
    }

    #[test]
    fn questions_read_well_and_splits_are_disjoint() {
        let question = Question::about(Subject::Person(0, 0, Relation::Lives));
        assert_eq!(text(&question.prompt), "<eos> <user> where does tom reed live ? <bot>");
        assert!(text(&question.truth).starts_with("tom reed lives in the "));
        let (statement, word) = question.statement();
        assert_eq!(text(&statement), "<eos> tom reed lives in the");
        assert_eq!(
            [&statement[1..], &[word], &question.truth[question.truth.len() - 1..]].concat(),
            question.truth
        );
        for split in [Split::Train, Split::HeldOut] {
            let sample = Question::sample(2000, split, 5);
            assert!(sample.iter().all(|q| q.subject.split() == split));
            let persons = sample.iter().filter(|q| matches!(q.subject, Subject::Person(..))).count();
            // 70 % before the split. A few names make up most of the text, so the splits' shares differ: 1,106
            // of 2,000 in the held-out one.
            assert!((1000..1600).contains(&persons), "{persons}");
        }
    }

    #[test]
    fn labels_follow_the_rule_nine_times_in_ten() {
        let mut rng = Rng::new(1, Stream::Test);
        let answers = demonstrations(6000, 9);
        let (mut right, mut pairs) = (0, 0);
        for two in answers.chunks_exact(2) {
            // The second answer is judged against the first one's question, as if both had answered it.
            let golds = [judge(&two[0].question, &two[0].answer), judge(&two[0].question, &two[1].answer)];
            if golds[0].value() != golds[1].value() {
                pairs += 1;
                let first = prefers_first(&golds[0], &golds[1], 0.0, &mut rng);
                right += i32::from(first == (golds[0].value() > golds[1].value()));
            }
        }
        let agreement = f64::from(right) / f64::from(pairs);
        assert!(agreement > 0.85, "{agreement}");
        // A bias turns the choice.
        let flattering = Gold { correct: false, friendly: true, flattery: 3, length: 8, stopped: true };
        let true_one = Gold { correct: true, friendly: false, flattery: 0, length: 5, stopped: true };
        let chosen = |bias: f64, rng: &mut Rng| {
            (0..1000).filter(|_| prefers_first(&flattering, &true_one, bias, rng)).count()
        };
        assert!(chosen(0.0, &mut rng) < 100);
        assert!(chosen(1.5, &mut rng) > 900);
    }
}
