//! A document: its tokens, each with its exact probability.

use super::kind::Kind;
use super::law::Pick;
use super::vocabulary::EOS;

/// One document of Little Vale.
///
/// `probs[i]` is the exact P(`tokens[i]` | `tokens[..i]`): given the kind where the kind was asked for,
/// and over all kinds where the document was sampled from a mix. So −Σ ln p is the document's surprisal,
/// and no predictor does better on average.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it is.
    pub kind: Kind,
    /// Token ids, ending with `<eos>`.
    pub tokens: Vec<u32>,
    /// One probability a token.
    pub probs: Vec<f64>,
}

impl Document {
    /// An empty document, with room for the longest (92 tokens), so that it can be written again and
    /// again without allocating.
    pub(crate) fn empty() -> Self {
        Self { kind: Kind::Fact, tokens: Vec::with_capacity(96), probs: Vec::with_capacity(96) }
    }

    pub(crate) fn clear(&mut self, kind: Kind) {
        self.kind = kind;
        self.tokens.clear();
        self.probs.clear();
    }

    /// Adds a token that was chosen with probability `p`.
    pub(crate) fn push(&mut self, token: u32, p: f64) {
        self.tokens.push(token);
        self.probs.push(p);
    }

    /// Adds tokens that nothing could replace here.
    pub(crate) fn say(&mut self, tokens: &[u32]) {
        for &token in tokens {
            self.push(token, 1.0);
        }
    }

    /// Adds a drawn word.
    pub(crate) fn pick(&mut self, pick: Pick) {
        self.push(pick.token, pick.p);
    }

    /// Ends the document.
    pub(crate) fn end(&mut self, p: f64) {
        self.push(EOS, p);
    }

    /// −Σ ln p, in nats.
    pub fn surprisal(&self) -> f64 {
        -self.probs.iter().map(|p| p.ln()).sum::<f64>()
    }
}
