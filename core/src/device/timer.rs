//! How long programs take.

use super::{Device, Program, Source};
use crate::Result;
use serde::{Deserialize, Serialize};

#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// What a time was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The adapter's own timestamps around the kernels. Browsers round them, usually to 0.1 ms.
    Timestamps,
    /// A clock on the wall around submission and a read-back of one number.
    Wall,
}

/// A measured time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The median of the repetitions, seconds a run.
    pub seconds: f64,
    /// What it was read from.
    pub clock: Clock,
}

/// What is measured lasts this many seconds at least, in so many runs at most: browsers' clocks go in steps of 0.1 ms.
const LEAST: f64 = 0.01;
const MOST: f64 = 100.0;

/// Times `program`: the median of `repetitions`, each of as many runs as a clock can tell. `fence` is something small to
/// read, of a buffer that the program writes or not: it is read for the wall clock, to know that the runs have ended.
///
/// # Errors
/// Those of the device.
pub async fn time(
    device: &mut dyn Device,
    program: Program,
    fence: &Source,
    repetitions: usize,
) -> Result<Timing> {
    // What is done once has been done after the first.
    once(device, program, fence, 1).await?;
    let Timing { seconds, clock } = once(device, program, fence, 1).await?;
    let runs = (LEAST / seconds.max(LEAST / MOST)).ceil() as usize;
    let mut found = Vec::new();
    for _ in 0..repetitions.max(1) {
        found.push(once(device, program, fence, runs).await?.seconds);
    }
    Ok(Timing { seconds: median(found), clock })
}

/// The number in the middle, of which a disturbed measurement moves little; NaN of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds a run, over so many.
async fn once(device: &mut dyn Device, program: Program, fence: &Source, runs: usize) -> Result<Timing> {
    if let Some(mut seconds) = device.timestamps(program).await? {
        for _ in 1..runs {
            seconds += device.timestamps(program).await?.unwrap_or_default();
        }
        return Ok(Timing { seconds: seconds / runs as f64, clock: Clock::Timestamps });
    }
    let start = Instant::now();
    device.submit(&vec![program; runs])?;
    device.read(fence.clone()).await?;
    Ok(Timing { seconds: start.elapsed().as_secs_f64() / runs as f64, clock: Clock::Wall })
}
