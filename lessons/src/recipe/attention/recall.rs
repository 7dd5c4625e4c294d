//! Recall against distance: how often a model names again what it was told some tokens ago.

use crate::world::word::SEMICOLON;
use crate::world::{ANIMAL, EOS, MADE_UP};
use gradus_core::Result;
use gradus_core::device::{Device, Source};
use gradus_core::generate::Scorer;
use gradus_core::rng::{Rng, Stream};
use serde::{Deserialize, Serialize};

/// Recall at one distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// Tokens between the word's two places.
    pub distance: usize,
    /// Share of prompts whose likeliest next token is the meaning that was given.
    pub accuracy: f64,
}

/// A made-up dictionary of `lines` words, "zup fox ; bim goat ; …", ending with the word that stood `back`
/// lines before; and what it means.
fn prompt(seed: u32, index: u32, lines: usize, back: usize) -> (Vec<u32>, u32) {
    let mut rng = Rng::at(seed, Stream::Sample, 1 << 20 | (back as u32) << 12 | index);
    let mut words: Vec<u32> = (0..MADE_UP.len()).map(|w| MADE_UP.token(w)).collect();
    let mut meanings: Vec<u32> = (0..ANIMAL.len()).map(|a| ANIMAL.token(a)).collect();
    rng.shuffle(&mut words);
    rng.shuffle(&mut meanings);
    let mut tokens = vec![EOS];
    for (&word, &meaning) in words.iter().zip(&meanings).take(lines) {
        tokens.extend([word, meaning, SEMICOLON]);
    }
    tokens.push(words[lines - back]);
    (tokens, meanings[lines - back])
}

/// Accuracy at 1, 2, … `lines` lines back (3 tokens each), `prompts` dictionaries each. `scorer` has `batch`
/// rows of `context` tokens; `lines` is at most 31 and must fit the context.
///
/// # Errors
/// Those of [`Scorer::score`].
pub(super) async fn recall(
    scorer: &Scorer,
    device: &mut dyn Device,
    (batch, context, vocab): (usize, usize, usize),
    seed: u32,
    (lines, prompts): (usize, usize),
) -> Result<Vec<Recall>> {
    let mut out = Vec::with_capacity(lines);
    for back in 1..=lines {
        let all: Vec<(Vec<u32>, u32)> = (0..prompts).map(|i| prompt(seed, i as u32, lines, back)).collect();
        let mut right = 0;
        for group in all.chunks(batch) {
            // The scorer predicts a row's last token from those before it.
            let rows: Vec<Vec<u32>> =
                group.iter().map(|(p, answer)| [p.as_slice(), &[*answer]].concat()).collect();
            scorer.score(device, &rows).await?;
            let logits = device.read(Source::Node(scorer.program(), "logits".into())).await?.floats();
            let width = logits.len() / (batch * context);
            for (i, (prompt, answer)) in group.iter().enumerate() {
                let line = &logits[(i * context + prompt.len() - 1) * width..][..vocab];
                let best = (0..vocab).max_by(|&a, &b| line[a].total_cmp(&line[b]));
                right += usize::from(best == Some(*answer as usize));
            }
        }
        out.push(Recall { distance: 3 * back, accuracy: right as f64 / prompts as f64 });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::text;

    #[test]
    fn prompts_ask_for_what_they_told() {
        for back in [1, 4, 10] {
            let (tokens, answer) = prompt(1, 5, 10, back);
            assert_eq!(tokens.len(), 32);
            let asked = tokens[31];
            let told = tokens.iter().position(|&t| t == asked).unwrap();
            assert_eq!(31 - told, 3 * back, "{}", text(&tokens));
            assert_eq!(tokens[told + 1], answer);
        }
    }
}
