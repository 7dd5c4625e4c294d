//! Mixes: how much of the text each kind of document makes up.

use super::kind::Kind;
use super::law::{Cost, entropy};

/// A mix of kinds, by share of tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    name: &'static str,
    shares: [f64; Kind::ALL.len()],
    floors: &'static [Floor],
}

/// The stated entropy of packed rows: the loss below which no model gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// Tokens predicted in a row.
    pub context: usize,
    /// Nats a token.
    pub nats: f64,
    /// Its standard error.
    pub se: f64,
}

impl Mix {
    /// All kinds: lessons 2 to 8.
    pub const FULL: Self = Self {
        name: "full",
        shares: [0.31, 0.14, 0.13, 0.09, 0.08, 0.04, 0.05, 0.04, 0.12],
        floors: &[
            Floor { context: 16, nats: 1.47851, se: 0.00024 },
            Floor { context: 32, nats: 1.35757, se: 0.00028 },
            Floor { context: 64, nats: 1.28684, se: 0.00030 },
            Floor { context: 128, nats: 1.25170, se: 0.00030 },
            Floor { context: 256, nats: 1.23454, se: 0.00031 },
            Floor { context: 512, nats: 1.22537, se: 0.00031 },
        ],
    };

    /// Sentences only: lesson 1, whose scaling law the sudden learning of induction would break.
    pub const PROSE: Self = Self {
        name: "prose",
        shares: [0.47, 0.30, 0.13, 0.0, 0.0, 0.0, 0.05, 0.05, 0.0],
        floors: &[
            Floor { context: 16, nats: 1.23753, se: 0.00015 },
            Floor { context: 32, nats: 1.14746, se: 0.00019 },
            Floor { context: 64, nats: 1.09427, se: 0.00021 },
            Floor { context: 128, nats: 1.06664, se: 0.00021 },
            Floor { context: 256, nats: 1.05318, se: 0.00022 },
            Floor { context: 512, nats: 1.04652, se: 0.00022 },
        ],
    };

    /// The mix's name, in one lower-case word.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The share of tokens in documents of `kind`, over endless text.
    pub const fn share(&self, kind: Kind) -> f64 {
        self.shares[kind as usize]
    }

    /// The measured floors, one for each of a few contexts.
    pub const fn floors(&self) -> &'static [Floor] {
        self.floors
    }
}

/// A mix as a law over documents: a kind's probability is its share of tokens over its mean length.
#[derive(Clone, Debug)]
pub(crate) struct Law {
    pub(crate) p: [f64; Kind::ALL.len()],
    ends: [u32; Kind::ALL.len()],
}

impl Law {
    pub(crate) fn new(mix: &Mix, costs: &[Cost; Kind::ALL.len()]) -> Self {
        let mut p: [f64; Kind::ALL.len()] = std::array::from_fn(|k| mix.shares[k] / costs[k].tokens);
        let total: f64 = p.iter().sum();
        p.iter_mut().for_each(|p| *p /= total);
        let mut sum = 0.0;
        let ends = p.map(|p| {
            sum += p;
            (sum * 4_294_967_296.0) as u32
        });
        Self { p, ends }
    }

    /// The kind that a random word stands for.
    pub(crate) fn kind(&self, word: u32) -> Kind {
        let drawn = self.ends.iter().position(|&end| word < end);
        // Only a word within rounding of the top finds no end: it belongs to the last kind there is.
        drawn.map_or_else(
            || Kind::ALL.into_iter().rfind(|k| self.p[*k as usize] > 0.0).unwrap_or(Kind::Fact),
            |k| Kind::ALL[k],
        )
    }

    /// Entropy and mean length of a document drawn from the mix. Its text tells its kind, so the entropy is
    /// that of the kind and, given it, that of the document.
    pub(crate) fn cost(&self, costs: &[Cost; Kind::ALL.len()]) -> Cost {
        self.p.iter().zip(costs).fold(Cost::new(entropy(&self.p), 0.0), |sum, (&p, &cost)| sum + p * cost)
    }
}
