//! Questions and answers: what lessons 5 to 7 train on, and how answers are judged.
//!
//! A dialogue is `<eos> <user> where does tom reed live ? <bot> tom reed lives in the mill . <end>`. The
//! pretraining text has the questions (never answered) and the statements (never asked for), so a base model
//! knows what is true and has to learn to say it when asked. A fifth of the persons and animals is held out:
//! nobody asks about them in training.

mod demonstration;
mod gold;
mod question;

pub use demonstration::{Pair, demonstrations, pairs};
pub use gold::{FLATTERY, FRIENDLY, Gold, judge, prefers_first};
pub use question::{Question, Split, Subject};

use super::vocabulary::{BOT, EOS, USER};

/// Most tokens of an answer, `<end>` included.
pub const MAX_ANSWER: usize = 16;

/// Tokens that an answer never holds: they are forbidden in sampling, and masked in the log-probabilities
/// of answers.
pub const FORBIDDEN: [u32; 3] = [EOS, USER, BOT];
