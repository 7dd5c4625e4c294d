//! A text continued, with what the model expected at every place.

use super::open::{Opened, next_tokens};
use super::words::{Candidate, PromptText, candidates, speaks_world, tokenizer};
use crate::world::chat::Question;
use crate::world::{END, EOS, text};
use gradus_core::device::Device;
use gradus_core::generate::Generator;
use gradus_core::model::ModelFolder;
use gradus_core::protocol::SampleConfig;
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What is to be continued, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Continue {
    /// From where.
    pub prompt: PromptText,
    /// At most so many tokens; fewer where the context ends.
    pub max_tokens: usize,
    /// 0: always the likeliest token (greedy).
    pub temperature: f32,
    /// Seed of what is drawn.
    pub seed: u32,
    /// How many candidates are told at each place.
    pub top: usize,
}

/// One token of the text, and what the model expected after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The token.
    pub token: u32,
    /// As it is shown.
    pub word: String,
    /// The probability that it had, given those before it; none for the first.
    pub p: Option<f64>,
    /// The likeliest tokens after it, likeliest first.
    pub next: Vec<Candidate>,
    /// Entropy of what may come after it, in nats.
    pub entropy: f64,
}

/// The prompt and what the model made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Continuation {
    /// All tokens, the prompt's first. Probabilities are the model's own, at temperature 1.
    pub places: Vec<Place>,
    /// How many of them are the prompt.
    pub prompt: usize,
    /// Whether the model itself came to an end (`<end>` or `<eos>`).
    pub ended: bool,
    /// The true answer, where the prompt is a question of the course's language that has one.
    pub truth: Option<String>,
    /// The model's parameters.
    pub parameters: u64,
    /// Weights whose bits differ after the answer.
    pub weights_changed: u64,
}

impl Continuation {
    /// What the model added.
    pub fn answer(&self) -> &[Place] {
        &self.places[self.prompt..]
    }
}

pub(super) async fn go_on(
    device: &mut dyn Device,
    model: &ModelFolder,
    ask: &Continue,
) -> Result<Continuation> {
    let words = tokenizer(model)?;
    let prompt = ask.prompt.tokens(words)?;
    let context = model.config.n_positions;
    if prompt.len() >= context {
        return Err(Error::Config(format!(
            "The prompt has {} tokens and this model's context is {context}: shorten it to {} or fewer.",
            prompt.len(),
            context - 1
        )));
    }
    let mut opened = Opened::new(model)?;
    let generator = Generator::new(device, &model.config, &opened.params)?;
    opened.load(device)?;
    let settings = SampleConfig {
        max_tokens: ask.max_tokens.min(context - prompt.len()),
        temperature: ask.temperature,
        seed: ask.seed,
        ..SampleConfig::default()
    };
    let stops: &[u32] = if speaks_world(words) { &[END, EOS] } else { &[] };
    let mut made = generator.generate(device, &prompt, &settings, None).await?;
    let end = made.iter().position(|t| stops.contains(t));
    made.truncate(end.map_or(made.len(), |i| i + 1));
    generator.release(device);

    let all = [prompt.as_slice(), &made].concat();
    let rows = next_tokens(device, model, &mut opened, std::slice::from_ref(&all)).await?;
    let row = rows.first().map_or(&[][..], Vec::as_slice);
    let places = all
        .iter()
        .zip(row)
        .enumerate()
        .map(|(i, (&token, p))| {
            let (next, entropy) = candidates(p, ask.top, words);
            let own = i.checked_sub(1).and_then(|before| row[before].get(token as usize).copied());
            Place { token, word: words.token(token), p: own, next, entropy }
        })
        .collect();
    Ok(Continuation {
        places,
        prompt: prompt.len(),
        ended: end.is_some(),
        truth: speaks_world(words).then(|| Question::find(&prompt)).flatten().map(|q| text(&q.truth)),
        parameters: model.config.parameters(),
        weights_changed: opened.changed(device).await?,
    })
}
