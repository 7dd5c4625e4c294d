//! Fine-tuning: a model that exists learns from examples which the host hands over in the order it wants.
//!
//! As in [`Trainer`](super::Trainer), many steps go into one submission, and metrics come back through a ring.

use super::check::check_train;
use super::example::Example;
use super::pace::Instant;
use super::plans::{TABLE, scalars, step_state, update_plan};
use super::turns::Turn;
use super::{learning_rate, objectives};
use crate::device::{Data, Device, Program, Reading, Source};
use crate::graph::{Plan, Spec, Tape, Value};
use crate::model::{Gpt, Lora, ModelFolder, Params, check_config, forbid, same_shape};
use crate::objective::dpo;
use crate::ops::{self, RING, STATE_WORDS, State, example_words};
use crate::protocol::{ModelConfig, TrainConfig};
use crate::text::Tokenizer;
use crate::{Error, Result};

/// What is learned from the examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// To write the weighted tokens; [`sft_step`](super::sft_step) sets the shares.
    Sft,
    /// To score examples 2i above examples 2i + 1, each at its weighted token.
    Reward,
    /// To prefer the answer of example 2i to that of 2i + 1.
    Dpo {
        /// β and the rest.
        loss: dpo::Dpo,
        /// Where the reference's log-probabilities come from.
        reference: Reference,
    },
}

/// Where DPO's reference log-probabilities come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// Computed once, and given in the examples ([`Example::first`]).
    Cached,
    /// Computed at each step by a frozen copy of the model as it was opened.
    Recomputed,
}

/// Settings of a fine-tuning run. `train.batch` counts rows: two for each pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuning {
    /// What is learned.
    pub objective: Objective,
    /// Optimizer, schedule, rows of a micro-batch.
    pub train: TrainConfig,
    /// Positions of the longest row: its tokens, less one except for [`Objective::Reward`].
    pub context: usize,
    /// Learn adapters instead of all weights.
    pub lora: Option<Lora>,
    /// Tokens whose probability is 0.
    pub forbidden: Vec<u32>,
}

/// A finished step under TRL's names: the objective's metrics, then `grad_norm`, `learning_rate`, `num_tokens`.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// The step, from 1.
    pub step: u64,
    /// Names and values.
    pub metrics: Vec<(&'static str, f64)>,
}

impl Tuned {
    /// The metric of this name; not a number if there is none.
    pub fn get(&self, name: &str) -> f64 {
        self.metrics.iter().find(|m| m.0 == name).map_or(f64::NAN, |m| m.1)
    }
}

/// A model in fine-tuning on one device.
pub struct Tuner {
    /// The device. The weights are its buffer `params`.
    pub device: Box<dyn Device>,
    /// The model's shape.
    pub model: ModelConfig,
    /// Where its parameters lie.
    pub params: Params,
    tuning: Tuning,
    step: u64,
    recorded: u64,
    /// Tokens learned from, after each step that is not collected yet.
    tokens: Vec<u64>,
    micro: Program,
    update: Program,
}

impl Tuner {
    /// Builds the plans and compiles them. The weights are still zero: see [`open`](Self::open).
    ///
    /// # Errors
    /// [`Error::Config`] for settings out of range, and the device's errors.
    pub fn new(mut device: Box<dyn Device>, model: &ModelConfig, tuning: &Tuning) -> Result<Self> {
        check_config(model)?;
        check(model, tuning)?;
        let params = match tuning.objective {
            Objective::Reward => Params::scored(model),
            _ => Params::new(model),
        };
        let learned = tuning.lora.map_or_else(|| params.clone(), |lora| lora.params(model));
        let metrics = objectives::names(tuning.objective).len();
        let micro = device.compile(micro_plan(model, &params, tuning)?)?;
        let update = device.compile(update_plan(prefix(tuning), &tuning.train, &learned, metrics)?)?;
        if !tuning.forbidden.is_empty() {
            device.write("forbidden", 0, &Data::Float(forbid(model, &tuning.forbidden)))?;
        }
        Ok(Self {
            device,
            model: model.clone(),
            params,
            tuning: tuning.clone(),
            step: 0,
            recorded: 0,
            tokens: vec![0],
            micro,
            update,
        })
    }

    /// Begins with the folder's weights. A reward model begins with the folder's scalar head; a folder that has
    /// none gives it zeros, so that every answer scores 0 and the loss is ln 2. `seed` draws LoRA's A.
    ///
    /// # Errors
    /// [`Error::Config`] for a folder of another shape, and the device's errors.
    pub fn open(&mut self, folder: &ModelFolder, seed: u32) -> Result<()> {
        if !same_shape(&folder.config, &self.model) {
            return Err(Error::Config("the model's shape is not the one these plans were made for".into()));
        }
        let weights = self.params.flatten(&folder.tensors)?;
        let prefix = prefix(&self.tuning);
        if let Some(lora) = &self.tuning.lora {
            self.device.write("lora.params", 0, &Data::Float(lora.init(&self.model, seed)))?;
        } else if let Objective::Dpo { reference: Reference::Recomputed, .. } = self.tuning.objective {
            self.device.write("reference.params", 0, &Data::Float(weights.clone()))?;
        }
        let learned = self.tuning.lora.map_or(self.params.len, |lora| lora.params(&self.model).len);
        self.device.write("params", 0, &Data::Float(weights))?;
        for name in ["m", "v", "grads"] {
            self.device.write(&format!("{prefix}{name}"), 0, &Data::Float(vec![0.0; learned]))?;
        }
        let metrics = vec![0.0; objectives::names(self.tuning.objective).len()];
        self.device.write(&format!("{prefix}metrics"), 0, &Data::Float(metrics))?;
        (self.step, self.recorded, self.tokens) = (0, 0, vec![0]);
        Ok(())
    }

    /// Steps submitted so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// How many steps can go into one submission.
    pub fn most_steps(&self) -> usize {
        TABLE / self.tuning.train.accumulate
    }

    /// Rows of a step.
    pub fn rows_per_step(&self) -> usize {
        self.tuning.train.accumulate * self.tuning.train.batch
    }

    /// Submits one step for each of `steps` (at most [`most_steps`](Self::most_steps)), which holds
    /// [`rows_per_step`](Self::rows_per_step) examples; does not wait for them.
    ///
    /// # Errors
    /// [`Error::Config`] for too many steps, other numbers of examples, rows that are too long or not of the
    /// vocabulary, and the device's errors.
    pub fn submit(&mut self, steps: &[Vec<Example>]) -> Result<()> {
        let Tuning { train, context, .. } = &self.tuning;
        let (rows, words) = (self.rows_per_step(), example_words(*context));
        if steps.len() > self.most_steps() || steps.iter().any(|s| s.len() != rows) {
            return Err(Error::Config(format!(
                "a submission takes at most {} steps of {rows} examples each",
                self.most_steps()
            )));
        }
        let (mut table, mut programs, mut data) = (Vec::new(), Vec::new(), Vec::new());
        let mut tokens = self.tokens.clone();
        for (i, step) in steps.iter().enumerate() {
            for example in step {
                example.write(*context, self.model.vocab_size, &mut data)?;
            }
            let state = step_state(train, self.step + 1 + i as u64);
            for micro in 0..train.accumulate {
                let row = ((i * train.accumulate + micro) * train.batch) as u32;
                table.extend(State { row, ..state }.words());
                programs.push(self.micro);
            }
            programs.push(self.update);
            let learned: usize = step.iter().map(|e| e.tokens.len()).sum();
            tokens.push(tokens.last().copied().unwrap_or(0) + learned as u64);
        }
        debug_assert!(data.len() <= TABLE * train.batch * words && table.len() <= TABLE * STATE_WORDS);
        // A device runs writes and submissions in order: the rows of the last submission have been read.
        self.device.write("examples", 0, &Data::U32(data))?;
        self.device.write("table", 0, &Data::U32(table))?;
        self.device.write("cursor", 0, &Data::U32(vec![0]))?;
        self.device.submit(&programs)?;
        self.step += steps.len() as u64;
        self.tokens = tokens;
        Ok(())
    }

    /// Submits one step for each of `steps`, as [`submit`](Self::submit) does, as a turn for [`Turns`](super::Turns) to
    /// follow.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn turn(&mut self, steps: &[Vec<Example>]) -> Result<Turn<Tuned>> {
        let begun = Instant::now();
        self.submit(steps)?;
        let done = !self.device.is_gpu();
        let tokens = (steps.len() * self.rows_per_step() * self.tuning.context) as u64;
        Ok(Turn { steps: steps.len() as u64, tokens, begun, done, metrics: self.collect() })
    }

    /// The metrics of steps that were submitted and not yet collected: to be awaited until they are done, while more
    /// may be submitted. A ring holds the last 256.
    pub fn collect(&mut self) -> Reading<'static, Vec<Tuned>> {
        let names = objectives::names(self.tuning.objective);
        let width = names.len() + 1;
        let source = Source::Buffer(format!("{}ring", prefix(&self.tuning)), 0..RING * width);
        let reading = self.device.read(source);
        let first = self.recorded.max(self.step.saturating_sub(RING as u64)) + 1;
        // What is known of the steps without the device.
        let steps = (first..=self.step).map(|step| {
            let tokens = self.tokens[(step - self.recorded) as usize];
            (step, learning_rate(&self.tuning.train, step), tokens)
        });
        let steps: Vec<(u64, f64, u64)> = steps.collect();
        self.tokens.drain(..(self.step - self.recorded) as usize);
        self.recorded = self.step;
        Box::pin(async move {
            let ring = reading.await?.floats();
            let tuned = |(step, lr, tokens): (u64, f64, u64)| {
                let values = &ring[step as usize % RING * width..][..width];
                let own = names.iter().zip(values).map(|(&name, &x)| (name, f64::from(x)));
                let further = [
                    ("grad_norm", f64::from(values[names.len()])),
                    ("learning_rate", lr),
                    ("num_tokens", tokens as f64),
                ];
                Tuned { step, metrics: own.chain(further).collect() }
            };
            Ok(steps.into_iter().map(tuned).collect())
        })
    }

    /// The weights as they stand, adapters merged in.
    pub async fn weights(&mut self) -> Result<Vec<f32>> {
        let all = Source::Buffer("params".into(), 0..self.params.len);
        let mut weights = self.device.read(all).await?.floats();
        if let Some(lora) = &self.tuning.lora {
            let len = lora.params(&self.model).len;
            let adapters = self.device.read(Source::Buffer("lora.params".into(), 0..len)).await?.floats();
            lora.merge(&self.model, &self.params, &mut weights, &adapters);
        }
        Ok(weights)
    }

    /// The model folder as it stands, adapters merged in: a plain GPT-2, with its scalar head if it is a
    /// reward model.
    pub async fn folder(&mut self, tokenizer: Option<Tokenizer>) -> Result<ModelFolder> {
        let weights = self.weights().await?;
        let tensors = self.params.tensors(&weights);
        Ok(ModelFolder { config: self.model.clone(), tensors, tokenizer, trainer: None })
    }

    /// Takes the device out, everything on it freed.
    pub fn into_device(mut self) -> Box<dyn Device> {
        self.device.clear();
        self.device
    }
}

/// Prefix of the buffers that learn.
fn prefix(tuning: &Tuning) -> &'static str {
    if tuning.lora.is_some() { "lora." } else { "" }
}

fn check(model: &ModelConfig, tuning: &Tuning) -> Result<()> {
    check_train(&tuning.train)?;
    let refuse = |message: String| Err(Error::Config(message));
    if tuning.context == 0 || tuning.context > model.n_positions {
        return refuse(format!(
            "rows of {} positions do not fit the model's context of {} (n_positions)",
            tuning.context, model.n_positions
        ));
    }
    if tuning.objective != Objective::Sft && !tuning.train.batch.is_multiple_of(2) {
        return refuse("pairs need an even number of rows in a batch".into());
    }
    if let Objective::Dpo { loss, .. } = tuning.objective {
        if !(loss.beta > 0.0 && loss.beta.is_finite()) {
            return refuse("beta must be a number above 0".into());
        }
        if !(0.0..0.5).contains(&loss.label_smoothing) {
            return refuse("label smoothing must be 0 or more and below 0.5".into());
        }
        if !(loss.nll >= 0.0 && loss.nll.is_finite()) {
            return refuse("the weight of the NLL must be 0 or more".into());
        }
    }
    match &tuning.lora {
        Some(_) if tuning.objective == Objective::Reward => {
            refuse("a reward model learns all its weights: its scalar head has no LoRA".into())
        }
        Some(lora) => lora.check(model),
        None => Ok(()),
    }
}

/// Scalars, examples, forward, objective, backward: gradients are added to `{prefix}grads`.
fn micro_plan(model: &ModelConfig, params: &Params, tuning: &Tuning) -> Result<Plan> {
    let mut tape = Tape::new();
    let bias = (!tuning.forbidden.is_empty())
        .then(|| tape.buffer("forbidden", Spec::float([model.vocab_size.next_multiple_of(4)])));
    let biased = |gpt: Gpt| match bias {
        Some(bias) => gpt.with_logit_bias(bias),
        None => gpt,
    };
    let mut gpt = biased(Gpt::named(&mut tape, "", model, params, tuning.lora.is_none())?);
    // Without its adapters the model is its own reference.
    let frozen = if tuning.lora.is_some() { "" } else { "reference." };
    let reference = match tuning.objective {
        Objective::Dpo { reference: Reference::Recomputed, .. } => {
            Some(biased(Gpt::named(&mut tape, frozen, model, params, false)?))
        }
        _ => None,
    };
    if let Some(lora) = &tuning.lora {
        gpt = gpt.with_lora(&mut tape, lora, true)?;
    }
    let state = scalars(&mut tape)?;
    let (batch, context) = (tuning.train.batch, tuning.context);
    let rows = tape.buffer("examples", Spec::u32([TABLE * batch * example_words(context)]));
    let parts = tape.push("examples", ops::Examples { batch, context }, &[rows, state])?;
    let count = objectives::names(tuning.objective).len();
    let metrics: Value = tape.buffer(&format!("{}metrics", prefix(tuning)), Spec::float([count]));
    let scale = 1.0 / tuning.train.accumulate as f64;
    let seed = match tuning.objective {
        Objective::Sft => objectives::sft(&mut tape, &gpt, &parts, metrics)?,
        Objective::Reward => objectives::reward(&mut tape, &gpt, &parts, metrics, scale)?,
        Objective::Dpo { loss, .. } => {
            objectives::dpo(&mut tape, &gpt, reference.as_ref(), &parts, metrics, ops::Dpo { loss, scale })?
        }
    };
    tape.backward(&[seed])?;
    Ok(Plan::new("tune", &tape, &[]))
}
