//! Every draft, K and temperature; and the clock.

use super::super::Course;
use super::Settings;
use super::walk::{Seen, Walk};
use gradus_core::Result;
use gradus_core::device::timer::median;
use gradus_core::device::{Data, Device};
use gradus_core::generate::{Generator, Rollout, RolloutShape, Speculator, SpeculatorShape, Tally};
use gradus_core::graph::Spec;
use gradus_core::model::{ModelFolder, Params};
use gradus_core::objective::speculative::{speed_up, tokens_per_call};
use gradus_core::protocol::SampleConfig;
use serde::{Deserialize, Serialize};
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// Rows continued at a time: few, so that whoever watches hears of it often.
const BATCH: usize = 16;

/// A draft by name: `1x16`.
pub(in crate::recipe) struct Drafted {
    pub(in crate::recipe) name: String,
    pub(in crate::recipe) folder: ModelFolder,
}

/// One draft with one K at one temperature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The draft: `1x16`.
    pub draft: String,
    /// Its trainable numbers.
    pub parameters: u64,
    /// K.
    pub proposals: usize,
    /// 0 is greedy.
    pub temperature: f32,
    /// Texts written. Runs kept by earlier versions lack it.
    #[serde(default)]
    pub prompts: usize,
    /// What was counted.
    pub tally: Tally,
    /// α: accepted of those looked at.
    pub acceptance: f64,
    /// α by 1 − TV at T = 1 (greedy: how often both like the same token best), on text that neither wrote.
    pub independent: f64,
    /// Tokens a call of the target.
    pub tokens_per_call: f64,
    /// The formula's, with this run's α.
    pub expected: f64,
    /// The speed-up that the formula expects where a call costs as much as a model has parameters.
    pub ideal_speed_up: f64,
    /// Greedy: tokens that differ from the target's own.
    pub different: Option<u64>,
}

/// Wall clock with one K, one row at a time, greedy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    /// The draft: `1x16`.
    #[serde(default)]
    pub draft: String,
    /// K.
    pub proposals: usize,
    /// Seconds a token of the target alone.
    pub plain: f64,
    /// Seconds a token with the draft.
    pub speculative: f64,
    /// Their quotient: below 1 the draft costs more than it saves.
    pub speed_up: f64,
    /// c: seconds of a token of the draft alone over those of the target alone.
    pub cost: f64,
    /// What the formula expects with this c and the trial's α.
    pub expected: f64,
}

/// Does the text follow the target's law?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// True for the exact rule, false for the one that draws from p after a rejection.
    pub exact: bool,
    /// Pairs drawn.
    pub samples: usize,
    /// Of Pearson's χ².
    pub p_value: f64,
}

/// Puts a model's weights into buffer `name`.
pub(super) fn put(device: &mut dyn Device, name: &str, folder: &ModelFolder) -> Result<Params> {
    let params = Params::new(&folder.config);
    device.ensure(name, &Spec::float([params.len]))?;
    device.write(name, 0, &Data::Float(params.flatten(&folder.tensors)?))?;
    Ok(params)
}

/// Continues `prompts` with every K, greedily and at T = 1. `overlap` is α on other text, greedy and at T = 1.
pub(super) async fn trials(
    course: &mut Course<'_>,
    target: &ModelFolder,
    draft: &Drafted,
    overlap: [f64; 2],
    prompts: &[Vec<u32>],
    settings: &Settings,
) -> Result<Vec<Trial>> {
    let mut device = course.take_device()?;
    let (params, drafted) =
        (put(&mut *device, "params", target)?, put(&mut *device, "draft.params", &draft.folder)?);
    let batch = BATCH.min(prompts.len());
    let sample = |temperature, seed| SampleConfig {
        max_tokens: settings.max_tokens,
        temperature,
        seed,
        ..SampleConfig::default()
    };
    let shape = RolloutShape {
        prefix: "",
        batch,
        prompt: prompts[0].len(),
        answer: settings.max_tokens,
        forbidden: &[],
    };
    let rollout = Rollout::new(&mut *device, &target.config, &params, shape)?;
    let plain = rollout.run(&mut *device, prompts, &sample(0.0, 0), None).await?;
    rollout.release(&mut *device);

    let of = (settings.proposals.len() * 2 * prompts.len()) as u64;
    let (mut trials, mut done) = (Vec::new(), 0);
    for &proposals in &settings.proposals {
        let shape = SpeculatorShape { batch, proposals, residual: true };
        let models = [(&target.config, &params), (&draft.folder.config, &drafted)];
        let speculator = Speculator::new(&mut *device, models[0], models[1], shape)?;
        for temperature in [0.0, 1.0] {
            let (mut tally, mut different) = (Tally::default(), 0);
            for (i, (group, plain)) in prompts.chunks(batch).zip(plain.chunks(batch)).enumerate() {
                let seed = course.seed.wrapping_mul(0x9e37).wrapping_add((proposals << 16 | i) as u32);
                let made = speculator.run(&mut *device, group, &sample(temperature, seed), None).await?;
                tally.merge(&made.tally);
                let pairs = made.answers.iter().flatten().zip(plain.iter().flatten());
                different += pairs.filter(|(a, b)| a != b).count() as u64;
                done += group.len() as u64;
                course.progress(done, of).await?;
            }
            let greedy = temperature == 0.0;
            let (alpha, gamma) = (tally.acceptance(), proposals as u32);
            let parameters = draft.folder.config.parameters();
            let cost = parameters as f64 / target.config.parameters() as f64;
            trials.push(Trial {
                draft: draft.name.clone(),
                parameters,
                proposals,
                temperature,
                prompts: prompts.len(),
                acceptance: alpha,
                independent: overlap[usize::from(!greedy)],
                tokens_per_call: tally.tokens_per_call(),
                expected: tokens_per_call(alpha, gamma),
                ideal_speed_up: speed_up(alpha, gamma, cost),
                different: greedy.then_some(different),
                tally,
            });
            let last = &trials[trials.len() - 1];
            let values = [
                ("acceptance", last.acceptance),
                ("tokens_per_call", last.tokens_per_call),
                ("expected_tokens_per_call", last.expected),
            ];
            let run = format!("{}-t{temperature}", draft.name);
            course.metrics(&run, proposals as u64, &values).await?;
        }
        speculator.release(&mut *device);
    }
    course.put_back(device);
    Ok(trials)
}

fn greedy(settings: &Settings) -> SampleConfig {
    SampleConfig { max_tokens: settings.max_tokens, temperature: 0.0, ..SampleConfig::default() }
}

/// Seconds a token of this model alone: the median prompt's.
pub(super) async fn alone(
    course: &mut Course<'_>,
    model: &ModelFolder,
    prompts: &[Vec<u32>],
    settings: &Settings,
) -> Result<f64> {
    let mut device = course.take_device()?;
    let (params, greedy) = (put(&mut *device, "params", model)?, greedy(settings));
    let generator = Generator::new(&mut *device, &model.config, &params)?;
    // The first run is not timed: whatever is done once has then been done.
    generator.generate(&mut *device, &prompts[0], &greedy, None).await?;
    let mut seconds = Vec::new();
    for prompt in prompts {
        let start = Instant::now();
        generator.generate(&mut *device, prompt, &greedy, None).await?;
        seconds.push(start.elapsed().as_secs_f64() / settings.max_tokens as f64);
        // The part's bar belongs to the drafts, which come next.
        course.progress(0, settings.proposals.len() as u64).await?;
    }
    generator.release(&mut *device);
    course.put_back(device);
    Ok(median(seconds))
}

/// Times the target with the draft, prompt by prompt, beside `plain` seconds a token without; and keeps one story's
/// rounds at T = 1 for each K. A token of the draft alone takes `own` seconds: a call within a round is too short for a
/// browser's clock.
pub(super) async fn clock(
    course: &mut Course<'_>,
    target: &ModelFolder,
    (draft, own): (&Drafted, f64),
    plain: f64,
    trials: &[Trial],
    prompts: &[Vec<u32>],
    settings: &Settings,
) -> Result<(Vec<Clock>, Vec<Walk>)> {
    let mut device = course.take_device()?;
    let (params, drafted) =
        (put(&mut *device, "params", target)?, put(&mut *device, "draft.params", &draft.folder)?);
    let greedy = greedy(settings);
    let (mut clock, mut walks) = (Vec::new(), Vec::new());
    for (i, &proposals) in settings.proposals.iter().enumerate() {
        let shape = SpeculatorShape { batch: 1, proposals, residual: true };
        let models = [(&target.config, &params), (&draft.folder.config, &drafted)];
        let speculator = Speculator::new(&mut *device, models[0], models[1], shape)?;
        speculator.generate(&mut *device, &prompts[0], &greedy, None).await?;
        let mut seconds = Vec::new();
        for prompt in prompts {
            let start = Instant::now();
            speculator.generate(&mut *device, prompt, &greedy, None).await?;
            seconds.push(start.elapsed().as_secs_f64() / settings.max_tokens as f64);
            course.progress(i as u64, settings.proposals.len() as u64).await?;
        }
        let speculative = median(seconds);
        let sampled = SampleConfig { temperature: 1.0, seed: course.seed, ..greedy.clone() };
        speculator.begin(&mut *device, &prompts[..1], &sampled, None)?;
        let mut rounds = Vec::new();
        while let Some(round) = speculator.round(&mut *device, 0).await? {
            rounds.push(round);
        }
        let trial =
            trials.iter().find(|t| t.draft == draft.name && t.proposals == proposals && t.temperature == 0.0);
        let (alpha, cost) = (trial.map_or(0.0, |t| t.acceptance), own / plain);
        walks.push(Walk {
            draft: draft.name.clone(),
            parameters: draft.folder.config.parameters(),
            proposals,
            prompt: prompts[0].clone(),
            rounds: rounds.iter().map(Seen::from).collect(),
        });
        clock.push(Clock {
            draft: draft.name.clone(),
            proposals,
            plain,
            speculative,
            speed_up: plain / speculative,
            cost,
            expected: speed_up(alpha, proposals as u32, cost),
        });
        let last = &clock[clock.len() - 1];
        let values =
            [("speed_up", last.speed_up), ("expected_speed_up", last.expected), ("cost_ratio", cost)];
        course.metrics(&format!("clock-{}", draft.name), proposals as u64, &values).await?;
        speculator.release(&mut *device);
    }
    course.put_back(device);
    Ok((clock, walks))
}
