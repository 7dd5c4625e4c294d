//! The words of a prompt: typed text made into tokens, unknown words named, what is near them.

use crate::world;
use gradus_core::model::ModelFolder;
use gradus_core::text::Tokenizer;
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// A typed prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptText {
    /// As typed: `Where does Tom Reed live?`
    pub text: String,
    /// Whether it stands as a user's turn, `<user> … <bot>`, which the model is to answer.
    pub chat: bool,
}

/// A token that might come next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its id.
    pub token: u32,
    /// As it is shown.
    pub word: String,
    /// Its probability.
    pub p: f64,
}

/// The text in the form in which the course's language is written: small letters, marks apart from words.
pub fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if matches!(c, '.' | ',' | '?' | ';' | ':' | '!') {
            out.extend([' ', c, ' ']);
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of `text` that the course's language does not have, each once.
pub fn unknown_words(text: &str) -> Vec<String> {
    unknown(&tidy(text), |word| world::token(word).is_some())
}

fn unknown(text: &str, known: impl Fn(&str) -> bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split_whitespace().filter(|w| !known(w)) {
        let shown: String = word.chars().take(40).collect();
        if !out.contains(&shown) {
            out.push(shown);
        }
    }
    out
}

/// The known word that is nearest to `word`: at most two letters changed, added or left out, one where there are fewer
/// than seven.
pub fn near<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let letters: Vec<char> = word.chars().collect();
    // Longer than any word: nothing is near it.
    if letters.len() > 40 {
        return None;
    }
    let most = if letters.len() < 7 { 1 } else { 2 };
    known
        .into_iter()
        .map(|w| (distance(&letters, &w.chars().collect::<Vec<_>>()), w))
        .filter(|(d, _)| *d <= most)
        .min_by_key(|(d, _)| *d)
        .map(|(_, w)| w)
}

/// Levenshtein's distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut line: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut before = line[0];
        line[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = before + usize::from(x != y);
            before = line[j + 1];
            line[j + 1] = change.min(before + 1).min(line[j] + 1);
        }
    }
    line[b.len()]
}

impl PromptText {
    /// Its tokens, at least one.
    pub(super) fn tokens(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        // A tokenizer without an end of document is one of bytes: it knows every text, as it is typed.
        let words = tokenizer.eos().is_some();
        let mut text = if words { tidy(&self.text) } else { self.text.clone() };
        if words && self.chat {
            text = format!("<user> {text} <bot>");
        }
        if words {
            let strange = unknown(&text, |word| tokenizer.encode(word).is_ok());
            if !strange.is_empty() {
                return Err(Error::Text(complaint(&strange, tokenizer)));
            }
        }
        tokenizer.prompt(&text)
    }
}

/// Names the unknown words and says what to do.
fn complaint(strange: &[String], tokenizer: &Tokenizer) -> String {
    let all: Vec<String> = (0..tokenizer.vocab_size() as u32).map(|t| tokenizer.token(t)).collect();
    let named: Vec<String> = strange
        .iter()
        .take(5)
        .map(|word| match near(word, all.iter().map(String::as_str)) {
            Some(near) => format!("“{word}” (did you mean “{near}”?)"),
            None => format!("“{word}”"),
        })
        .collect();
    let more = strange.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "This model does not know {}{more}. Its language has {} words: pick from their list, or type the beginning of one.",
        named.join(", "),
        all.len()
    )
}

/// The tokenizer of a model that can be asked.
pub(super) fn tokenizer(model: &ModelFolder) -> Result<&Tokenizer> {
    model.tokenizer.as_ref().ok_or_else(|| {
        Error::Checkpoint(
            "This model came without a tokenizer.json, so it cannot read words: add the file to its folder."
                .into(),
        )
    })
}

/// Whether the model speaks the course's language, word for word.
pub(super) fn speaks_world(tokenizer: &Tokenizer) -> bool {
    let words = world::vocabulary();
    tokenizer.vocab_size() == words.len() && (0..).zip(words).all(|(i, w)| tokenizer.token(i) == *w)
}

/// The likeliest `top` tokens, and the entropy of the whole distribution in nats.
pub(super) fn candidates(p: &[f64], top: usize, tokenizer: &Tokenizer) -> (Vec<Candidate>, f64) {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a]).then(a.cmp(&b)));
    let entropy = p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
    let chosen = order.into_iter().take(top);
    (
        chosen.map(|t| Candidate { token: t as u32, word: tokenizer.token(t as u32), p: p[t] }).collect(),
        entropy,
    )
}

/// Softmax of a row of logits.
pub(super) fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|&l| f64::from(l - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::vocabulary;

    #[test]
    fn typed_text_becomes_the_languages_own() {
        assert_eq!(tidy(" Where does Tom  Reed live?"), "where does tom reed live ?");
        assert_eq!(tidy("zup red; bim"), "zup red ; bim");
        assert_eq!(tidy("<user> sure!"), "<user> sure !");
    }

    #[test]
    fn unknown_words_are_named_once_with_what_is_near() -> Result<()> {
        assert_eq!(unknown_words("the Gradus likes the gradus and plum."), ["gradus", "plum"]);
        assert_eq!(near("plum", vocabulary().iter().copied()), Some("plums"));
        assert_eq!(near("gradus", vocabulary().iter().copied()), None);
        assert_eq!(near(&"x".repeat(99), vocabulary().iter().copied()), None);
        let tokenizer = Tokenizer::words(vocabulary())?;
        let prompt = PromptText { text: "the gradus likes plum".into(), chat: false };
        let said = prompt.tokens(&tokenizer).map_err(|e| e.to_string());
        let says = |part: &str| said.as_ref().is_err_and(|e| e.contains(part));
        assert!(says("“gradus”") && says("“plums”?") && says("362 words"), "{said:?}");
        Ok(())
    }

    #[test]
    fn a_turn_of_a_dialogue_is_marked() -> Result<()> {
        let tokenizer = Tokenizer::words(vocabulary())?;
        let prompt = PromptText { text: "where does tom reed live ?".into(), chat: true };
        assert_eq!(
            tokenizer.decode(&prompt.tokens(&tokenizer)?),
            "<eos> <user> where does tom reed live ? <bot>"
        );
        let nothing = PromptText::default().tokens(&tokenizer)?;
        assert_eq!(nothing, [0]);
        Ok(())
    }

    #[test]
    fn probabilities_are_those_of_softmax() {
        let p = softmax(&[0.0, 2f32.ln(), f32::MIN]);
        assert!((p[0] - 1.0 / 3.0).abs() < 1e-7 && (p[1] - 2.0 / 3.0).abs() < 1e-7 && p[2] == 0.0);
    }
}
