//! Text to tokens and back: the two tokenizers, their Hugging Face form, and the learner's own text.
//!
//! Owns [`Tokenizer`], one type for two kinds. *Words*: one token a word, for the built-in world, whose
//! vocabulary is closed. *Byte-level BPE* (Sennrich et al. 2016, §3.2; on bytes as in Radford et al. 2019,
//! §2.2), trained in the tab on the learner's own text. Both are written as a `tokenizer.json` that
//! Hugging Face's `tokenizers` and `AutoTokenizer` open with identical ids.
//!
//! Deliberately absent: Unicode tables. Words are split by ASCII classes alone, so that our splitter and
//! the regular expression in `tokenizer.json` agree on every input (see `split.rs`).

mod bpe;
mod corpus;
mod json;
mod split;
mod train;
mod words;

pub use corpus::{Corpus, MAX_TEXT_BYTES, bigram_loss, prepare_text};

use crate::{Error, Result};
use bpe::Bpe;
use std::ops::RangeInclusive;
use words::Words;

/// What a byte or an id that no token stands for is shown as.
const UNKNOWN: &str = "\u{FFFD}";

/// The vocabularies that [`Tokenizer::train_bpe`] trains.
const BPE_SIZES: RangeInclusive<usize> = 128..=1024;

/// Turns text into token ids and back.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokenizer {
    kind: Kind,
    /// The token that ends a document. Its literal text is cut out of an input before all else, as
    /// `tokenizers` does with a special token.
    eos: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Words(Words),
    Bpe(Bpe),
}

impl Tokenizer {
    /// One token a word: `vocabulary[i]` has id `i`, and id 0 must be `<eos>`.
    ///
    /// # Errors
    /// [`Error::Text`] where the first word is not `<eos>`, or a word is empty, repeated or holds white
    /// space.
    pub fn words<S: AsRef<str>>(vocabulary: &[S]) -> Result<Self> {
        if vocabulary.first().map(AsRef::as_ref) != Some("<eos>") {
            return Err(Error::Text("a word vocabulary begins with <eos>: put it first".into()));
        }
        let words = Words::new(vocabulary.iter().map(|w| w.as_ref().to_owned()).collect())?;
        Ok(Self { kind: Kind::Words(words), eos: Some(0) })
    }

    /// Trains byte-level BPE on `text`, up to `vocab_size` tokens (128 to 1024); fewer where no pair of
    /// tokens occurs twice any more. Deterministic: the most frequent pair is merged, ties go to the lowest
    /// pair of ids.
    ///
    /// From 320 tokens on the alphabet is all 256 bytes, with ids 0..256, and any text can be written. Below,
    /// bytes would crowd out merges: id 0 is `U+FFFD`, which stands for any byte outside the alphabet, and
    /// the alphabet is the bytes of `text` (the most frequent `vocab_size − 1` where it has more).
    ///
    /// There is no end-of-document token: the learner's text is one document. `progress` is called with a
    /// fraction of the work, 0 to 1.
    ///
    /// # Errors
    /// [`Error::Config`] for a vocabulary out of range; [`Error::Text`] for what [`prepare_text`] refuses.
    pub fn train_bpe(text: &str, vocab_size: usize, progress: &mut dyn FnMut(f32)) -> Result<Self> {
        if !BPE_SIZES.contains(&vocab_size) {
            let (least, most) = BPE_SIZES.into_inner();
            return Err(Error::Config(format!(
                "a vocabulary of {vocab_size} is out of range: choose {least} to {most}"
            )));
        }
        let text = prepare_text(text.as_bytes())?;
        Ok(Self { kind: Kind::Bpe(train::train(text, vocab_size, progress)?), eos: None })
    }

    /// The ids of `text`.
    ///
    /// # Errors
    /// [`Error::Text`] names the first word that a word vocabulary lacks. BPE never fails.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        let Some(eos) = self.eos else {
            self.encode_plain(text, &mut ids)?;
            return Ok(ids);
        };
        let marker = self.token(eos);
        for (i, part) in text.split(marker.as_str()).enumerate() {
            if i > 0 {
                ids.push(eos);
            }
            self.encode_plain(part, &mut ids)?;
        }
        Ok(ids)
    }

    fn encode_plain(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        match &self.kind {
            Kind::Words(words) => words.encode(text, ids),
            Kind::Bpe(bpe) => {
                bpe.encode(text, ids);
                Ok(())
            }
        }
    }

    /// The tokens of a prompt: documents begin after the end-of-text token, and a text without one on a new
    /// line. Never empty.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>> {
        let mut prompt = self.encode(text)?;
        match self.eos {
            Some(eos) => prompt.insert(0, eos),
            None if prompt.is_empty() => prompt = self.encode("\n").unwrap_or_default(),
            None => {}
        }
        if prompt.is_empty() {
            prompt.push(0);
        }
        Ok(prompt)
    }

    /// The text of `ids`. Words are joined by one space. Bytes that are not UTF-8, and ids beyond the
    /// vocabulary, read `U+FFFD`.
    pub fn decode(&self, ids: &[u32]) -> String {
        match &self.kind {
            Kind::Words(words) => {
                ids.iter().map(|&id| words.token(id).unwrap_or(UNKNOWN)).collect::<Vec<_>>().join(" ")
            }
            Kind::Bpe(bpe) => String::from_utf8_lossy(&bpe.bytes(ids)).into_owned(),
        }
    }

    /// One string a token, so that their concatenation is [`Tokenizer::decode`]: a character that spans
    /// several tokens belongs to the token that completes it.
    pub fn pieces(&self, ids: &[u32]) -> Vec<String> {
        match &self.kind {
            Kind::Words(words) => ids
                .iter()
                .enumerate()
                .map(|(i, &id)| {
                    let word = words.token(id).unwrap_or(UNKNOWN);
                    if i == 0 { word.to_owned() } else { format!(" {word}") }
                })
                .collect(),
            Kind::Bpe(bpe) => bpe.pieces(ids),
        }
    }

    /// The token `id` by itself, for display; bytes that are not UTF-8 by themselves read `U+FFFD`.
    pub fn token(&self, id: u32) -> String {
        self.decode(&[id])
    }

    /// V, the number of tokens.
    pub fn vocab_size(&self) -> usize {
        match &self.kind {
            Kind::Words(words) => words.len(),
            Kind::Bpe(bpe) => bpe.len(),
        }
    }

    /// The token that ends a document, where there is one.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// The tokenizer as Hugging Face's `tokenizer.json`.
    pub fn to_json(&self) -> String {
        json::write(self)
    }

    /// The `tokenizer_config.json` beside it, which tells `AutoTokenizer` to take `tokenizer.json` as it is
    /// (for `model_type` gpt2 it would otherwise rebuild GPT-2's own splitting rules).
    pub fn config_json(&self) -> String {
        json::write_config(self)
    }

    /// Reads a `tokenizer.json` of a kind that this type can reproduce: word-level split at white space, or
    /// byte-level BPE split by our rule; at most one added token.
    ///
    /// # Errors
    /// [`Error::Text`] says which part of the file is malformed or of another kind.
    pub fn from_json(text: &str) -> Result<Self> {
        json::read(text)
    }
}

#[cfg(test)]
mod tests;
