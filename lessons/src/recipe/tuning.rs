//! What the lessons on fine-tuning share: a run of the tuner told to the host, answers in batches, forgetting.

use super::Course;
use crate::loader::world_material;
use crate::world::Mix;
use crate::world::chat::{FORBIDDEN, Gold, MAX_ANSWER, Question, judge};
use crate::world::{END, text};
use gradus_core::device::{Data, Device};
use gradus_core::generate::{Judge, JudgeShape, Rollout, RolloutShape};
use gradus_core::model::{ModelFolder, Params};
use gradus_core::protocol::{SampleConfig, Schedule, TrainConfig};
use gradus_core::train::{Example, Tuned, Tuner, Tuning, Turns};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Prompts answered in one submission.
const BATCH: usize = 128;
/// Rows judged in one submission.
const ROWS: usize = 64;

/// Optimizer settings of a fine-tuning stage: short warm-up, then straight down to 0.
pub fn linear(steps: u64, rows: usize, lr: f64, weight_decay: f64) -> TrainConfig {
    TrainConfig {
        steps,
        batch: rows,
        lr,
        warmup: (steps / 25).max(1),
        schedule: Schedule::Linear,
        weight_decay,
        ..TrainConfig::default()
    }
}

/// Fine-tunes `start`; `rows` gives the examples of each step (from 1). Metrics are said under `run`,
/// and come back with the model.
///
/// # Errors
/// [`Error::Diverged`] if the loss stops being a number, [`Error::Stopped`] when the host wants no more, and the
/// device's errors.
pub async fn tune(
    course: &mut Course<'_>,
    run: &str,
    start: &ModelFolder,
    tuning: &Tuning,
    rows: impl FnMut(u64) -> Vec<Example>,
) -> Result<(ModelFolder, Vec<Tuned>)> {
    let (mut folders, history) =
        tune_keeping(course, run, start, tuning, rows, &[tuning.train.steps]).await?;
    let folder =
        folders.pop().ok_or_else(|| Error::Config("a run of no steps: give it at least one".into()))?;
    Ok((folder, history))
}

/// As [`tune`]; gives the model as it was after each of the steps `keep` (ascending; later ones than the last step are
/// left out).
///
/// # Errors
/// As [`tune`].
pub async fn tune_keeping(
    course: &mut Course<'_>,
    run: &str,
    start: &ModelFolder,
    tuning: &Tuning,
    mut rows: impl FnMut(u64) -> Vec<Example>,
    keep: &[u64],
) -> Result<(Vec<ModelFolder>, Vec<Tuned>)> {
    let mut folders = Vec::new();
    let mut tuner = Tuner::new(course.take_device()?, &start.config, tuning)?;
    tuner.open(start, course.seed)?;
    let mut turns = Turns::default();
    let mut history = Vec::new();
    let all = tuning.train.steps;
    while tuner.step() < all {
        let now = tuner.step();
        // How a run is cut into submissions changes no bit of it.
        let stop = keep.iter().copied().find(|&k| k > now).unwrap_or(all).min(all);
        let steps = turns.due(0).min(stop - now).min(tuner.most_steps() as u64);
        let examples: Vec<Vec<Example>> = (now + 1..=now + steps).map(&mut rows).collect();
        let turn = tuner.turn(&examples)?;
        for step in turns.follow(turn, now + steps == stop).await? {
            let loss = step.get("loss");
            if !loss.is_finite() {
                return Err(Error::Diverged { step: step.step, loss: loss.to_string(), good: 0 });
            }
            course.metrics(run, step.step, &step.metrics).await?;
            history.push(step);
        }
        course.progress(tuner.step(), all).await?;
        if keep.contains(&tuner.step()) {
            folders.push(tuner.folder(start.tokenizer.clone()).await?);
        }
    }
    course.put_back(tuner.into_device());
    Ok((folders, history))
}

/// How a model answered a set of questions, in means over the questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// Share with the true statement.
    pub correct: f64,
    /// Share that came to `<end>`.
    pub stopped: f64,
    /// Share with a friendly word.
    pub friendly: f64,
    /// Mean number of tokens.
    pub length: f64,
    /// Mean number of flattering words. Runs kept by earlier versions lack it.
    #[serde(default)]
    pub flattery: f64,
    /// Mean gold reward.
    pub gold: f64,
}

impl Answered {
    /// The means of `golds`.
    pub fn mean(golds: &[Gold]) -> Self {
        let n = golds.len().max(1) as f64;
        let mean = |of: &dyn Fn(&Gold) -> f64| golds.iter().map(of).sum::<f64>() / n;
        Self {
            correct: mean(&|g| f64::from(u8::from(g.correct))),
            stopped: mean(&|g| f64::from(u8::from(g.stopped))),
            friendly: mean(&|g| f64::from(u8::from(g.friendly))),
            length: mean(&|g| g.length as f64),
            flattery: mean(&|g| g.flattery as f64),
            gold: mean(&Gold::value),
        }
    }
}

/// An answer of `model` to each question, drawn at `temperature` (0 is greedy) from `seed`.
///
/// # Errors
/// The device's errors, and [`Error::Stopped`].
pub async fn answers(
    course: &mut Course<'_>,
    model: &ModelFolder,
    questions: &[Question],
    temperature: f32,
    seed: u32,
) -> Result<Vec<Vec<u32>>> {
    let prompts: Vec<Vec<u32>> = questions.iter().map(|q| q.prompt.clone()).collect();
    let settings = SampleConfig { temperature, seed, max_tokens: MAX_ANSWER, ..SampleConfig::default() };
    rollouts(course, model, &prompts, &settings, &FORBIDDEN, Some(END)).await
}

async fn rollouts(
    course: &mut Course<'_>,
    model: &ModelFolder,
    prompts: &[Vec<u32>],
    settings: &SampleConfig,
    forbidden: &[u32],
    stop: Option<u32>,
) -> Result<Vec<Vec<u32>>> {
    let params = Params::new(&model.config);
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(1);
    let shape = RolloutShape {
        prefix: "",
        batch: BATCH.min(prompts.len().max(1)),
        prompt: longest,
        answer: settings.max_tokens,
        forbidden,
    };
    let mut device = course.take_device()?;
    let rollout = Rollout::new(&mut *device, &model.config, &params, shape)?;
    device.write("params", 0, &Data::Float(params.flatten(&model.tensors)?))?;
    let count = prompts.len() as u64;
    let mut all = Vec::with_capacity(prompts.len());
    for (group, prompts) in prompts.chunks(shape.batch).enumerate() {
        let seed = settings.seed.wrapping_add((group as u32).wrapping_mul(0x9E37_79B9));
        let settings = SampleConfig { seed, ..settings.clone() };
        all.extend(rollout.run(&mut *device, prompts, &settings, stop).await?);
        course.progress(all.len() as u64, count).await?;
    }
    course.put_back(device);
    Ok(all)
}

/// Greedy answers, judged; the first few are said under `run`.
///
/// # Errors
/// As [`answers`].
pub async fn examine(
    course: &mut Course<'_>,
    run: &str,
    model: &ModelFolder,
    questions: &[Question],
) -> Result<(Answered, Vec<Vec<u32>>)> {
    let made = answers(course, model, questions, 0.0, course.seed).await?;
    for (question, answer) in questions.iter().zip(&made).take(4) {
        let moment = super::Moment::Text {
            run: run.into(),
            step: 0,
            prompt: text(&question.prompt),
            answer: text(answer),
        };
        course.say(moment).await?;
    }
    let golds: Vec<Gold> = questions.iter().zip(&made).map(|(q, a)| judge(q, a)).collect();
    Ok((Answered::mean(&golds), made))
}

/// The ceiling of fine-tuning: the share of the questions whose statement the model completes rightly, as the
/// pretraining text would have it.
///
/// # Errors
/// As [`answers`].
pub async fn ceiling(course: &mut Course<'_>, model: &ModelFolder, questions: &[Question]) -> Result<f64> {
    let (prompts, words): (Vec<_>, Vec<_>) = questions.iter().map(Question::statement).unzip();
    let settings = SampleConfig { temperature: 0.0, max_tokens: 1, ..SampleConfig::default() };
    let made = rollouts(course, model, &prompts, &settings, &[], None).await?;
    let right = made.iter().zip(&words).filter(|(a, w)| a.first() == Some(*w)).count();
    Ok(right as f64 / questions.len().max(1) as f64)
}

/// Loss in nats a token on held-out rows of the pretraining text.
///
/// # Errors
/// The device's errors.
pub async fn pretraining_loss(course: &mut Course<'_>, model: &ModelFolder) -> Result<f64> {
    let context = model.config.n_positions;
    let material = world_material(Mix::FULL, course.seed, context)?;
    let rows: Vec<Example> = material.validation.chunks_exact(context + 1).map(Example::whole).collect();
    let sums = log_probs(course, model, &rows, context, &[]).await?;
    let tokens: f64 = rows.iter().map(Example::weight).sum();
    Ok(-sums.iter().map(|&x| f64::from(x)).sum::<f64>() / tokens)
}

/// `Σ w · ln p` of each row under `model`.
///
/// # Errors
/// The device's errors.
pub async fn log_probs(
    course: &mut Course<'_>,
    model: &ModelFolder,
    rows: &[Example],
    context: usize,
    forbidden: &[u32],
) -> Result<Vec<f32>> {
    let params = Params::new(&model.config);
    let shape = JudgeShape { prefix: "", batch: ROWS, context, forbidden };
    let mut device = course.take_device()?;
    let judge = Judge::log_probs(&mut *device, &model.config, &params, shape)?;
    let sums = judged(&mut *device, &judge, &params, model, rows).await?;
    course.put_back(device);
    Ok(sums)
}

/// The score of each row under a reward model.
///
/// # Errors
/// The device's errors.
pub async fn scores(
    course: &mut Course<'_>,
    model: &ModelFolder,
    rows: &[Example],
    context: usize,
) -> Result<Vec<f32>> {
    let params = Params::scored(&model.config);
    let shape = JudgeShape { prefix: "", batch: ROWS, context, forbidden: &[] };
    let mut device = course.take_device()?;
    let judge = Judge::scores(&mut *device, &model.config, &params, shape)?;
    let sums = judged(&mut *device, &judge, &params, model, rows).await?;
    course.put_back(device);
    Ok(sums)
}

async fn judged(
    device: &mut dyn Device,
    judge: &Judge,
    params: &Params,
    model: &ModelFolder,
    rows: &[Example],
) -> Result<Vec<f32>> {
    device.write("params", 0, &Data::Float(params.flatten(&model.tensors)?))?;
    judge.judge(device, rows).await
}
