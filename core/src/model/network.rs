//! What maps tokens to logits: the course's GPT-2, or the recurrent model that lesson 2 sets beside it.

use super::{Gpt, Params, Rnn};
use crate::Result;
use crate::graph::{Tape, Value};
use crate::protocol::ModelConfig;

/// The kind of a model; its shape is a [`ModelConfig`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Architecture {
    /// [`Gpt`].
    #[default]
    Gpt2,
    /// [`Rnn`].
    Gru,
}

/// A model of either kind whose parameters are on a tape.
#[derive(Clone, Debug)]
pub enum Network {
    /// See [`Gpt`].
    Gpt(Gpt),
    /// See [`Rnn`].
    Rnn(Rnn),
}

impl Architecture {
    /// Where the parameters lie.
    pub fn params(self, config: &ModelConfig) -> Params {
        match self {
            Self::Gpt2 => Params::new(config),
            Self::Gru => Params::recurrent(config),
        }
    }

    /// Puts the parameters on the tape.
    ///
    /// # Errors
    /// Those of [`Gpt::new`] and [`Rnn::new`].
    pub fn network(
        self,
        tape: &mut Tape,
        config: &ModelConfig,
        params: &Params,
        train: bool,
    ) -> Result<Network> {
        Ok(match self {
            Self::Gpt2 => Network::Gpt(Gpt::new(tape, config, params, train)?),
            Self::Gru => Network::Rnn(Rnn::new(tape, config, params, train)?),
        })
    }
}

impl Network {
    /// tokens `[B, T]` → logits `[B, T, Vp]`.
    ///
    /// # Errors
    /// The tape's.
    pub fn logits(&self, tape: &mut Tape, tokens: Value) -> Result<Value> {
        match self {
            Self::Gpt(gpt) => gpt.logits(tape, tokens),
            Self::Rnn(rnn) => rnn.logits(tape, tokens),
        }
    }

    /// V and Vp.
    pub fn vocab(&self) -> (usize, usize) {
        match self {
            Self::Gpt(gpt) => gpt.vocab(),
            Self::Rnn(rnn) => rnn.vocab(),
        }
    }
}
