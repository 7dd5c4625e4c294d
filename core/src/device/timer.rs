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
/// One clock measures all: where the device's own fails once, or is too coarse to tell any time at all, the wall's
/// begins anew.
///
/// # Errors
/// Those of the device.
pub async fn time(
    device: &mut dyn Device,
    program: Program,
    fence: &Source,
    repetitions: usize,
) -> Result<Timing> {
    let clock = Clock::Timestamps;
    if let Some(seconds) = by(clock, device, program, fence, repetitions).await?.filter(|&s| s > 0.0) {
        return Ok(Timing { seconds, clock });
    }
    let clock = Clock::Wall;
    // The wall's clock never fails.
    let seconds = by(clock, device, program, fence, repetitions).await?.unwrap_or(f64::NAN);
    Ok(Timing { seconds, clock })
}

/// The number in the middle, of which a disturbed measurement moves little; NaN of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median by this clock; none if it fails.
async fn by(
    clock: Clock,
    device: &mut dyn Device,
    program: Program,
    fence: &Source,
    repetitions: usize,
) -> Result<Option<f64>> {
    let (mut runs, mut found) = (1, Vec::new());
    for repetition in 0..2 + repetitions.max(1) {
        let Some(seconds) = once(clock, device, program, fence, runs).await? else { return Ok(None) };
        match repetition {
            // What is done once has been done after the first.
            0 => {}
            1 => runs = (LEAST / seconds.max(LEAST / MOST)).ceil() as usize,
            _ => found.push(seconds),
        }
    }
    Ok(Some(median(found)))
}

/// Seconds a run, over so many; none if the clock fails.
async fn once(
    clock: Clock,
    device: &mut dyn Device,
    program: Program,
    fence: &Source,
    runs: usize,
) -> Result<Option<f64>> {
    let total = match clock {
        Clock::Timestamps => {
            let mut total = 0.0;
            for _ in 0..runs {
                let Some(seconds) = device.timestamps(program).await? else { return Ok(None) };
                total += seconds;
            }
            total
        }
        Clock::Wall => {
            let start = Instant::now();
            device.submit(&vec![program; runs])?;
            device.read(fence.clone()).await?;
            start.elapsed().as_secs_f64()
        }
    };
    Ok(Some(total / runs as f64))
}

#[cfg(test)]
#[path = "timer_tests.rs"]
mod tests;
