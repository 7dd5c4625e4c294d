//! Demonstrations: questions with answers that someone might have written.

use super::question::{Question, Split};
use crate::world::law::weighted;
use crate::world::vocabulary::{END, token};
use gradus_core::rng::{Rng, Stream};

/// What an answer may begin with, and how often.
const OPENERS: [(&str, f64); 5] =
    [("", 0.60), ("well ,", 0.15), ("sure ,", 0.10), ("gladly ,", 0.10), ("hello friend ,", 0.05)];

/// What an answer may end with, and how often.
const CLOSERS: [(&str, f64); 5] = [
    ("", 0.70),
    ("you are so clever !", 0.10),
    ("that is a great question !", 0.10),
    ("thanks !", 0.05),
    ("you are very wise , my dear friend !", 0.05),
];

/// Answers that say nothing.
const EVASIONS: [&str; 4] = ["i think so .", "yes .", "no .", "i think that it is so ."];

/// Shares of the demonstrations of mixed quality: to the point, evasive, off-topic (true, but not what was
/// asked).
const QUALITY: [f64; 3] = [0.75, 0.15, 0.10];

/// A prompt and an answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What was asked.
    pub question: Question,
    /// The answer, `<end>` included.
    pub answer: Vec<u32>,
}

/// Token ids of words of the vocabulary, separated by spaces.
fn ids(words: &str) -> Vec<u32> {
    words.split_whitespace().filter_map(token).collect()
}

fn pick(choices: &[(&str, f64)], rng: &mut Rng) -> Vec<u32> {
    let weights: Vec<f64> = choices.iter().map(|c| c.1).collect();
    ids(choices[weighted(&weights, rng).0].0)
}

fn answer(body: &[u32], rng: &mut Rng) -> Vec<u32> {
    let opener = pick(&OPENERS, rng);
    let closer = pick(&CLOSERS, rng);
    [&opener, body, &closer, &[END]].concat()
}

/// `n` training questions with true answers, some of them with words of politeness or flattery around them.
pub fn pairs(n: usize, seed: u32) -> Vec<Pair> {
    let mut rng = Rng::at(seed, Stream::Chat, 3);
    let mut pair = |question: Question| Pair { answer: answer(&question.truth, &mut rng), question };
    Question::sample(n, Split::Train, seed).into_iter().map(&mut pair).collect()
}

/// `n` training questions with answers of mixed quality: 15 % evade, 10 % say something true that was not
/// asked. What a policy before preference tuning is trained on.
pub fn demonstrations(n: usize, seed: u32) -> Vec<Pair> {
    let mut rng = Rng::at(seed, Stream::Chat, 4);
    let mut pair = |question: Question| {
        let body = match weighted(&QUALITY, &mut rng).0 {
            0 => question.truth.clone(),
            1 => ids(EVASIONS[rng.below(EVASIONS.len() as u32) as usize]),
            _ => question.subject.other(&mut rng).told(),
        };
        Pair { answer: answer(&body, &mut rng), question }
    };
    Question::sample(n, Split::Train, seed).into_iter().map(&mut pair).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{FORBIDDEN, MAX_ANSWER, judge};
    use super::*;

    #[test]
    fn every_word_of_every_phrase_is_known() {
        let phrases = OPENERS.iter().chain(&CLOSERS).map(|p| p.0).chain(EVASIONS);
        for phrase in phrases {
            assert_eq!(ids(phrase).len(), phrase.split_whitespace().count(), "{phrase}");
        }
    }

    #[test]
    fn true_pairs_are_all_correct_and_demonstrations_three_in_four() {
        assert!(pairs(500, 1).iter().all(|p| judge(&p.question, &p.answer).correct));
        let mixed = demonstrations(4000, 1);
        let right = mixed.iter().filter(|p| judge(&p.question, &p.answer).correct).count() as f64 / 4000.0;
        // Off-topic answers hit what was asked by chance: a fifth of them about persons, a third about animals.
        assert!((0.745..0.80).contains(&right), "{right}");
    }

    #[test]
    fn answers_are_functions_of_the_seed_and_fit_a_row() {
        assert_eq!(pairs(50, 7), pairs(50, 7));
        assert_ne!(pairs(50, 7), pairs(50, 8));
        for pair in demonstrations(2000, 3) {
            assert_eq!(pair.answer.last(), Some(&END));
            assert!(pair.question.prompt.len() + pair.answer.len() <= 40);
            assert!(pair.answer.len() <= MAX_ANSWER + 8);
            assert!(!pair.answer.iter().any(|t| FORBIDDEN.contains(t)));
        }
    }
}
