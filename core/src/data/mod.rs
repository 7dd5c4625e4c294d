//! What a model learns from, once it is tokens.

use crate::Result;
use crate::protocol::Source;
use crate::text::Tokenizer;

/// Rows of tokens without end: each is a function of its number alone, so a run can resume anywhere.
pub trait RowSource {
    /// Fills `out` (T + 1 tokens) with row `row`.
    fn fill(&self, row: u64, out: &mut [u32]);
}

/// The tokens to learn from.
pub enum Training {
    /// Fresh rows, generated as they are needed; never one twice.
    Rows(Box<dyn RowSource>),
    /// One text; windows are drawn at random.
    Text(Vec<u32>),
}

/// Everything a run needs to know of its source.
pub struct Material {
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// What is learned from.
    pub training: Training,
    /// Held-out tokens: rows of T + 1, one after another, or one text.
    pub validation: Vec<u32>,
    /// Tokens between the beginnings of two held-out windows.
    pub stride: usize,
    /// Entropy of the source in nats a token, where it is known.
    pub floor: Option<f64>,
    /// Cross-entropy of a bigram model on the held-out text, in nats a token.
    pub bigram: Option<f64>,
}

/// Turns a [`Source`] into [`Material`]. The engine knows no particular world: whoever hosts a session
/// brings the loader.
pub trait Loader {
    /// Loads `source` for a context of `context` tokens. `tokenizer` is given where a model brings its own.
    /// `progress` takes what is being done and how much of it is done, 0 to 1.
    ///
    /// # Errors
    /// [`Error::Text`](crate::Error::Text) for a text that cannot be trained on.
    fn load(
        &mut self,
        source: &Source,
        context: usize,
        tokenizer: Option<&Tokenizer>,
        progress: &mut dyn FnMut(&str, f32),
    ) -> Result<Material>;
}

/// [`Material`] of the user's own text: the tokenizer is trained on it unless one is given.
///
/// # Errors
/// [`Error::Text`](crate::Error::Text) where the text is empty, too short, too long or no text.
pub fn own_text(
    text: &str,
    vocab: u32,
    context: usize,
    tokenizer: Option<&Tokenizer>,
    progress: &mut dyn FnMut(&str, f32),
) -> Result<Material> {
    let text = crate::text::prepare_text(text.as_bytes())?;
    let tokenizer = match tokenizer {
        Some(tokenizer) => tokenizer.clone(),
        None => Tokenizer::train_bpe(text, vocab as usize, &mut |f| progress("training the tokenizer", f))?,
    };
    progress("reading the text", 1.0);
    let corpus = crate::text::Corpus::new(&tokenizer, text, context)?;
    let bigram = crate::text::bigram_loss(&corpus.train, &corpus.validation, tokenizer.vocab_size());
    Ok(Material {
        tokenizer,
        training: Training::Text(corpus.train),
        validation: corpus.validation,
        stride: context,
        floor: None,
        bigram: Some(bigram),
    })
}
