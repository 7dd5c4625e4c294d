//! How large a model is, and how well it predicts text that no model was trained on.

use super::open::finite;
use super::words::{speaks_world, tokenizer};
use crate::material::WorldRows;
use crate::world::{Mix, Row};
use gradus_core::Result;
use gradus_core::device::{Data, Device};
use gradus_core::generate::Scorer;
use gradus_core::model::{ModelFolder, Params};
use serde::{Deserialize, Serialize};

/// Held-out rows on which every model of the course is measured alike.
const ROWS: u64 = 48;
/// Their seed: no recipe's.
const SEED: u32 = 4_242;

/// A model in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Parameters.
    pub parameters: u64,
    /// L.
    pub n_layer: usize,
    /// H.
    pub n_head: usize,
    /// C.
    pub n_embd: usize,
    /// The longest text it reads, in tokens.
    pub n_positions: usize,
    /// Whether it is a reward model.
    pub scored: bool,
    /// Its loss on the course's language; none for a reward model, or one of another vocabulary.
    pub held_out: Option<HeldOut>,
}

/// Loss on held-out text of the course's language.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Nats a token.
    pub loss: f64,
    /// What no model gets below on the same tokens: their exact surprisal, nats a token.
    pub floor: f64,
    /// How many tokens.
    pub tokens: u64,
}

pub(super) async fn describe(device: &mut dyn Device, model: &ModelFolder) -> Result<Description> {
    let config = &model.config;
    let readable = !model.scored() && tokenizer(model).is_ok_and(speaks_world);
    let held_out = if readable { Some(held_out(device, model).await?) } else { None };
    Ok(Description {
        parameters: config.parameters() + if model.scored() { config.n_embd as u64 } else { 0 },
        n_layer: config.n_layer,
        n_head: config.n_head,
        n_embd: config.n_embd,
        n_positions: config.n_positions,
        scored: model.scored(),
        held_out,
    })
}

async fn held_out(device: &mut dyn Device, model: &ModelFolder) -> Result<HeldOut> {
    let context = model.config.n_positions.min(64);
    let world = WorldRows::held_out(Mix::FULL, SEED, context);
    let rows: Vec<Row> = (0..ROWS).map(|i| world.row(i)).collect();
    let tokens: Vec<Vec<u32>> = rows.iter().map(|r| r.tokens.clone()).collect();
    let params = Params::new(&model.config);
    let scorer = Scorer::new(device, &model.config, &params, 16, context)?;
    device.write("params", 0, &Data::Float(params.flatten(&model.tensors)?))?;
    let scored = scorer.score(device, &tokens).await?;
    scorer.release(device);
    let count = scored.iter().map(Vec::len).sum::<usize>() as f64;
    let floor = rows.iter().flat_map(|r| &r.surprisal).map(|&s| f64::from(s)).sum::<f64>() / count;
    let loss = -scored.iter().flatten().map(|&p| f64::from(p)).sum::<f64>() / count;
    finite(&[loss])?;
    Ok(HeldOut { loss, floor, tokens: count as u64 })
}
