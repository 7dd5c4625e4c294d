//! The eight recipes, so small that a GPU emulated on the processor runs them: every part of each, a few steps of it.

use gradus_core::device::Device;
use gradus_core::protocol::{Attention, Init, ModelConfig, TrainConfig};
use gradus_core::{Error, Result};
use gradus_lessons::check::Check;
use gradus_lessons::recipe::{
    Course, GoOn, Host, Lesson, Models, Moment, Role, Size, attention, dpo, few_shot, flash_attention,
    preferences, pretrain, rlhf, runner, scaling_laws, sft, speculative_decoding,
};
use gradus_lessons::world::Mix;
use serde::Serialize;
use serde_json::Value;

/// Checks that hold however little was learned: identities, counts, chance.
pub const IDENTITIES: [(Lesson, &[&str]); 8] = [
    (Lesson::ScalingLaws, &["kinds-above-entropy"]),
    (
        Lesson::Attention,
        &["score-variance", "entropy-scaled", "rows-sum-to-one", "mask", "traced-head", "equal-parameters"],
    ),
    (
        Lesson::FlashAttention,
        &["counts-equal-formulas", "flash-output-error", "flash-gradient-error", "naive-output-error"],
    ),
    (Lesson::FewShot, &["weights-changed", "below-bayes-1-layer"]),
    (Lesson::Sft, &["base-answers"]),
    (Lesson::Rlhf, &["first-ratio", "k1-unbiased", "k3-unbiased"]),
    (Lesson::Dpo, &["first-loss", "closed-form"]),
    (Lesson::SpeculativeDecoding, &["greedy-identity", "acceptance-is-overlap", "sampled-law"]),
];

/// What a run said.
#[derive(Debug, Default)]
struct Told {
    stages: usize,
    metrics: usize,
    faults: Vec<String>,
}

impl Host for Told {
    fn moment(&mut self, moment: Moment) -> GoOn<'_> {
        match moment {
            Moment::Stage { .. } => self.stages += 1,
            Moment::Metrics { run, step, values } => {
                self.metrics += 1;
                let wrong = values.iter().filter(|v| !v.1.is_finite());
                self.faults.extend(wrong.map(|(name, x)| format!("{run}, step {step}: {name} is {x}")));
            }
            _ => {}
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

fn model(n_layer: usize, n_embd: usize) -> ModelConfig {
    ModelConfig {
        n_layer,
        n_embd,
        n_head: 2,
        n_positions: 64,
        vocab_size: 0,
        attention: Attention::Flash,
        scale_attn_weights: true,
        init: Init::World,
    }
}

fn train(steps: u64, batch: usize) -> TrainConfig {
    TrainConfig { steps, batch, warmup: 1, validate_every: 0, checkpoint_every: 0, ..TrainConfig::default() }
}

fn start() -> preferences::Settings {
    preferences::Settings {
        demonstrations: 40,
        start_steps: 2,
        replay: 1,
        prompts: 40,
        reward_steps: 2,
        ..preferences::Settings::of(Size::Smoke)
    }
}

fn json(settings: &impl Serialize) -> Result<Value> {
    serde_json::to_value(settings).map_err(|e| Error::Config(e.to_string()))
}

/// The settings of a lesson's smallest run.
fn settings(lesson: Lesson) -> Result<Value> {
    let size = Size::Smoke;
    match lesson {
        Lesson::ScalingLaws => json(&scaling_laws::Settings {
            widths: vec![8, 12, 16],
            layers: 1,
            context: 16,
            batch: 8,
            tokens: 2048,
            checkpoints: 4,
            warmup_tokens: 256,
            rows: 32,
            draws: 4,
            ..scaling_laws::Settings::of(size)
        }),
        Lesson::Attention => json(&attention::Settings {
            model: model(2, 16),
            train: train(4, 8),
            snapshots: 2,
            ablation_rows: 16,
            recall: (3, 16),
            widths: vec![4, 16],
            ..attention::Settings::of(size)
        }),
        Lesson::FlashAttention => {
            let mut settings = flash_attention::Settings::of(size);
            settings.counted.truncate(2);
            settings.crossing = 64;
            settings.timed = vec![64];
            settings.repetitions = 1;
            json(&settings)
        }
        Lesson::FewShot => json(&few_shot::Settings {
            layers: vec![1],
            n_embd: 16,
            steps: 4,
            watch_every: 4,
            shots: vec![0, 2],
            prompts: 32,
            ..few_shot::Settings::of(size)
        }),
        Lesson::Sft => json(&sft::Settings {
            pairs: 40,
            steps: 2,
            batch: 8,
            replay: 1,
            questions: 16,
            ..sft::Settings::of(size)
        }),
        Lesson::Rlhf => {
            let mut settings =
                rlhf::Settings { preferences: start(), evaluated: 16, ..rlhf::Settings::of(size) };
            settings.planted.reward_steps = 2;
            for ppo in [&mut settings.ppo, &mut settings.hacked, &mut settings.planted.ppo] {
                ppo.train.steps = 2;
                ppo.train.batch = 16;
            }
            json(&settings)
        }
        Lesson::Dpo => {
            let mut settings =
                dpo::Settings { preferences: start(), questions: 16, ..dpo::Settings::of(size) };
            for knobs in [&mut settings.dpo, &mut settings.collapse] {
                (knobs.steps, knobs.pairs) = (2, 8);
            }
            json(&settings)
        }
        Lesson::SpeculativeDecoding => {
            let mut settings = speculative_decoding::Settings {
                proposals: vec![2],
                prompts: 16,
                max_tokens: 12,
                timed: 1,
                compared: 16,
                samples: 250,
                broken_samples: 250,
                ..speculative_decoding::Settings::of(size)
            };
            for draft in &mut settings.drafts {
                (draft.model, draft.train) = (model(1, 8), train(4, 8));
            }
            json(&settings)
        }
    }
}

/// Runs one lesson on `device`, from a base model of a few steps; those of [`IDENTITIES`] among its checks have been made
/// and passed. Gives all checks, and the device for the next lesson: its kernels are built by then.
///
/// # Errors
/// Those of the run, and [`Error::Config`] where a check fails or is missing, or a metric is not a number.
pub async fn run(lesson: Lesson, device: Box<dyn Device>) -> Result<(Vec<Check>, Box<dyn Device>)> {
    let mut told = Told::default();
    let mut course = Course::new(device, 1, Size::Smoke, Models::default(), &mut told);
    if matches!(lesson, Lesson::Sft | Lesson::Rlhf | Lesson::Dpo | Lesson::SpeculativeDecoding) {
        let base = pretrain(&mut course, "base", &model(1, 16), &train(8, 8), Mix::FULL).await?;
        course.models.set(Role::Base, base);
    }
    let outcome = runner::run(Some(lesson), &mut course, &settings(lesson)?).await?;
    let device = course.take_device()?;
    let mut faults = std::mem::take(&mut told.faults);
    let wanted = IDENTITIES.iter().find(|(l, _)| *l == lesson).map_or(&[][..], |(_, names)| names);
    for name in wanted {
        match outcome.checks.iter().find(|c| c.name == *name) {
            Some(check) if check.passes() => {}
            Some(check) => faults.push(check.to_string()),
            None => faults.push(format!("there is no check {name}")),
        }
    }
    if told.stages == 0 || told.metrics == 0 {
        faults.push("nothing was told of the run".into());
    }
    if faults.is_empty() {
        Ok((outcome.checks, device))
    } else {
        Err(Error::Config(format!("{lesson:?}: {faults:#?}")))
    }
}
