//! Questions with one true answer.

use crate::world::kind::{link, template};
use crate::world::law::{chance, weighted};
use crate::world::vocabulary::word::*;
use crate::world::vocabulary::{ANIMAL, BOT, Class, EOS, FAMILY, FIRST, USER};
use crate::world::{Relation, World};
use gradus_core::rng::{Rng, Stream};

use crate::world::Trait;

/// How often a question is about a person; the others are about animals.
const PERSONS: f64 = 0.7;
/// What is asked of animals, each as often as the others.
const TRAITS: [Trait; 3] = [Trait::Colour, Trait::Food, Trait::Place];

/// Which persons and animals may be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Four in five.
    Train,
    /// The rest.
    HeldOut,
}

/// What a question is about. Persons and animals are indices in their classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Person (first name, family name) and what is asked of them.
    Person(usize, usize, Relation),
    /// An animal and what is asked of it.
    Animal(usize, Trait),
}

/// A question and its true answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it is about.
    pub subject: Subject,
    /// `<eos> <user> where does tom reed live ? <bot>`.
    pub prompt: Vec<u32>,
    /// The statement that is true: `tom reed lives in the mill .`
    pub truth: Vec<u32>,
}

impl Subject {
    /// Whom it may be asked of: one person in five, and one animal in five, is held out.
    pub fn split(self) -> Split {
        let held_out = match self {
            Self::Person(first, family, _) => (first * 7 + family * 13).is_multiple_of(5),
            Self::Animal(animal, _) => animal.is_multiple_of(5),
        };
        if held_out { Split::HeldOut } else { Split::Train }
    }

    fn draw(rng: &mut Rng) -> Self {
        let tables = World::shared().tables();
        if chance(PERSONS, rng) {
            let first = tables.first.draw(0, rng).index;
            let family = tables.family_of_first.draw(first, rng).index;
            let (relation, _) = weighted(&Relation::SHARES, rng);
            Self::Person(first, family, Relation::ALL[relation])
        } else {
            let animal = tables.animal.draw(0, rng).index;
            Self::Animal(animal, TRAITS[rng.below(TRAITS.len() as u32) as usize])
        }
    }

    /// The question's words, question mark included.
    fn asked(self) -> Vec<u32> {
        match self {
            Self::Person(first, family, relation) => {
                let (opening, verb) = template(relation);
                [opening, &[FIRST.token(first), FAMILY.token(family), verb, QUESTION]].concat()
            }
            Self::Animal(animal, of) => {
                let animal = ANIMAL.token(animal);
                match of {
                    Trait::Colour | Trait::Adjective => vec![WHAT, COLOUR, IS, THE, animal, QUESTION],
                    Trait::Food => vec![WHAT, DOES, THE, animal, LIKE, QUESTION],
                    Trait::Place => vec![WHERE, DOES, THE, animal, LIVE, QUESTION],
                }
            }
        }
    }

    /// The true statement about it.
    pub(super) fn told(self) -> Vec<u32> {
        let tables = World::shared().tables();
        match self {
            Self::Person(first, family, relation) => {
                let name = [FIRST.token(first), FAMILY.token(family)];
                [&name, link(relation), &[tables.fact(first, family, relation), STOP]].concat()
            }
            Self::Animal(animal, of) => {
                let words: &[u32] = match of {
                    Trait::Colour | Trait::Adjective => &[IS],
                    Trait::Food => &[LIKES],
                    Trait::Place => &[LIVES, IN, THE],
                };
                let value = tables.animal_trait(animal, of);
                [&[THE, ANIMAL.token(animal)], words, &[value, STOP]].concat()
            }
        }
    }

    /// Something else that is true of the same person or animal, or the same thing again.
    pub(super) fn other(self, rng: &mut Rng) -> Self {
        match self {
            Self::Person(first, family, _) => {
                Self::Person(first, family, Relation::ALL[weighted(&Relation::SHARES, rng).0])
            }
            Self::Animal(animal, _) => Self::Animal(animal, TRAITS[rng.below(TRAITS.len() as u32) as usize]),
        }
    }
}

impl Question {
    /// The question about `subject`.
    pub fn about(subject: Subject) -> Self {
        let prompt = [&[EOS, USER], subject.asked().as_slice(), &[BOT]].concat();
        Self { subject, prompt, truth: subject.told() }
    }

    /// A question of this split.
    pub fn draw(split: Split, rng: &mut Rng) -> Self {
        loop {
            let subject = Subject::draw(rng);
            if subject.split() == split {
                return Self::about(subject);
            }
        }
    }

    /// The question that these words ask (`where does tom reed live ?`, or the whole prompt), if it has one true
    /// answer.
    pub fn find(words: &[u32]) -> Option<Self> {
        let words = words.strip_prefix(&[EOS]).unwrap_or(words);
        let words = words.strip_prefix(&[USER]).unwrap_or(words);
        let words = words.strip_suffix(&[BOT]).unwrap_or(words);
        let place = |class: Class| words.iter().find_map(|&t| class.index(t));
        let subjects: Vec<Subject> = match (place(FIRST), place(FAMILY), place(ANIMAL)) {
            (Some(first), Some(family), _) => {
                Relation::ALL.into_iter().map(|r| Subject::Person(first, family, r)).collect()
            }
            (_, _, Some(animal)) => TRAITS.into_iter().map(|t| Subject::Animal(animal, t)).collect(),
            _ => Vec::new(),
        };
        subjects.into_iter().find(|s| s.asked() == words).map(Self::about)
    }

    /// Questions of this split without end, a function of `seed`.
    pub fn stream(split: Split, seed: u32) -> impl Iterator<Item = Self> {
        let mut rng = Rng::at(seed, Stream::Chat, 1 + split as u32);
        std::iter::repeat_with(move || Self::draw(split, &mut rng))
    }

    /// The first `n` of them.
    pub fn sample(n: usize, split: Split, seed: u32) -> Vec<Self> {
        Self::stream(split, seed).take(n).collect()
    }

    /// The true statement as the pretraining text would begin it, up to the word that matters, and that word:
    /// whoever completes it rightly knows the answer. Right answers to these are the ceiling of fine-tuning.
    pub fn statement(&self) -> (Vec<u32>, u32) {
        let at = self.truth.len() - 2;
        ([&[EOS], &self.truth[..at]].concat(), self.truth[at])
    }
}
