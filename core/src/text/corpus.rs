//! The learner's own text: what is accepted, how it is divided, and the bigram model it must beat.

use super::Tokenizer;
use crate::{Error, Result};
use std::collections::HashMap;

/// Longest text that is accepted, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 16 << 20;

/// Checks that `bytes` are text that a model can learn from, and returns them without a byte-order mark.
///
/// # Errors
/// [`Error::Text`] for more than [`MAX_TEXT_BYTES`], no text but white space, bytes that are not UTF-8, NUL,
/// or so many control or replacement characters that it must be a binary file.
pub fn prepare_text(bytes: &[u8]) -> Result<&str> {
    let refuse = |message: String| Err(Error::Text(message));
    if bytes.len() > MAX_TEXT_BYTES {
        return refuse(format!(
            "the text has {:.1} MiB and the limit is {} MiB: use a part of it",
            bytes.len() as f64 / f64::from(1 << 20),
            MAX_TEXT_BYTES >> 20
        ));
    }
    if let Some(at) = bytes.iter().position(|&b| b == 0) {
        return refuse(format!(
            "this is not a text: byte {at} is zero. Use a plain text file, saved as UTF-8 (not UTF-16)"
        ));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{FEFF}').unwrap_or(text),
        Err(e) => {
            return refuse(format!(
                "this is not UTF-8 text: byte {} cannot be read. Save it as plain text in UTF-8",
                e.valid_up_to()
            ));
        }
    };
    if text.trim().is_empty() {
        return refuse("the text is empty: paste some text, a few thousand characters at least".into());
    }
    let (mut all, mut strange) = (0usize, 0usize);
    for c in text.chars() {
        all += 1;
        let control = c.is_control() && !c.is_whitespace();
        strange += usize::from(control || c == '\u{FFFD}');
    }
    if strange * 10 > all {
        return refuse(format!(
            "this looks like a binary file: {strange} of its {all} characters are control characters or \
             unreadable. Use a plain text file, saved as UTF-8"
        ));
    }
    Ok(text)
}

/// A tokenised text, divided for training and validation.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    /// What the model learns from: the beginning of the text.
    pub train: Vec<u32>,
    /// What it is held against: the last tenth of the tokens, and at least one context and its target.
    pub validation: Vec<u32>,
}

impl Corpus {
    /// Tokenises `text` and divides it. `context` is T, the model's longest context.
    ///
    /// # Errors
    /// [`Error::Text`] where either part would be shorter than T + 1 tokens, or the tokenizer refuses a word.
    pub fn new(tokenizer: &Tokenizer, text: &str, context: usize) -> Result<Self> {
        let mut train = tokenizer.encode(text)?;
        let held_out = (train.len() / 10).max(context + 1);
        let least = 2 * (context + 1);
        if train.len() < least {
            return Err(Error::Text(format!(
                "the text is too short: it has {} tokens, and a context of {context} needs {least} to learn \
                 from and to be tested on. Add text, or choose a preset with a shorter context",
                train.len()
            )));
        }
        let validation = train.split_off(train.len() - held_out);
        Ok(Self { train, validation })
    }
}

/// Cross-entropy of a bigram model with add-one smoothing, in nats a predicted token: the mean over `val` of
/// `−ln((n(a, b) + 1) / (n(a) + V))` with counts from `train`. NaN where `val` has fewer than two tokens.
pub fn bigram_loss(train: &[u32], val: &[u32], vocab: usize) -> f64 {
    let mut pairs: HashMap<(u32, u32), u32> = HashMap::new();
    let mut firsts: HashMap<u32, u32> = HashMap::new();
    for pair in train.windows(2) {
        *pairs.entry((pair[0], pair[1])).or_default() += 1;
        *firsts.entry(pair[0]).or_default() += 1;
    }
    let count = |n: Option<&u32>| f64::from(n.copied().unwrap_or(0));
    let total: f64 = val
        .windows(2)
        .map(|pair| {
            let seen = count(pairs.get(&(pair[0], pair[1]))) + 1.0;
            let all = count(firsts.get(&pair[0])) + vocab as f64;
            -(seen / all).ln()
        })
        .sum();
    total / val.len().saturating_sub(1) as f64
}
