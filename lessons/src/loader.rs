//! Brings the engine its text: the world, or the user's own.

use crate::material::WorldRows;
use crate::world::{Mix, vocabulary};
use gradus_core::data::{Loader, Material, RowSource, Training, own_text};
use gradus_core::model::MAX_POSITIONS;
use gradus_core::protocol::Source;
use gradus_core::text::Tokenizer;
use gradus_core::{Error, Result};

/// Held-out rows of the world that a validation reads.
const HELD_OUT_ROWS: usize = 128;

/// The course's loader.
#[derive(Clone, Copy, Debug, Default)]
pub struct CourseLoader;

impl RowSource for WorldRows {
    fn fill(&self, row: u64, out: &mut [u32]) {
        Self::fill(self, row, out);
    }
}

/// The world's tokenizer: 362 words.
///
/// # Errors
/// None in practice: the vocabulary is a constant.
pub fn world_tokenizer() -> Result<Tokenizer> {
    Tokenizer::words(vocabulary())
}

impl Loader for CourseLoader {
    fn load(
        &mut self,
        source: &Source,
        context: usize,
        tokenizer: Option<&Tokenizer>,
        progress: &mut dyn FnMut(&str, f32),
    ) -> Result<Material> {
        match source {
            Source::Text { text, vocab } => {
                check_context(context)?;
                own_text(text, *vocab, context, tokenizer, progress)
            }
            Source::World { seed } => world(*seed, context, tokenizer),
        }
    }
}

fn world(seed: u32, context: usize, tokenizer: Option<&Tokenizer>) -> Result<Material> {
    let material = world_material(Mix::FULL, seed, context)?;
    if tokenizer.is_some_and(|given| *given != material.tokenizer) {
        return Err(Error::Text(
            "this model has a vocabulary of its own, so it cannot go on with the world's words: choose “Use my \
             own text” first, then open it"
                .into(),
        ));
    }
    Ok(material)
}

/// Rows are made before there is a model, whose shape would be refused.
pub(crate) fn check_context(context: usize) -> Result<()> {
    if (1..=MAX_POSITIONS).contains(&context) {
        return Ok(());
    }
    Err(Error::Config(format!("n_positions is {context}: it must be 1 to {MAX_POSITIONS}")))
}

/// Endless rows of the world in this mix, and held-out rows beside them.
///
/// # Errors
/// [`Error::Config`] for a context that no model has.
pub fn world_material(mix: Mix, seed: u32, context: usize) -> Result<Material> {
    check_context(context)?;
    let held_out = WorldRows::held_out(mix, seed, context);
    let mut validation = vec![0; HELD_OUT_ROWS * (context + 1)];
    for (row, out) in validation.chunks_exact_mut(context + 1).enumerate() {
        held_out.fill(row as u64, out);
    }
    let training = WorldRows::training(mix, seed, context);
    Ok(Material {
        tokenizer: world_tokenizer()?,
        floor: Some(training.floor().nats),
        training: Training::Rows(Box::new(training)),
        validation,
        stride: context + 1,
        bigram: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_no_length_or_of_any_are_refused() {
        let text = Source::Text { text: "a rose is a rose ".repeat(400), vocab: 300 };
        for source in [Source::World { seed: 1 }, text] {
            let load = |context| CourseLoader.load(&source, context, None, &mut |_, _| {});
            assert!(load(8).is_ok());
            for context in [0, MAX_POSITIONS + 1, usize::MAX] {
                let refused = load(context).map(drop).map_err(|e| e.to_string());
                assert!(refused.as_ref().is_err_and(|e| e.contains("1 to 1024")), "{context}: {refused:?}");
            }
        }
    }
}
