//! What lessons 6 and 7 both begin from: a policy that learned from demonstrations of mixed quality, pairs of its
//! answers with a labeller's choice, and a reward model of those choices.

use super::{Course, Role, Size, base};
use crate::material::WorldRows;
use crate::world::Mix;
use crate::world::chat::{FORBIDDEN, Gold, MAX_ANSWER, Question, Split, demonstrations, judge, prefers_first};
use crate::world::vocabulary::END;
use gradus_core::Result;
use gradus_core::device::Data;
use gradus_core::generate::{Judge, JudgeShape, Rollout, RolloutShape};
use gradus_core::model::{ModelFolder, Params};
use gradus_core::protocol::{SampleConfig, Schedule, TrainConfig};
use gradus_core::rng::{Rng, Stream};
use gradus_core::train::{Example, Objective, Pace, Tuner, Tuning, sft_step};
use serde::{Deserialize, Serialize};

/// Tokens of the longest prompt.
pub const MAX_PROMPT: usize = 12;
/// Rows decoded at a time.
const ROLLOUT: usize = 128;

/// How policy, pairs and reward model are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Demonstrations of mixed quality.
    pub demonstrations: usize,
    /// The policy's fine-tuning on them; `batch` counts demonstrations.
    pub start: TrainConfig,
    /// Rows of the pretraining text beside each batch, against forgetting.
    pub replay: usize,
    /// Prompts that the policy answers twice.
    pub prompts: usize,
    /// What the labeller adds to the gold reward for each flattering word.
    pub bias: f64,
    /// The reward model's training; `batch` counts answers, two for each pair.
    pub reward: TrainConfig,
    /// Pairs that the reward model does not learn from.
    pub held_out: usize,
}

impl Settings {
    /// The settings of this size.
    pub fn of(size: Size) -> Self {
        let smoke = size == Size::Smoke;
        let train = |steps: u64, batch: usize, lr: f64| TrainConfig {
            steps,
            batch,
            lr,
            warmup: 20,
            schedule: Schedule::Linear,
            validate_every: 0,
            checkpoint_every: 0,
            ..TrainConfig::default()
        };
        Self {
            demonstrations: if smoke { 1_000 } else { 4_000 },
            start: train(if smoke { 150 } else { 500 }, 32, 1.5e-3),
            replay: 8,
            prompts: if smoke { 512 } else { 6_000 },
            bias: 0.0,
            reward: train(if smoke { 100 } else { 800 }, 64, 2e-3),
            held_out: if smoke { 100 } else { 500 },
        }
    }
}

/// Two answers to a question, and which of them the labeller preferred.
#[derive(Clone, Debug, PartialEq)]
pub struct Preference {
    /// What was asked.
    pub question: Question,
    /// The preferred answer.
    pub chosen: Vec<u32>,
    /// The other.
    pub rejected: Vec<u32>,
}

impl Preference {
    /// The gold rewards of chosen and rejected.
    pub fn golds(&self) -> [Gold; 2] {
        [judge(&self.question, &self.chosen), judge(&self.question, &self.rejected)]
    }
}

/// Of `pairs` whose gold rewards differ, the share where `prefers` agrees with them.
pub fn agreement(pairs: &[Preference], prefers: impl Fn(usize) -> bool) -> f64 {
    let told = |(i, pair): (usize, &Preference)| {
        let [chosen, rejected] = pair.golds().map(|g| g.value());
        (chosen != rejected).then_some((chosen > rejected) == prefers(i))
    };
    let told: Vec<bool> = pairs.iter().enumerate().filter_map(told).collect();
    told.iter().filter(|&&agrees| agrees).count() as f64 / told.len().max(1) as f64
}

/// The policy that RLHF and DPO begin from: the base model, fine-tuned on demonstrations of mixed quality with
/// the pretraining text replayed beside them. Kept as [`Role::RlStart`].
///
/// # Errors
/// As [`base`](super::base()), and the device's errors.
pub async fn start(course: &mut Course<'_>, settings: &Settings) -> Result<ModelFolder> {
    if let Some(model) = course.models.get(Role::RlStart) {
        return Ok(model.clone());
    }
    let base = base(course).await?;
    course.stage("fine-tuning on demonstrations of mixed quality").await?;
    let context = base.config.n_positions;
    let rows = WorldRows::training(Mix::FULL, course.seed ^ 0x5f7_0001, context);
    let shown: Vec<Example> = demonstrations(settings.demonstrations, course.seed)
        .iter()
        .map(|d| Example::answer(&d.question.prompt, &d.answer))
        .collect();
    let mut rng = Rng::at(course.seed, Stream::Batch, 0x5f7);
    let (batch, replay) = (settings.start.batch, settings.replay);
    let step = |step: u64| {
        let picked = (0..batch).map(|_| shown[rng.below(shown.len() as u32) as usize].clone()).collect();
        let replayed = (0..replay as u64).map(|i| {
            let mut row = vec![0; context + 1];
            rows.fill(step * replay as u64 + i, &mut row);
            Example::whole(&row)
        });
        sft_step(picked, replayed.collect(), 1.0)
    };
    let tuning = Tuning {
        objective: Objective::Sft,
        train: TrainConfig { batch: batch + replay, ..settings.start.clone() },
        context,
        lora: None,
        forbidden: Vec::new(),
    };
    let folder = tune(course, "rl-start", &base, &tuning, step).await?;
    course.models.set(Role::RlStart, folder.clone());
    Ok(folder)
}

/// Pairs of answers of `policy` to training questions, with a labeller's choice. Equal answers are left out.
///
/// # Errors
/// [`Stopped`](gradus_core::Error::Stopped) when the host wants no more, and the device's errors.
pub async fn pairs(
    course: &mut Course<'_>,
    policy: &ModelFolder,
    settings: &Settings,
) -> Result<Vec<Preference>> {
    course.stage("sampling pairs of answers, and labelling them").await?;
    let seed = course.seed.wrapping_add(0x9a12);
    let questions = Question::sample(settings.prompts, Split::Train, seed);
    let first = answers(course, policy, &questions, 1.0, seed).await?;
    let second = answers(course, policy, &questions, 1.0, seed.wrapping_add(1)).await?;
    let mut rng = Rng::at(seed, Stream::Chat, 9);
    let label = |(question, (a, b)): (Question, (Vec<u32>, Vec<u32>))| {
        let [one, two] = [&a, &b].map(|answer| judge(&question, answer));
        let (chosen, rejected) =
            if prefers_first(&one, &two, settings.bias, &mut rng) { (a, b) } else { (b, a) };
        Preference { question, chosen, rejected }
    };
    let different = first.into_iter().zip(second).zip(questions).filter(|((a, b), _)| a != b);
    Ok(different.map(|(answers, question)| (question, answers)).map(label).collect())
}

/// A reward model of `pairs` with the trunk of `policy`, and the share of the last `settings.held_out` pairs, which
/// it did not learn from, on which it agrees with the gold reward. Kept as [`Role::Reward`].
///
/// # Errors
/// As [`pairs`].
pub async fn reward_model(
    course: &mut Course<'_>,
    policy: &ModelFolder,
    pairs: &[Preference],
    settings: &Settings,
) -> Result<(ModelFolder, f64)> {
    let (learned, held) = pairs.split_at(pairs.len().saturating_sub(settings.held_out));
    course.stage("training the reward model").await?;
    let context = MAX_PROMPT + MAX_ANSWER;
    let scored = |question: &Question, answer: &[u32]| Example::scored(&[&question.prompt, answer].concat());
    let mut rng = Rng::at(course.seed, Stream::Batch, 0x2e3);
    let rows = settings.reward.batch / 2;
    let step = |_| {
        let pick = |_| &learned[rng.below(learned.len().max(1) as u32) as usize];
        let two = |p: &Preference| [scored(&p.question, &p.chosen), scored(&p.question, &p.rejected)];
        (0..rows).map(pick).flat_map(two).collect()
    };
    let train = settings.reward.clone();
    let tuning = Tuning { objective: Objective::Reward, train, context, lora: None, forbidden: Vec::new() };
    let folder = tune(course, "reward", policy, &tuning, step).await?;

    let mut device = course.take_device()?;
    let params = Params::scored(&folder.config);
    let shape = JudgeShape { prefix: "", batch: 64, context, forbidden: &[] };
    let judge = Judge::scores(&mut *device, &folder.config, &params, shape)?;
    device.write("params", 0, &Data::Float(params.flatten(&folder.tensors)))?;
    let rows: Vec<Example> = held
        .iter()
        .flat_map(|p| [scored(&p.question, &p.chosen), scored(&p.question, &p.rejected)])
        .collect();
    let scores = judge.judge(&mut *device, &rows).await?;
    course.put_back(device);
    course.models.set(Role::Reward, folder.clone());
    Ok((folder, agreement(held, |i| scores[2 * i] > scores[2 * i + 1])))
}

/// One answer of `policy` to each question, `<end>` included where it came to one. Temperature 0 is greedy.
///
/// # Errors
/// As [`pairs`].
pub async fn answers(
    course: &mut Course<'_>,
    policy: &ModelFolder,
    questions: &[Question],
    temperature: f32,
    seed: u32,
) -> Result<Vec<Vec<u32>>> {
    let mut device = course.take_device()?;
    let params = Params::new(&policy.config);
    let batch = ROLLOUT.min(questions.len().max(1));
    let shape = RolloutShape {
        prefix: "",
        batch,
        prompt: MAX_PROMPT,
        answer: MAX_ANSWER,
        forbidden: &FORBIDDEN,
    };
    let rollout = Rollout::new(&mut *device, &policy.config, &params, shape)?;
    device.write("params", 0, &Data::Float(params.flatten(&policy.tensors)))?;
    let mut made = Vec::with_capacity(questions.len());
    for (i, group) in questions.chunks(batch).enumerate() {
        let prompts: Vec<Vec<u32>> = group.iter().map(|q| q.prompt.clone()).collect();
        let settings = SampleConfig {
            max_tokens: MAX_ANSWER,
            temperature,
            seed: Rng::at(seed, Stream::Sample, i as u32).next_u32(),
            ..SampleConfig::default()
        };
        made.extend(rollout.run(&mut *device, &prompts, &settings, Some(END)).await?);
        course.progress(made.len() as u64, questions.len() as u64).await?;
    }
    course.put_back(device);
    Ok(made)
}

/// Fine-tunes `folder` on the steps that `step` makes (from 0), all metrics said under `run`.
async fn tune(
    course: &mut Course<'_>,
    run: &str,
    folder: &ModelFolder,
    tuning: &Tuning,
    mut step: impl FnMut(u64) -> Vec<Example>,
) -> Result<ModelFolder> {
    let mut tuner = Tuner::new(course.take_device()?, &folder.config, tuning)?;
    tuner.open(folder, course.seed)?;
    let steps = tuning.train.steps;
    let tokens = (tuner.rows_per_step() * tuning.context) as u64;
    let mut pace = Pace::default();
    while tuner.step() < steps {
        let now = tuner.step();
        let due = pace.due(0).min(steps - now).min(tuner.most_steps() as u64);
        let work: Vec<Vec<Example>> = (now..now + due).map(&mut step).collect();
        let done = pace.time(due, tokens, async {
            tuner.submit(&work)?;
            tuner.collect().await
        });
        for tuned in done.await? {
            course.metrics(run, tuned.step, &tuned.metrics).await?;
        }
        course.progress(tuner.step(), steps).await?;
    }
    let made = tuner.folder(folder.tokenizer.clone()).await?;
    course.put_back(tuner.into_device());
    Ok(made)
}
