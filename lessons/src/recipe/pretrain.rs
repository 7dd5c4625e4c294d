//! Pretraining as a part of a recipe: endless rows of the world, every step told to the host.

use super::Course;
use crate::loader::world_material;
use crate::world::Mix;
use gradus_core::model::ModelFolder;
use gradus_core::protocol::{ModelConfig, TrainConfig};
use gradus_core::train::{Measured, Trainer, Turns};
use gradus_core::{Error, Result};

/// Trains `model` on rows of `mix` and returns its folder. Metrics are said under `run`: `loss`,
/// `grad_norm`, `learning_rate`, `num_tokens`, and `eval_loss` (nats a token on held-out rows) every
/// `train.validate_every` steps and at the end.
///
/// # Errors
/// [`Error::Diverged`] if the loss stops being a number, [`Error::Stopped`] when the host wants no more, and the
/// device's errors.
pub async fn pretrain(
    course: &mut Course<'_>,
    run: &str,
    model: &ModelConfig,
    train: &TrainConfig,
    mix: Mix,
) -> Result<ModelFolder> {
    let material = world_material(mix, course.seed, model.n_positions)?;
    let tokenizer = material.tokenizer.clone();
    let model = ModelConfig { vocab_size: tokenizer.vocab_size(), ..model.clone() };
    let mut trainer = Trainer::new(course.take_device()?, &model, train, course.seed, material)?;
    trainer.init()?;
    advance(course, run, &mut trainer, &mut Turns::default(), train, train.steps).await?;
    let folder = trainer.folder(None, Some(tokenizer)).await?;
    course.put_back(trainer.into_device());
    Ok(folder)
}

/// Goes on with a run up to step `until`, as [`pretrain`] does.
///
/// # Errors
/// As [`pretrain`].
pub(super) async fn advance(
    course: &mut Course<'_>,
    run: &str,
    trainer: &mut Trainer,
    turns: &mut Turns<Measured>,
    train: &TrainConfig,
    until: u64,
) -> Result<()> {
    while trainer.step() < until {
        let now = trainer.step();
        let validation = match train.validate_every {
            0 => u64::MAX,
            every => every - now % every,
        };
        let steps = turns.due(0).min(until - now).min(validation).min(trainer.most_steps());
        let step = now + steps;
        let validates = steps == validation || step == train.steps;
        let turn = trainer.turn(steps)?;
        for m in turns.follow(turn, validates || step == until).await? {
            if !m.loss.is_finite() {
                return Err(Error::Diverged { step: m.step, loss: m.loss.to_string(), good: 0 });
            }
            let values = [
                ("loss", f64::from(m.loss)),
                ("grad_norm", f64::from(m.grad_norm)),
                ("learning_rate", trainer.learning_rate_at(m.step)),
                ("num_tokens", (m.step * trainer.tokens_per_step()) as f64),
            ];
            course.metrics(run, m.step, &values).await?;
        }
        course.progress(step, train.steps).await?;
        if validates {
            let loss = trainer.validate().await?;
            course.metrics(run, step, &[("eval_loss", loss)]).await?;
        }
    }
    Ok(())
}
