//! The nine kinds of document, one file each: how it is written, and what it costs.
//!
//! `write` draws each word only after the words before it, and hands over the exact probability of that
//! draw. `cost` is the expected −Σ ln p and length, worked out on paper from the same laws and not from
//! samples: the test that the two agree is what vouches for both.

mod dict;
mod fact;
mod note;
mod quiz;
mod rule;
mod scene;
mod song;
mod sort;
mod story;

use gradus_core::rng::Rng;

pub(in crate::world) use fact::link;
pub(in crate::world) use quiz::template;

use super::document::Document;
use super::law::{Cost, Lines};
use super::tables::Tables;
use super::vocabulary::{ANIMAL, FAMILY, FIRST};

/// Length of the few-shot lists.
const LIST: Lines = Lines { least: 4, most: 11 };

/// A kind of document. Discriminants index [`Kind::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// What is true of a person: "tom reed likes plums . he has a drum ."
    Fact,
    /// What animals do: "the shy crow sleeps in the barn ."
    Scene,
    /// Who went where with what, and questions about it.
    Story,
    /// A dictionary made up on the spot: "zup red ; bim goat ; zup red"
    Dict,
    /// Words sorted under made-up labels: "fox zup ; plums bim ; goat zup"
    Sort,
    /// A hidden rule about animals: "fox red ; crow black"
    Rule,
    /// Questions without answers: "where does tom reed live ?"
    Quiz,
    /// What is true of animals: "the crow is black ."
    Note,
    /// A refrain of made-up words, sung two or three times.
    Song,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Fact,
        Self::Scene,
        Self::Story,
        Self::Dict,
        Self::Sort,
        Self::Rule,
        Self::Quiz,
        Self::Note,
        Self::Song,
    ];

    /// The kind in one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Scene => "scene",
            Self::Story => "story",
            Self::Dict => "dict",
            Self::Sort => "sort",
            Self::Rule => "rule",
            Self::Quiz => "quiz",
            Self::Note => "note",
            Self::Song => "song",
        }
    }

    /// Writes a document of this kind over `document`.
    pub(crate) fn write(self, tables: &Tables, rng: &mut Rng, document: &mut Document) {
        document.clear(self);
        match self {
            Self::Fact => fact::write(tables, rng, document),
            Self::Scene => scene::write(tables, rng, document),
            Self::Story => story::write(tables, rng, document),
            Self::Dict => dict::write(rng, document),
            Self::Sort => sort::write(rng, document),
            Self::Rule => rule::write(tables, rng, document),
            Self::Quiz => quiz::write(tables, rng, document),
            Self::Note => note::write(tables, rng, document),
            Self::Song => song::write(rng, document),
        }
    }

    /// Exact entropy and mean length of a document of this kind.
    pub(crate) fn cost(self, tables: &Tables) -> Cost {
        match self {
            Self::Fact => fact::cost(tables),
            Self::Scene => scene::cost(tables),
            Self::Story => story::cost(tables),
            Self::Dict => dict::cost(),
            Self::Sort => sort::cost(),
            Self::Rule => rule::cost(tables),
            Self::Quiz => quiz::cost(tables),
            Self::Note => note::cost(tables),
            Self::Song => song::cost(),
        }
    }

    /// The kind whose documents may begin with the same words, and the index of the token that tells
    /// which of the two it is.
    pub(crate) const fn rival(self) -> Option<(Self, usize)> {
        match self {
            Self::Fact => Some((Self::Story, 2)),
            Self::Story => Some((Self::Fact, 2)),
            Self::Scene => Some((Self::Note, 1)),
            Self::Note => Some((Self::Scene, 1)),
            Self::Sort => Some((Self::Rule, 1)),
            Self::Rule => Some((Self::Sort, 1)),
            Self::Dict | Self::Quiz | Self::Song => None,
        }
    }

    /// P(first token = `token`) in documents of this kind, where `p` is what a kind that shares it says.
    pub(crate) fn opening(self, tables: &Tables, token: u32, p: f64) -> f64 {
        match self {
            // The rule's first animal follows the animals' Zipf law, the sort's first word does not.
            Self::Rule => ANIMAL.index(token).map_or(0.0, |i| tables.animal.law().p(i)),
            Self::Sort => sort::opening(token),
            // A person is drawn alike in facts and stories; scenes and notes all begin with "the".
            _ => p,
        }
    }
}

/// Draws and writes a person: (first, family), indices in those classes.
fn person(tables: &Tables, rng: &mut Rng, document: &mut Document) -> (usize, usize) {
    let first = tables.first.draw(0, rng);
    document.pick(first);
    let family = tables.family_of_first.draw(first.index, rng);
    document.pick(family);
    (first.index, family.index)
}

/// What naming a person costs.
fn person_cost(tables: &Tables) -> Cost {
    Cost::new(tables.first.law().entropy() + tables.family_of_first.law().entropy(), 2.0)
}

/// "tom reed".
fn full_name(first: usize, family: usize) -> [u32; 2] {
    [FIRST.token(first), FAMILY.token(family)]
}

/// "he" or "she".
fn pronoun(first: usize) -> u32 {
    use super::vocabulary::word::{HE, SHE};
    if first.is_multiple_of(2) { HE } else { SHE }
}
