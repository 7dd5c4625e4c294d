//! Greedy text with a draft and without it, on many prompts: token for token the same.

use super::super::Course;
use super::trials::{Drafted, put};
use gradus_core::Result;
use gradus_core::generate::{Rollout, RolloutShape, Speculator, SpeculatorShape, Tally};
use gradus_core::model::ModelFolder;
use gradus_core::protocol::SampleConfig;
use serde::{Deserialize, Serialize};

/// Rows continued at a time.
const BATCH: usize = 50;

/// The target's greedy texts beside those of speculative decoding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Prompts continued.
    pub prompts: usize,
    /// K.
    pub proposals: usize,
    /// Tokens that the target wrote.
    pub tokens: u64,
    /// Tokens that differ, a text's missing or further ones included.
    pub different: u64,
    /// α on these texts.
    pub acceptance: f64,
}

/// Continues every prompt (all of one length) greedily by `tokens` tokens, with the draft's K proposals a round
/// and without.
pub(super) async fn identity(
    course: &mut Course<'_>,
    target: &ModelFolder,
    draft: &Drafted,
    prompts: &[Vec<u32>],
    proposals: usize,
    tokens: usize,
) -> Result<Identity> {
    let mut device = course.take_device()?;
    let (params, drafted) =
        (put(&mut *device, "params", target)?, put(&mut *device, "draft.params", &draft.folder)?);
    let batch = BATCH.min(prompts.len());
    let greedy = SampleConfig { max_tokens: tokens, temperature: 0.0, ..SampleConfig::default() };
    let shape = RolloutShape { prefix: "", batch, prompt: prompts[0].len(), answer: tokens, forbidden: &[] };
    let rollout = Rollout::new(&mut *device, &target.config, &params, shape)?;
    let shape = SpeculatorShape { batch, proposals, residual: true };
    let models = [(&target.config, &params), (&draft.folder.config, &drafted)];
    let speculator = Speculator::new(&mut *device, models[0], models[1], shape)?;
    let (mut tally, mut made, mut different, mut done) = (Tally::default(), 0, 0, 0);
    for group in prompts.chunks(batch) {
        let plain = rollout.run(&mut *device, group, &greedy, None).await?;
        let drafted = speculator.run(&mut *device, group, &greedy, None).await?;
        tally.merge(&drafted.tally);
        for (a, b) in plain.iter().zip(&drafted.answers) {
            made += a.len() as u64;
            different += (a.len().abs_diff(b.len()) + a.iter().zip(b).filter(|(a, b)| a != b).count()) as u64;
        }
        done += group.len();
        course.progress(done as u64, prompts.len() as u64).await?;
    }
    speculator.release(&mut *device);
    rollout.release(&mut *device);
    course.put_back(device);
    Ok(Identity {
        prompts: prompts.len(),
        proposals,
        tokens: made,
        different,
        acceptance: tally.acceptance(),
    })
}
