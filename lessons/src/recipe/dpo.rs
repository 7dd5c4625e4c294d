//! Lesson 7, DPO: preferences without a reward model, from the same pairs and the same start as lesson 6.

mod checks;
mod tabular;

use super::preferences::{
    self, DIALOGUE, Preference, gold_questions, held_out, pair_rows, preferences, rl_start,
};
use super::tuning::{Answered, answers, examine, linear, log_probs, scores, tune_keeping};
use super::{Course, Report, Role, Size};
use crate::world::chat::{FORBIDDEN, Gold, Question, Split, judge};
use gradus_core::model::{ModelFolder, Params};
use gradus_core::objective::dpo::Dpo;
use gradus_core::train::{Example, ModelBytes, Objective, Reference, Tuned, Tuning};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// Parts of a run, in thirty-seconds, after which the policy is judged on its way.
const WAY: [u64; 6] = [1, 2, 4, 8, 16, 24];
/// Held-out pairs that are shown as points.
const POINTS: usize = 150;
/// Held-out pairs that are shown with all their numbers.
const EXAMPLES: usize = 8;

/// One setting of DPO.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Knobs {
    /// β.
    pub beta: f64,
    /// Peak learning rate.
    pub lr: f64,
    /// Steps.
    pub steps: u64,
    /// Pairs of a step.
    pub pairs: usize,
    /// Weight of the chosen answer's NLL.
    pub nll: f64,
}

/// What a learner can turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The start and the pairs.
    pub preferences: preferences::Settings,
    /// The run that works.
    pub dpo: Knobs,
    /// The run that collapses: a small β and a high rate.
    pub collapse: Knobs,
    /// Questions that each policy answers.
    pub questions: usize,
}

impl Settings {
    /// For a run of this size.
    pub fn of(size: Size) -> Self {
        let smoke = size == Size::Smoke;
        let steps = |n| if smoke { n / 12 } else { n };
        Self {
            preferences: preferences::Settings::of(size),
            dpo: Knobs { beta: 0.7, lr: 1.5e-4, steps: steps(800), pairs: 64, nll: 0.0 },
            collapse: Knobs { beta: 0.05, lr: 2e-3, steps: steps(300), pairs: 32, nll: 0.0 },
            questions: if smoke { 100 } else { 1000 },
        }
    }
}

/// What a policy is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// Answers to training questions, at temperature 1.
    pub sampled: Answered,
    /// Answers to held-out questions, greedily.
    pub greedy: Answered,
    /// KL to the start in nats an answer: the mean of ln π − ln π_ref over the sampled answers.
    #[serde(default)]
    pub kl: Option<f64>,
}

/// A policy on its way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Along {
    /// After this step.
    pub step: u64,
    /// KL to the start, in nats an answer, as in [`Worth`].
    pub kl: f64,
    /// Gold reward of sampled answers.
    pub gold: f64,
}

/// A held-out pair with everything that enters its loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairLogs {
    /// What was asked, token ids.
    pub prompt: Vec<u32>,
    /// The chosen answer.
    pub chosen: Vec<u32>,
    /// The other.
    pub rejected: Vec<u32>,
    /// ln π_ref of the chosen and of the rejected answer.
    pub reference: [f32; 2],
    /// ln π of the two, after training.
    pub policy: [f32; 2],
}

/// What a run of DPO came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its setting.
    pub knobs: Knobs,
    /// The loss before the first step.
    pub first_loss: f64,
    /// Share of held-out pairs whose chosen answer has the higher implicit reward.
    pub accuracy: f64,
    /// Mean difference of the implicit rewards on held-out pairs.
    pub margin: f64,
    /// What ln p of chosen answers changed by, held out.
    pub chosen_change: f64,
    /// What ln p of rejected answers changed by, held out.
    pub rejected_change: f64,
    /// Its answers.
    pub worth: Worth,
    /// Share of held-out pairs that implicit reward and reward model order alike, where there is one.
    pub agrees_with_reward_model: Option<f64>,
    /// Correlation of the two differences, r(chosen) − r(rejected), over held-out pairs.
    #[serde(default)]
    pub correlation: Option<f64>,
    /// Some of those differences: by the reward model, and by the implicit reward.
    #[serde(default)]
    pub points: Vec<[f64; 2]>,
    /// The policy on its way; the start, at KL 0, is not among them.
    #[serde(default)]
    pub way: Vec<Along>,
    /// Held-out pairs with their log-probabilities.
    #[serde(default)]
    pub examples: Vec<PairLogs>,
    /// How long it learned, in seconds.
    #[serde(default)]
    pub seconds: f64,
}

/// Data for the pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Pairs to learn from, and held out.
    pub pairs: [usize; 2],
    /// The start's worth.
    pub start: Worth,
    /// PPO's, where the course has it.
    pub ppo: Option<Worth>,
    /// The run that works.
    pub dpo: Outcome,
    /// The run that collapses.
    pub collapse: Outcome,
    /// The tabular case: reference, rewards, closed form, what gradient descent found.
    pub table: [Vec<f64>; 4],
    /// What is in memory: the policy, which learns, and the reference, which is asked once, before.
    #[serde(default)]
    pub models: Vec<ModelBytes>,
}

/// Trains DPO from the course's start, once well and once badly.
///
/// # Errors
/// Those of training, and [`Error::Stopped`].
pub async fn run(course: &mut Course<'_>, settings: &Settings) -> Result<Report<Figures>> {
    let start = rl_start(course, &settings.preferences).await?;
    let pairs = preferences(course, &start, &settings.preferences).await?;
    let n = settings.questions;
    course.stage("the start, judged").await?;
    let start_worth = worth(course, "rl-start", [&start, &start], n).await?;
    let ppo = match course.models.get(Role::Ppo).cloned() {
        Some(model) => Some(worth(course, "ppo", [&model, &start], n).await?),
        None => None,
    };
    let rows = referenced(course, &start, &pairs).await?;
    let (dpo, model) = learn(course, ["dpo", "DPO"], &start, &pairs, &rows, settings.dpo, n).await?;
    course.models.set(Role::Dpo, model);
    let second = ["collapse", "DPO with a small β and a high rate"];
    let (collapse, _) = learn(course, second, &start, &pairs, &rows, settings.collapse, n).await?;
    let (train, valid) = held_out(&pairs);
    let figures = Figures {
        pairs: [train.len(), valid.len()],
        start: start_worth,
        ppo,
        dpo,
        collapse,
        table: tabular::tabular(0.5),
        models: models(&start),
    };
    let checks = checks::checks(course.size, &figures);
    Ok(Report { checks, figures })
}

/// The pairs' rows, with the reference's log-probabilities computed once.
async fn referenced(
    course: &mut Course<'_>,
    start: &ModelFolder,
    pairs: &[Preference],
) -> Result<Vec<[Example; 2]>> {
    let mut rows: Vec<Example> = pairs.iter().flat_map(Preference::answers).collect();
    let given = log_probs(course, start, &rows, DIALOGUE, &FORBIDDEN).await?;
    rows.iter_mut().zip(given).for_each(|(row, logp)| row.first = logp);
    Ok(rows.as_chunks::<2>().0.to_vec())
}

/// Trains and judges one setting; `run` is what its metrics are said under, `name` what its parts are called.
async fn learn(
    course: &mut Course<'_>,
    [run, name]: [&str; 2],
    start: &ModelFolder,
    pairs: &[Preference],
    rows: &[[Example; 2]],
    knobs: Knobs,
    questions: usize,
) -> Result<(Outcome, ModelFolder)> {
    course.stage(name).await?;
    let loss = Dpo { beta: knobs.beta, label_smoothing: 0.0, nll: knobs.nll };
    let tuning = Tuning {
        objective: Objective::Dpo { loss, reference: Reference::Cached },
        train: linear(knobs.steps, 2 * knobs.pairs, knobs.lr, 0.0),
        context: DIALOGUE,
        lora: None,
        forbidden: FORBIDDEN.to_vec(),
    };
    let (train, valid) = rows.split_at(held_out(pairs).0.len());
    let draw = pair_rows(train.to_vec(), knobs.pairs, course.seed);
    let steps = knobs.steps;
    let mut keep: Vec<u64> = WAY.iter().map(|part| (part * steps / 32).max(1)).chain([steps]).collect();
    keep.dedup();
    let clock = Instant::now();
    let (mut kept, history) = tune_keeping(course, run, start, &tuning, draw, &keep).await?;
    let seconds = clock.elapsed().as_secs_f64();
    let model = kept.pop().ok_or_else(|| Error::Config("a run of no steps: give it at least one".into()))?;
    let flat: Vec<Example> = valid.iter().flatten().cloned().collect();
    let after = log_probs(course, &model, &flat, DIALOGUE, &FORBIDDEN).await?;
    let change: Vec<f64> = flat.iter().zip(&after).map(|(row, &x)| f64::from(x - row.first)).collect();
    let margins: Vec<f64> = change.chunks_exact(2).map(|c| knobs.beta * (c[0] - c[1])).collect();
    let mean = |x: &mut dyn Iterator<Item = f64>| {
        let (sum, n) = x.fold((0.0, 0.0), |(s, n), x| (s + x, n + 1.0));
        sum / f64::max(n, 1.0)
    };
    let points: Vec<[f64; 2]> = match course.models.get(Role::Reward).cloned() {
        Some(reward) => {
            let rows: Vec<Example> = held_out(pairs).1.iter().flat_map(Preference::scored).collect();
            let scores = scores(course, &reward, &rows, DIALOGUE).await?;
            scores.chunks_exact(2).zip(&margins).map(|(s, m)| [f64::from(s[0] - s[1]), *m]).collect()
        }
        None => Vec::new(),
    };
    let alike = mean(&mut points.iter().map(|[r, m]| f64::from(u8::from(r * m > 0.0))));
    course.stage(&format!("judging {name} on its way")).await?;
    let worth = worth(course, run, [&model, start], questions).await?;
    let mut way = Vec::new();
    for (step, model) in keep.iter().zip(&kept) {
        let (sampled, kl) = sampled(course, [model, start], questions / 2).await?;
        way.push(Along { step: *step, kl, gold: sampled.gold });
        course.progress(way.len() as u64, kept.len() as u64).await?;
    }
    let end = Along { step: steps, kl: worth.kl.unwrap_or(f64::NAN), gold: worth.sampled.gold };
    way.push(end);
    let examples = held_out(pairs).1.iter().zip(flat.as_chunks::<2>().0.iter().zip(after.as_chunks::<2>().0));
    let examples = examples.take(EXAMPLES).map(|(pair, (rows, policy))| PairLogs {
        prompt: pair.question.prompt.clone(),
        chosen: pair.chosen.clone(),
        rejected: pair.rejected.clone(),
        reference: rows.each_ref().map(|row| row.first),
        policy: *policy,
    });
    let outcome = Outcome {
        knobs,
        first_loss: history.first().map_or(f64::NAN, |first: &Tuned| first.get("loss")),
        accuracy: mean(&mut margins.iter().map(|&m| f64::from(u8::from(m > 0.0)))),
        margin: mean(&mut margins.iter().copied()),
        chosen_change: mean(&mut change.iter().step_by(2).copied()),
        rejected_change: mean(&mut change.iter().skip(1).step_by(2).copied()),
        worth,
        agrees_with_reward_model: (!points.is_empty()).then_some(alike),
        correlation: (!points.is_empty()).then(|| correlation(&points)),
        examples: examples.collect(),
        points: points.into_iter().take(POINTS).collect(),
        way,
        seconds,
    };
    Ok((outcome, model))
}

/// Pearson's correlation.
fn correlation(points: &[[f64; 2]]) -> f64 {
    let n = points.len() as f64;
    let [x, y] = [0, 1].map(|i| points.iter().map(|p| p[i]).sum::<f64>() / n);
    let sum = |of: fn(f64, f64) -> f64| points.iter().map(|p| of(p[0] - x, p[1] - y)).sum::<f64>();
    sum(|a, b| a * b) / (sum(|a, _| a * a) * sum(|_, b| b * b)).sqrt().max(f64::MIN_POSITIVE)
}

/// Weights, and for the policy its gradients and AdamW's two moments, in 4 bytes each.
fn models(start: &ModelFolder) -> Vec<ModelBytes> {
    let weights = Params::new(&start.config).len as u64 * 4;
    let model = |name: &str, training| ModelBytes { name: name.into(), weights, training };
    vec![model("policy", 3 * weights), model("reference", 0)]
}

/// Answers of `model` at temperature 1 to `n` training questions, judged; and its KL to `start` by them.
async fn sampled(
    course: &mut Course<'_>,
    [model, start]: [&ModelFolder; 2],
    n: usize,
) -> Result<(Answered, f64)> {
    let (asked, _) = gold_questions(n, course.seed);
    let made = answers(course, model, &asked, 1.0, course.seed).await?;
    let golds: Vec<Gold> = asked.iter().zip(&made).map(|(q, a)| judge(q, a)).collect();
    let rows: Vec<Example> = asked.iter().zip(&made).map(|(q, a)| Example::answer(&q.prompt, a)).collect();
    let own = log_probs(course, model, &rows, DIALOGUE, &FORBIDDEN).await?;
    let theirs = log_probs(course, start, &rows, DIALOGUE, &FORBIDDEN).await?;
    let kl: f64 = own.iter().zip(theirs).map(|(a, b)| f64::from(a - b)).sum();
    Ok((Answered::mean(&golds), kl / rows.len().max(1) as f64))
}

async fn worth(
    course: &mut Course<'_>,
    run: &str,
    [model, start]: [&ModelFolder; 2],
    n: usize,
) -> Result<Worth> {
    let (sampled, kl) = sampled(course, [model, start], n).await?;
    let questions = Question::sample(n, Split::HeldOut, course.seed);
    let (greedy, _) = examine(course, run, model, &questions).await?;
    Ok(Worth { sampled, greedy, kl: Some(kl) })
}

#[cfg(test)]
mod tests {
    use super::correlation;

    #[test]
    fn correlation_is_of_deviations() {
        assert!((correlation(&[[1.0, 12.0], [2.0, 14.0], [3.0, 16.0]]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]) + 1.0).abs() < 1e-12);
        assert!(correlation(&[[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]]).abs() < 1e-12);
    }
}
