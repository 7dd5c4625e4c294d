//! Few-shot prompts: K solved examples and one to solve, with the accuracy of a reader who knows how such lists
//! are made (Bayes-optimal, exact). No answer can be known beforehand: words and labels are made up anew.

use super::World;
use super::law::weighted;
use super::tables::Trait;
use super::vocabulary::word::SEMICOLON;
use super::vocabulary::{ANIMAL, COLOUR, Class, EOS, FOOD, JOB, MADE_UP, OBJECT, PLACE};
use gradus_core::rng::Rng;
use serde::{Deserialize, Serialize};

/// What has to be found out from the examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// What a made-up word means: "zup red ; bim goat ; zup" → red. Copying from context.
    Dict,
    /// The label of a class: "plums zup ; mill bim ; soup" → zup. Copying by class.
    Sort,
    /// Which trait of animals is asked for: "fox red ; crow" → black. The traits themselves are known.
    Rule,
}

/// A prompt and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// `<eos>`, the examples, and the item to solve.
    pub tokens: Vec<u32>,
    /// The right next token.
    pub answer: u32,
    /// Whether the item, or its class, was among the examples.
    pub seen: bool,
}

/// Meanings that a made-up word may have.
const MEANINGS: [Class; 3] = [ANIMAL, COLOUR, FOOD];
/// Classes to sort. Animals are left out: a list that begins with one could also be a rule.
const CLASSES: [Class; 5] = [COLOUR, FOOD, PLACE, OBJECT, JOB];

/// `n` different numbers below `of`.
fn distinct(n: usize, of: usize, rng: &mut Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..of).collect();
    rng.shuffle(&mut all);
    all.truncate(n);
    all
}

fn any(class: Class, rng: &mut Rng) -> u32 {
    class.token(rng.below(class.len() as u32) as usize)
}

/// One of the meanings, each as likely as any other.
fn meaning(rng: &mut Rng) -> u32 {
    let sizes = MEANINGS.map(|c| c.len() as f64);
    any(MEANINGS[weighted(&sizes, rng).0], rng)
}

impl Task {
    /// All tasks.
    pub const ALL: [Self; 3] = [Self::Dict, Self::Sort, Self::Rule];

    /// In one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dict => "dict",
            Self::Sort => "sort",
            Self::Rule => "rule",
        }
    }

    /// How many words (dict) or classes (sort) a prompt can have; 1 for rules.
    pub const fn most_items(self) -> usize {
        match self {
            Self::Dict => 11,
            Self::Sort => 3,
            Self::Rule => 1,
        }
    }

    /// A prompt of `shots` examples. Examples and question are drawn evenly and independently from `items`
    /// words or classes (clamped to 1..=[`most_items`](Self::most_items)): the fewer, the burstier the list.
    pub fn prompt(self, shots: usize, items: usize, rng: &mut Rng) -> Prompt {
        let items = items.clamp(1, self.most_items());
        let labels = distinct(items, MADE_UP.len(), rng);
        let meanings: Vec<u32> = (0..items).map(|_| meaning(rng)).collect();
        let classes = distinct(items.min(CLASSES.len()), CLASSES.len(), rng);
        let rule = Trait::ALL[rng.below(Trait::ALL.len() as u32) as usize];
        // Item number `i` of the list, and its answer.
        let solve = |i: usize, rng: &mut Rng| match self {
            Self::Dict => (MADE_UP.token(labels[i]), meanings[i]),
            Self::Sort => (any(CLASSES[classes[i]], rng), MADE_UP.token(labels[i])),
            Self::Rule => {
                let animal = rng.below(ANIMAL.len() as u32) as usize;
                (ANIMAL.token(animal), World::shared().tables().animal_trait(animal, rule))
            }
        };
        let mut tokens = vec![EOS];
        let mut seen = vec![false; items];
        for _ in 0..shots {
            let i = rng.below(items as u32) as usize;
            let (item, answer) = solve(i, rng);
            tokens.extend([item, answer, SEMICOLON]);
            seen[i] = true;
        }
        let i = rng.below(items as u32) as usize;
        let (item, answer) = solve(i, rng);
        tokens.push(item);
        Prompt { tokens, answer, seen: seen[i] }
    }

    /// The best possible accuracy on such prompts.
    ///
    /// The item was among the examples with probability 1 − (1 − 1/n)ᴷ; then its answer is certain. If not, a
    /// made-up word means each of the 68 meanings alike, and a new class has any label not yet given.
    pub fn bayes(self, shots: usize, items: usize) -> f64 {
        let n = items.clamp(1, self.most_items());
        let unseen = (1.0 - 1.0 / n as f64).powi(shots as i32);
        let guess = match self {
            Self::Dict => 1.0 / MEANINGS.iter().map(|c| c.len()).sum::<usize>() as f64,
            Self::Sort => {
                let seen = occupancy(shots, n - 1);
                seen.iter().enumerate().map(|(m, p)| p / (MADE_UP.len() - m) as f64).sum()
            }
            // One example tells the rule, for no word is in two classes.
            Self::Rule if shots == 0 => return 1.0 / Trait::ALL.len() as f64,
            Self::Rule => return 1.0,
        };
        1.0 - unseen + unseen * guess
    }

    /// What a reader who knows how such lists are made expects as the answer to `prompt` (`<eos>`, examples, item):
    /// each token that is possible and its exact probability. A single one where the examples tell it.
    pub fn expects(self, prompt: &[u32]) -> Vec<(u32, f64)> {
        let Some((&item, list)) = prompt.split_last() else { return Vec::new() };
        let examples: Vec<(u32, u32)> =
            list.get(1..).unwrap_or_default().chunks_exact(3).map(|e| (e[0], e[1])).collect();
        let evenly = |tokens: Vec<u32>| {
            let p = 1.0 / tokens.len() as f64;
            tokens.into_iter().map(|t| (t, p)).collect()
        };
        let all = |class: Class| (0..class.len()).map(move |i| class.token(i));
        match self {
            Self::Dict => match examples.iter().find(|e| e.0 == item) {
                Some(&(_, meaning)) => vec![(meaning, 1.0)],
                None => evenly(MEANINGS.into_iter().flat_map(all).collect()),
            },
            Self::Sort => {
                let class = |token: u32| CLASSES.iter().position(|c| c.index(token).is_some());
                match examples.iter().find(|e| class(e.0) == class(item)) {
                    Some(&(_, label)) => vec![(label, 1.0)],
                    None => evenly(all(MADE_UP).filter(|t| examples.iter().all(|e| e.1 != *t)).collect()),
                }
            }
            Self::Rule => {
                let tables = World::shared().tables();
                let of = |token: u32, t: Trait| Some(tables.animal_trait(ANIMAL.index(token)?, t));
                let fits = |t: &Trait| examples.iter().all(|e| of(e.0, *t) == Some(e.1));
                evenly(Trait::ALL.into_iter().filter(fits).filter_map(|t| of(item, t)).collect())
            }
        }
    }
}

/// How many of `boxes` boxes hold something after `draws` draws: the probability of each number.
fn occupancy(draws: usize, boxes: usize) -> Vec<f64> {
    let mut held = vec![0.0; boxes + 1];
    held[0] = 1.0;
    if boxes == 0 {
        return held;
    }
    for _ in 0..draws {
        let mut next = vec![0.0; boxes + 1];
        for (m, p) in held.iter().enumerate() {
            let old = m as f64 / boxes as f64;
            next[m] += p * old;
            if m < boxes {
                next[m + 1] += p * (1.0 - old);
            }
        }
        held = next;
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_core::rng::Stream;

    /// A reader who follows the law of the lists, and guesses where it leaves the answer open.
    fn read(task: Task, prompt: &Prompt, rng: &mut Rng) -> u32 {
        let class = |token: u32| CLASSES.iter().position(|c| c.index(token).is_some());
        let (&item, rest) = prompt.tokens.split_last().unwrap();
        let examples: Vec<(u32, u32)> = rest[1..].chunks_exact(3).map(|e| (e[0], e[1])).collect();
        let found = |same: &dyn Fn(u32) -> bool| examples.iter().find(|e| same(e.0)).map(|e| e.1);
        match task {
            Task::Dict => found(&|i| i == item).unwrap_or_else(|| meaning(rng)),
            Task::Sort => found(&|i| class(i) == class(item)).unwrap_or_else(|| {
                loop {
                    let label = any(MADE_UP, rng);
                    if examples.iter().all(|e| e.1 != label) {
                        return label;
                    }
                }
            }),
            Task::Rule => {
                let tables = World::shared().tables();
                let of = |token: u32, t| tables.animal_trait(ANIMAL.index(token).unwrap(), t);
                let fits = |t: &Trait| examples.iter().all(|e| of(e.0, *t) == e.1);
                let told = Trait::ALL.into_iter().find(|t| !examples.is_empty() && fits(t));
                of(item, told.unwrap_or(Trait::ALL[rng.below(4) as usize]))
            }
        }
    }

    #[test]
    fn the_best_accuracy_is_what_a_perfect_reader_reaches() {
        let mut rng = Rng::new(5, Stream::Test);
        for task in Task::ALL {
            for (shots, items) in [(0, 2), (1, 3), (2, 2), (4, 3), (8, 3), (2, 1)] {
                let n = 8000;
                let mut right = 0;
                for _ in 0..n {
                    let prompt = task.prompt(shots, items, &mut rng);
                    let said = read(task, &prompt, &mut rng);
                    assert!(!prompt.seen || said == prompt.answer, "{task:?} {prompt:?}");
                    right += i32::from(said == prompt.answer);
                }
                let (best, right) = (task.bayes(shots, items), f64::from(right) / f64::from(n));
                let error = 4.0 * (best * (1.0 - best) / f64::from(n)).sqrt() + 1e-9;
                assert!((right - best).abs() <= error, "{task:?} {shots} {items}: {right} and {best}");
            }
        }
    }

    #[test]
    fn expectations_are_probabilities_and_as_good_as_the_best_accuracy() {
        let mut rng = Rng::new(8, Stream::Test);
        for task in Task::ALL {
            for (shots, items) in [(0, 2), (1, 3), (2, 2), (8, 3)] {
                let (n, mut best, mut given) = (2000, 0.0, 0.0);
                for _ in 0..n {
                    let prompt = task.prompt(shots, items, &mut rng);
                    let expects = task.expects(&prompt.tokens);
                    let sum: f64 = expects.iter().map(|e| e.1).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{task:?} {sum}");
                    assert_eq!(prompt.seen && task != Task::Rule, expects.len() == 1 && task != Task::Rule);
                    best += expects.iter().map(|e| e.1).fold(0.0, f64::max);
                    given += expects.iter().find(|e| e.0 == prompt.answer).map_or(0.0, |e| e.1);
                }
                // The mean of the largest probability is the best accuracy; so is that of the answer's own where
                // all that is possible is equally likely.
                for mean in [best / f64::from(n), given / f64::from(n)] {
                    let (p, n) = (task.bayes(shots, items), f64::from(n));
                    let error = 4.0 * (p * (1.0 - p) / n).sqrt() + 1e-9;
                    assert!((mean - p).abs() <= error, "{task:?} {shots} {items}: {mean} and {p}");
                }
            }
        }
        assert!(Task::Dict.expects(&[]).is_empty());
    }

    #[test]
    fn prompts_fit_the_context() {
        let mut rng = Rng::new(6, Stream::Test);
        for task in Task::ALL {
            assert_eq!(task.prompt(8, 99, &mut rng).tokens.len(), 26);
            assert_eq!(task.prompt(0, 0, &mut rng).tokens.len(), 2);
        }
    }
}
