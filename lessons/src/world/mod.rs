//! Little Vale: a small language whose every truth is known.
//!
//! Every token is drawn with a known probability given the tokens before it, so the entropy of the text is
//! known too, and with it the loss that no model can beat. A [`World`] writes [`Document`]s of nine
//! [`Kind`]s, mixes them ([`Mix`]) and packs them into [`Row`]s to train on. Everything is a function of
//! the seed: `docs/WORLD.md` describes the language, its tables and its entropies.

pub mod chat;
mod document;
mod kind;
mod law;
mod mix;
mod row;
mod tables;
mod vocabulary;

use std::sync::OnceLock;

use gradus_core::rng::Rng;

pub use document::Document;
pub use kind::Kind;
pub use law::Cost;
pub use mix::{Floor, Mix};
pub use row::Row;
pub use tables::{PetRelation, Relation, Tables, Trait};
pub use vocabulary::{
    ADJECTIVE, ANIMAL, BOT, COLOUR, CONTAINER, Class, END, EOS, FAMILY, FIRST, FOOD, JOB, MADE_UP, OBJECT,
    PLACE, USER, VERB, text, token, vocabulary,
};

/// The world: its tables, and the costs that follow from them.
#[derive(Clone, Debug)]
pub struct World {
    tables: Tables,
    costs: [Cost; Kind::ALL.len()],
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// Builds the tables (a few milliseconds). There is one world: all worlds are equal.
    pub fn new() -> Self {
        let tables = Tables::new();
        let costs = Kind::ALL.map(|kind| kind.cost(&tables));
        Self { tables, costs }
    }

    /// The world, built at the first call.
    pub fn shared() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::new)
    }

    /// What is true in the world.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// A document of `kind`; its probabilities are those given the kind.
    pub fn document(&self, kind: Kind, rng: &mut Rng) -> Document {
        let mut document = Document::empty();
        kind.write(&self.tables, rng, &mut document);
        document
    }

    /// A document of the mix; its probabilities are those of a reader who is not told the kind.
    pub fn sample(&self, mix: &Mix, rng: &mut Rng) -> Document {
        let mut document = Document::empty();
        self.sample_into(&self.law(mix), rng, &mut document);
        document
    }

    /// Exact entropy and mean length of a document of `kind`.
    pub fn cost(&self, kind: Kind) -> Cost {
        self.costs[kind as usize]
    }

    /// Exact entropy and mean length of a document of `mix`. Their quotient is the entropy in nats a token
    /// of endless text; rows begin with a document, whose first words are the least certain, so theirs
    /// ([`World::floor`]) lies a little above.
    pub fn mix_cost(&self, mix: &Mix) -> Cost {
        self.law(mix).cost(&self.costs)
    }

    /// The probability that a document of `mix` is of `kind`.
    pub fn probability(&self, mix: &Mix, kind: Kind) -> f64 {
        self.law(mix).p[kind as usize]
    }

    fn law(&self, mix: &Mix) -> mix::Law {
        mix::Law::new(mix, &self.costs)
    }

    /// Draws a kind, writes the document, and turns P(token | prefix, kind) into P(token | prefix).
    ///
    /// By Bayes' rule the prefix weighs the kinds: the first token gets the sum over the kinds that may
    /// begin with it, and the token that tells them apart gets the weight of the kind it reveals.
    fn sample_into(&self, law: &mix::Law, rng: &mut Rng, document: &mut Document) {
        let kind = law.kind(rng.next_u32());
        kind.write(&self.tables, rng, document);
        let p = document.probs[0];
        let own = law.p[kind as usize] * p;
        let Some((rival, reveals)) = kind.rival() else {
            document.probs[0] = own;
            return;
        };
        let other = law.p[rival as usize] * rival.opening(&self.tables, document.tokens[0], p);
        document.probs[0] = own + other;
        document.probs[reveals] *= own / (own + other);
    }
}
