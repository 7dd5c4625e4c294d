//! The base model: pretrained on the full mix of the world, it is what the lessons on fine-tuning begin from.

use super::{Course, Role, Size, pretrain};
use crate::world::Mix;
use gradus_core::Result;
use gradus_core::model::ModelFolder;
use gradus_core::protocol::{Attention, Init, ModelConfig, Schedule, TrainConfig};
use serde::{Deserialize, Serialize};

/// How the base model is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Its shape.
    pub model: ModelConfig,
    /// Its training.
    pub train: TrainConfig,
}

impl Settings {
    /// The base of this size: 177k parameters and 8M tokens, or a small quick one for tests.
    pub fn of(size: Size) -> Self {
        let (n_layer, n_embd, n_head, steps) = match size {
            Size::Smoke => (2, 32, 2, 500),
            Size::Default | Size::Full => (3, 64, 4, 3_900),
        };
        let model = ModelConfig {
            n_layer,
            n_embd,
            n_head,
            n_positions: 64,
            vocab_size: 0,
            attention: Attention::Flash,
            scale_attn_weights: true,
            init: Init::World,
        };
        let train = TrainConfig {
            steps,
            batch: 32,
            lr: 0.012 * (32.0 / n_embd as f64).sqrt(),
            warmup: steps / 20,
            schedule: Schedule::Linear,
            validate_every: 250,
            checkpoint_every: 0,
            ..TrainConfig::default()
        };
        Self { model, train }
    }
}

/// The course's base model; trained now if there is none yet.
///
/// # Errors
/// Those of [`pretrain`](super::pretrain()).
pub async fn base(course: &mut Course<'_>) -> Result<ModelFolder> {
    if let Some(model) = course.models.get(Role::Base) {
        return Ok(model.clone());
    }
    course.stage("training the base model").await?;
    let Settings { model, train } = Settings::of(course.size);
    let folder = pretrain(course, "base", &model, &train, Mix::FULL).await?;
    course.models.set(Role::Base, folder.clone());
    Ok(folder)
}
