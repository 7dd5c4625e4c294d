//! Lesson 6: a reward model learns what a labeller prefers, PPO makes the policy earn it, and without the charge
//! for leaving the reference the policy earns it by other means than were meant.

mod checks;
mod curve;
mod divergence;

use self::divergence::Divergence;
use super::labels::{Comparison, comparisons};
use super::preferences::{self, Preference, labels_agree, learn_rewards, relabelled, reward_model, rl_start};
use super::rollout::Rollout;
use super::tuning::{Answered, answers};
use super::{Course, Moment, Report, Role, Size};
use crate::check::{Check, Expected};
use crate::world::END;
use crate::world::chat::{FORBIDDEN, Gold, MAX_ANSWER, Question, Split, judge};
use gradus_core::Result;
use gradus_core::model::ModelFolder;
use gradus_core::protocol::{Schedule, TrainConfig};
use gradus_core::train::{Iteration, ModelBytes, Ppo, PpoConfig};
use serde::{Deserialize, Serialize};
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// Tokens of the longest prompt.
const MAX_PROMPT: usize = 12;
/// Iterations at the end whose tokens the estimators of KL are compared on.
const LAST: usize = 10;
/// Answers of each iteration that are shown.
const SHOWN: usize = 4;
/// Pairs that a learner may label.
const COMPARED: usize = 24;

/// What a learner can turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The policy it begins from, the pairs and the reward model. `bias` plants a fault in the labels.
    pub preferences: preferences::Settings,
    /// PPO as it should be.
    pub ppo: PpoConfig,
    /// PPO without a charge for KL.
    pub hacked: PpoConfig,
    /// PPO for a labeller with a planted fault.
    pub planted: Planted,
    /// Prompts that the gold reward is measured on.
    pub evaluated: usize,
    /// Whether the size suffices for the checks of the gold reward; without, only identities are checked.
    pub outcomes: bool,
}

/// The third run: the same pairs, labelled anew by someone who falls for flattery; a reward model that learns it
/// from the labels; and a policy that earns it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planted {
    /// What the labeller likes each flattering word by, in units of gold reward. 0 leaves the run out.
    pub bias: f64,
    /// Steps of its reward model.
    pub reward_steps: u64,
    /// Its PPO.
    pub ppo: PpoConfig,
}

impl Settings {
    /// The settings of this size.
    pub fn of(size: Size) -> Self {
        let smoke = size == Size::Smoke;
        // The runs differ in what they charge, and in nothing else that makes them learn faster.
        let ppo = |kl_coef: f64, steps: u64| PpoConfig {
            train: TrainConfig {
                steps: if smoke { steps / 10 } else { steps },
                batch: if smoke { 32 } else { 128 },
                lr: 3e-4,
                warmup: 5,
                schedule: Schedule::Constant,
                beta2: 0.95,
                weight_decay: 0.0,
                ..TrainConfig::default()
            },
            num_ppo_epochs: 2,
            num_mini_batches: 2,
            kl_coef,
            vf_coef: 1.0,
            temperature: 1.0,
            response_length: MAX_ANSWER,
            prompt_length: MAX_PROMPT,
            stop: END,
            forbidden: FORBIDDEN.to_vec(),
            standardise: true,
            ..PpoConfig::default()
        };
        Self {
            preferences: preferences::Settings::of(size),
            ppo: ppo(0.2, 60),
            hacked: ppo(0.0, 60),
            planted: Planted { bias: 1.5, reward_steps: if smoke { 40 } else { 400 }, ppo: ppo(0.02, 60) },
            evaluated: if smoke { 64 } else { 400 },
            outcomes: !smoke,
        }
    }
}

/// One iteration's means over its answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// How the answers were.
    #[serde(flatten)]
    pub answered: Answered,
    /// The reward model's score, in deviations of the first iteration's.
    pub proxy: f64,
    /// Exact KL of an answer to the reference, in nats.
    pub kl: f64,
}

/// What an estimate of the KL says, over tokens, beside the exact one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate's mean, in nats a token.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
    /// What its mean is beyond the exact one, in exact standard errors. Of k3 without tokens below
    /// [`RARE`](gradus_core::train::RARE).
    pub z: f64,
}

/// Gao et al. 2022 (arXiv 2210.10760), §3.2: gold gained = d(α − β ln d), d = √KL.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gao {
    /// α.
    pub alpha: f64,
    /// β.
    pub beta: f64,
    /// Share of the variance that the form explains.
    pub r2: f64,
}

/// What the lesson's pictures need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// PPO, iteration by iteration.
    pub ppo: Vec<Point>,
    /// The same without a charge for KL.
    pub hacked: Vec<Point>,
    /// The run for labels with a planted fault, iteration by iteration; empty where it was left out, and in runs
    /// kept by earlier versions.
    #[serde(default)]
    pub planted: Vec<Point>,
    /// Share of the pairs, of unequal gold reward, in which the faulty labeller agrees with the gold reward.
    #[serde(default)]
    pub planted_labels: Option<f64>,
    /// The exact KL in nats a token, and its deviation, over PPO's last iterations.
    pub exact: [f64; 2],
    /// k1 there.
    pub k1: Estimate,
    /// k3 there.
    pub k3: Estimate,
    /// What tokens below [`RARE`](gradus_core::train::RARE) add to k3's exact mean, in nats a token.
    #[serde(default)]
    pub rare: Option<f64>,
    /// Gao's form, fitted to the hacked run.
    pub gao: Gao,
    /// The four models.
    pub models: Vec<ModelBytes>,
    /// Gold reward on the evaluation prompts, before and after PPO.
    pub gold: [f64; 2],
    /// Share of true answers there, before and after PPO: the reward may be earned in other ways.
    pub correct: [f64; 2],
    /// Pairs of the training part for a learner to label.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    /// What the reward model came to.
    #[serde(default)]
    pub judge: Judge,
    /// How long the reward model's training and PPO took, in seconds.
    #[serde(default)]
    pub seconds: [f64; 2],
}

/// The reward model, and what it learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judge {
    /// Pairs of the rule's labeller in its training part.
    pub pairs: usize,
    /// Pairs labelled by hand.
    pub own: usize,
    /// How often each of those was put among the others.
    pub weight: usize,
    /// Whether it learned from those alone.
    pub alone: bool,
    /// Share of held-out pairs on which it agrees with the gold reward.
    pub gold: f64,
    /// Share of the labels that agree with the gold reward.
    pub labels: f64,
}

/// Runs the lesson.
///
/// # Errors
/// [`Stopped`](gradus_core::Error::Stopped) when the host wants no more, and the engine's errors.
pub async fn run(course: &mut Course<'_>, settings: &Settings) -> Result<Report<Figures>> {
    let start = rl_start(course, &settings.preferences).await?;
    let labelled = preferences::preferences(course, &start, &settings.preferences).await?;
    let clock = Instant::now();
    let (reward, agreed) = reward_model(course, &start, &labelled, &settings.preferences).await?;
    let judging = clock.elapsed().as_secs_f64();
    let compared = comparisons(course, &reward, &labelled, COMPARED).await?;
    let before = evaluate(course, &start, settings).await?;
    course.stage("PPO").await?;
    let clock = Instant::now();
    let kept = optimise(course, "ppo", [&start, &reward], &settings.ppo).await?;
    let optimising = clock.elapsed().as_secs_f64();
    let after = evaluate(course, &kept.policy, settings).await?;
    course.models.set(Role::Ppo, kept.policy.clone());
    course.stage("PPO without a charge for KL").await?;
    let hacked = optimise(course, "ppo-hacked", [&start, &reward], &settings.hacked).await?;

    let planted = planted(course, [&start, &reward], &labelled, settings).await?;

    let Divergence { exact, k1, k3, rare } = Divergence::of(&kept.tail);
    let mut all = vec![
        Check::new(
            "first-ratio",
            "largest |π/π_old − 1| in the first minibatch of every iteration",
            planted.iter().map(|p| p.run.deviation).fold(kept.deviation.max(hacked.deviation), f64::max),
            "",
            Expected::Exactly(0.0),
            "identity: nothing has been learned from these answers yet (Schulman et al. 2017, §3)",
        ),
        Check::new(
            "k1-unbiased",
            "k1's mean less the exact KL's, in exact standard errors",
            k1.z.abs(),
            "se",
            Expected::AtMost(4.0),
            "E[k1] = KL at each token (Schulman 2020); 4 standard errors",
        ),
        Check::new(
            "k3-unbiased",
            "k3's mean less its exact one, tokens below 1 in 1,000 left out, in exact standard errors",
            k3.z.abs(),
            "se",
            Expected::AtMost(4.0),
            "E[k3] = KL at each token (Schulman 2020); 4 standard errors; of tokens rarer than that a sample says nothing",
        ),
    ];
    if settings.outcomes {
        let gained = after.gold - before.gold;
        all.extend(checks::outcomes(&kept, &hacked, labels_agree(&labelled), agreed, gained));
        all.extend(planted.iter().flat_map(|p| checks::planted(&p.run, &kept)));
    }
    let figures = Figures {
        exact,
        k1,
        k3,
        rare: Some(rare),
        gao: curve::gao(&hacked.curve),
        models: kept.models,
        gold: [before.gold, after.gold],
        correct: [before.correct, after.correct],
        comparisons: compared,
        judge: Judge {
            pairs: preferences::held_out(&labelled).0.len(),
            own: settings.preferences.own.len(),
            weight: settings.preferences.own_weight,
            alone: settings.preferences.own_alone,
            gold: agreed.gold,
            labels: labels_agree(&labelled),
        },
        seconds: [judging, optimising],
        ppo: kept.curve,
        hacked: hacked.curve,
        planted_labels: planted.as_ref().map(|p| p.labels),
        planted: planted.map_or_else(Vec::new, |p| p.run.curve),
    };
    Ok(Report { checks: all, figures })
}

/// What a run of PPO leaves.
struct Optimised {
    policy: ModelFolder,
    curve: Vec<Point>,
    /// The last iterations.
    tail: Vec<Iteration>,
    /// The largest |ratio − 1| of any iteration's first minibatch.
    deviation: f64,
    models: Vec<ModelBytes>,
}

/// The run for the faulty labeller.
struct Misled {
    /// Share of its labels that agree with the gold reward.
    labels: f64,
    run: Optimised,
}

/// The third run, if there is to be one. Its reward model goes on from the first one's, as a labelling team's
/// habits creep into data that comes later: so it needs fewer steps.
async fn planted(
    course: &mut Course<'_>,
    [start, reward]: [&ModelFolder; 2],
    labelled: &[Preference],
    settings: &Settings,
) -> Result<Option<Misled>> {
    let Planted { bias, reward_steps, ppo } = &settings.planted;
    if *bias == 0.0 {
        return Ok(None);
    }
    course.stage("a reward model for labels with a planted bias").await?;
    let pairs = relabelled(labelled, *bias, course.seed);
    let learning = preferences::Settings {
        reward_steps: *reward_steps,
        own: Vec::new(),
        ..settings.preferences.clone()
    };
    let (misled, _) = learn_rewards(course, "reward-biased", reward, &pairs, &learning).await?;
    course.stage("PPO for labels with a planted bias").await?;
    let run = optimise(course, "ppo-biased", [start, &misled], ppo).await?;
    Ok(Some(Misled { labels: labels_agree(&pairs), run }))
}

async fn optimise(
    course: &mut Course<'_>,
    run: &str,
    [start, reward]: [&ModelFolder; 2],
    config: &PpoConfig,
) -> Result<Optimised> {
    let mut ppo = Ppo::new(course.take_device()?, start, reward, config, course.seed)?;
    let models = ppo.models().to_vec();
    let (batch, steps) = (config.train.batch, config.train.steps);
    let seed = course.seed.wrapping_add(0x440);
    let mut questions = Question::stream(Split::Train, seed);
    let (mut curve, mut tail, mut deviation) = (Vec::new(), Vec::new(), 0.0f64);
    for _ in 0..steps {
        let asked: Vec<Question> = questions.by_ref().take(batch).collect();
        let prompts: Vec<Vec<u32>> = asked.iter().map(|q| q.prompt.clone()).collect();
        let iteration = ppo.iterate(&prompts).await?;
        let golds = golds(&asked, &iteration);
        let point = point(&golds, &iteration);
        let rollouts = iteration.answers.iter().zip(&golds).take(SHOWN);
        let rollouts = rollouts.map(|(a, g)| Rollout::of(a, config.kl_coef, config.kl_estimator, g.value()));
        let (number, rollouts) = (iteration.number, rollouts.collect());
        course.say(Moment::Rollouts { run: run.into(), step: number, rollouts }).await?;
        let mut metrics = iteration.metrics();
        metrics.extend([
            ("gold", point.answered.gold),
            ("correct", point.answered.correct),
            ("length", point.answered.length),
            ("friendly", point.answered.friendly),
            ("flattery", point.answered.flattery),
        ]);
        course.metrics(run, number, &metrics).await?;
        course.progress(number, steps).await?;
        deviation = deviation.max(iteration.updates.first().map_or(f64::NAN, |u| f64::from(u.deviation)));
        curve.push(point);
        tail.push(iteration);
        if tail.len() > LAST {
            tail.remove(0);
        }
    }
    let policy = ppo.folder().await?;
    course.put_back(ppo.into_device());
    Ok(Optimised { policy, curve, tail, deviation, models })
}

fn golds(asked: &[Question], iteration: &Iteration) -> Vec<Gold> {
    asked.iter().zip(&iteration.answers).map(|(q, a)| judge(q, &a.ids())).collect()
}

fn point(golds: &[Gold], iteration: &Iteration) -> Point {
    Point {
        answered: Answered::mean(golds),
        proxy: iteration.mean(|a| f64::from(a.score)),
        kl: iteration.mean(|a| a.sum(|t| f64::from(t.kl))),
    }
}

/// Answers at temperature 1 to training questions, judged by the gold reward.
async fn evaluate(course: &mut Course<'_>, policy: &ModelFolder, settings: &Settings) -> Result<Answered> {
    let questions = Question::sample(settings.evaluated, Split::Train, 61);
    let made = answers(course, policy, &questions, 1.0, course.seed.wrapping_add(61)).await?;
    let golds: Vec<Gold> = questions.iter().zip(&made).map(|(q, a)| judge(q, a)).collect();
    Ok(Answered::mean(&golds))
}
