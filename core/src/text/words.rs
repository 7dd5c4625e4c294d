//! The word-level tokenizer: white space splits, one id a word.

use crate::{Error, Result};
use std::collections::HashMap;

/// A closed vocabulary of words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Words {
    words: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Words {
    /// `words[i]` has id `i`.
    pub(super) fn new(words: Vec<String>) -> Result<Self> {
        let mut ids = HashMap::with_capacity(words.len());
        for (id, word) in words.iter().enumerate() {
            if word.is_empty() || word.contains(char::is_whitespace) {
                return Err(Error::Text(format!(
                    "word {id} of the vocabulary, {word:?}, is empty or has a space"
                )));
            }
            if ids.insert(word.clone(), id as u32).is_some() {
                return Err(Error::Text(format!("the vocabulary lists {word:?} twice: keep one of them")));
            }
        }
        Ok(Self { words, ids })
    }

    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    pub(super) fn all(&self) -> &[String] {
        &self.words
    }

    pub(super) fn token(&self, id: u32) -> Option<&str> {
        self.words.get(id as usize).map(String::as_str)
    }

    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<()> {
        for word in text.split_whitespace() {
            let id = self.ids.get(word).ok_or_else(|| {
                let shown: String = word.chars().take(40).collect();
                Error::Text(format!(
                    "this model does not know the word {shown:?}: it has {} words, such as {}",
                    self.words.len(),
                    self.words.iter().rev().take(3).map(|w| format!("{w:?}")).collect::<Vec<_>>().join(", ")
                ))
            })?;
            ids.push(*id);
        }
        Ok(())
    }
}
