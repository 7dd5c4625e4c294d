//! The recipes: what each lesson runs, and the checks it must pass. The same code runs behind the page and
//! behind the command `gradus run`; only the [`Host`] differs.

pub mod attention;
pub mod base;
pub mod dpo;
pub mod few_shot;
pub mod flash_attention;
pub mod labels;
pub mod measure;
mod models;
pub mod preferences;
mod pretrain;
pub mod record;
pub mod rlhf;
pub mod rollout;
pub mod runner;
pub mod scaling_laws;
pub mod sft;
pub mod speculative_decoding;
pub mod tuning;

pub use base::base;
pub use models::{Models, Role};
pub use pretrain::pretrain;

use crate::check::Check;
use crate::null;
use gradus_core::device::Device;
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;

/// The eight lessons, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lesson {
    /// How big?
    ScalingLaws,
    /// What to build.
    Attention,
    /// The same mathematics, less traffic.
    FlashAttention,
    /// Learning without training.
    FewShot,
    /// From completing to answering.
    Sft,
    /// Reward model and PPO.
    Rlhf,
    /// Preferences without a reward model.
    Dpo,
    /// Several tokens a call.
    SpeculativeDecoding,
}

impl Lesson {
    /// In the order of the course.
    pub const ALL: [Self; 8] = [
        Self::ScalingLaws,
        Self::Attention,
        Self::FlashAttention,
        Self::FewShot,
        Self::Sft,
        Self::Rlhf,
        Self::Dpo,
        Self::SpeculativeDecoding,
    ];

    /// As in addresses and on the command line: `scaling-laws`.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::ScalingLaws => "scaling-laws",
            Self::Attention => "attention",
            Self::FlashAttention => "flash-attention",
            Self::FewShot => "few-shot",
            Self::Sft => "sft",
            Self::Rlhf => "rlhf",
            Self::Dpo => "dpo",
            Self::SpeculativeDecoding => "speculative-decoding",
        }
    }
}

/// How much is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// For tests: every part of the recipe, on the smallest model that shows its effect.
    Smoke,
    /// What a learner runs.
    #[default]
    Default,
    /// What is shipped.
    Full,
}

/// Something that happened in a recipe, for whoever watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "moment", rename_all = "snake_case")]
pub enum Moment {
    /// A part of the recipe began: "training the base model".
    Stage {
        /// What is being done.
        name: String,
    },
    /// How far the stage is.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all.
        of: u64,
    },
    /// Numbers of one step, under TRL's names where TRL has one.
    Metrics {
        /// Which of the recipe's runs: `d32`, `ppo`, `no-mask`.
        run: String,
        /// Its step, from 1.
        step: u64,
        /// Name and value.
        #[serde(deserialize_with = "null::named")]
        values: Vec<(String, f64)>,
    },
    /// A text that a model wrote.
    Text {
        /// Which of the recipe's runs.
        run: String,
        /// The step of the weights.
        step: u64,
        /// What it was given.
        prompt: String,
        /// What it answered.
        answer: String,
    },
    /// Answers that a policy is about to learn from.
    Rollouts {
        /// Which of the recipe's runs.
        run: String,
        /// The iteration that draws them.
        step: u64,
        /// Some of its answers.
        rollouts: Vec<rollout::Rollout>,
    },
    /// The data of a stage, as TRL reads it.
    Data {
        /// What it is: `preferences`.
        name: String,
        /// Lines in all; a record keeps fewer.
        lines: u64,
        /// One JSON object a line.
        jsonl: String,
    },
}

/// What a host answers a moment with: it resolves when the recipe should go on. A paused host lets it wait; a
/// stopped one answers [`Error::Stopped`].
pub type GoOn<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// Whoever watches a recipe: a terminal, a test, the page's worker.
pub trait Host {
    /// Told of everything that happens, at least a few times a second.
    fn moment(&mut self, moment: Moment) -> GoOn<'_>;
}

/// What a recipe works with.
pub struct Course<'h> {
    /// Seed of everything random.
    pub seed: u32,
    /// How much to run.
    pub size: Size,
    /// The models that lessons hand on: read where a stage begins from one, written where one is made.
    pub models: Models,
    device: Option<Box<dyn Device>>,
    host: &'h mut dyn Host,
}

/// What a lesson's run came to. `F` is what its pictures need beside the moments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report<F> {
    /// The table "measured beside expected".
    pub checks: Vec<Check>,
    /// Data for the lesson's pictures.
    pub figures: F,
}

impl<'h> Course<'h> {
    /// A course on `device`, with models made before (or none).
    pub fn new(
        device: Box<dyn Device>,
        seed: u32,
        size: Size,
        models: Models,
        host: &'h mut dyn Host,
    ) -> Self {
        Self { seed, size, models, device: Some(device), host }
    }

    /// Takes the device, for a trainer that owns it. [`put_back`](Self::put_back) it afterwards.
    ///
    /// # Errors
    /// [`Error::Graph`] if it was taken and not put back.
    pub fn take_device(&mut self) -> Result<Box<dyn Device>> {
        self.device.take().ok_or_else(|| Error::Graph("the course's device is in use".into()))
    }

    /// Gives the device back, everything on it freed.
    pub fn put_back(&mut self, mut device: Box<dyn Device>) {
        device.clear();
        self.device = Some(device);
    }

    /// Says what happened, and waits until the host lets the recipe go on.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the host wants no more.
    pub async fn say(&mut self, moment: Moment) -> Result<()> {
        self.host.moment(moment).await
    }

    /// Says that a part of the recipe begins.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub async fn stage(&mut self, name: &str) -> Result<()> {
        self.say(Moment::Stage { name: name.into() }).await
    }

    /// Says how far the stage is.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub async fn progress(&mut self, done: u64, of: u64) -> Result<()> {
        self.say(Moment::Progress { done, of }).await
    }

    /// Says a step's numbers.
    ///
    /// # Errors
    /// As [`say`](Self::say).
    pub async fn metrics(&mut self, run: &str, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let values = values.iter().map(|&(name, value)| (name.to_string(), value)).collect();
        self.say(Moment::Metrics { run: run.into(), step, values }).await
    }
}
