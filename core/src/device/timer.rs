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

/// Times `program`: `repetitions` runs after one to warm up. `fence` is something small to read, of a buffer
/// that the program writes or not: it is read for the wall clock, to know that the program has ended.
///
/// # Errors
/// Those of the device.
pub async fn time(
    device: &mut dyn Device,
    program: Program,
    fence: &Source,
    repetitions: usize,
) -> Result<Timing> {
    device.submit(&[program])?;
    device.read(fence.clone()).await?;
    let (mut seconds, mut clock) = (Vec::new(), Clock::Timestamps);
    for _ in 0..repetitions.max(1) {
        if clock == Clock::Timestamps {
            match device.timestamps(program).await? {
                Some(time) => {
                    seconds.push(time);
                    continue;
                }
                None => clock = Clock::Wall,
            }
        }
        let start = Instant::now();
        device.submit(&[program])?;
        device.read(fence.clone()).await?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Ok(Timing { seconds: seconds[seconds.len() / 2], clock })
}
