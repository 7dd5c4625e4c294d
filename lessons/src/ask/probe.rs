//! Every number of attention over a text of the learner's own, heads cut out at will.

use super::open::{Opened, finite};
use super::words::{Candidate, PromptText, candidates, softmax, tokenizer};
use crate::instruments::{Lens, Probe, without_head};
use gradus_core::device::Device;
use gradus_core::model::ModelFolder;
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeText {
    /// The text.
    pub prompt: PromptText,
    /// Heads that are cut out: layer and number.
    pub without: Vec<[usize; 2]>,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// The numbers.
    pub probe: Probe,
    /// The tokens as they are shown.
    pub words: Vec<String>,
    /// What the model expects after the text.
    pub next: Vec<Candidate>,
    /// ln p of each token given those before it, from the second on.
    pub logp: Vec<f32>,
}

pub(super) async fn probe(device: &mut dyn Device, model: &ModelFolder, ask: &ProbeText) -> Result<Probed> {
    let words = tokenizer(model)?;
    let tokens = ask.prompt.tokens(words)?;
    let config = &model.config;
    if tokens.len() > config.n_positions {
        return Err(Error::Config(format!(
            "The text has {} tokens and this model's context is {}: shorten it.",
            tokens.len(),
            config.n_positions
        )));
    }
    let opened = Opened::new(model)?;
    let mut weights = opened.params.flatten(&model.tensors)?;
    for &[layer, head] in &ask.without {
        if layer >= config.n_layer || head >= config.n_head {
            let (l, h) = (config.n_layer, config.n_head);
            return Err(Error::Config(format!(
                "There is no head {head} in layer {layer}: the model has {l} layers of {h} heads, counted from 0."
            )));
        }
        weights = without_head(&weights, &opened.params, config, layer, head);
    }
    let lens = Lens::new(device, config, &opened.params, 1, tokens.len())?;
    lens.load(device, &weights)?;
    let look = lens.look(device, std::slice::from_ref(&tokens)).await?;
    let logits = lens.logits(device, 0, tokens.len() - 1).await?;
    lens.release(device);
    let probe = Probe::of(&look, 0, &tokens);
    let seen = [&probe.normed, &probe.qkv, &probe.probs, &probe.mixed, &look.logp];
    seen.into_iter().flatten().chain([&logits]).try_for_each(|values| finite(values))?;
    Ok(Probed {
        probe,
        words: tokens.iter().map(|&t| words.token(t)).collect(),
        next: candidates(&softmax(&logits), 5, words).0,
        logp: look.logp.into_iter().next().unwrap_or_default(),
    })
}
