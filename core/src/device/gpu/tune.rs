//! Which family of kernels is quicker on this adapter: measured, not guessed from its name.

use super::Gpu;
use crate::Result;
use crate::device::{Device, Program, Source};
use crate::graph::{Plan, Spec, Tape};
use crate::ops::{Family, Linear};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// What was chosen so far, by the adapter's name: devices are opened anew for every run.
static CHOSEN: Mutex<BTreeMap<String, Family>> = Mutex::new(BTreeMap::new());

/// The sides of the product that is measured, as they are in a model of the course.
const SIZES: [usize; 3] = [256, 128, 256];
/// Seconds that are enough to tell the two apart: well above a read-back.
const LONG_ENOUGH: f64 = 0.01;
/// Launches of which these seconds are made up at most; a card's products are short.
const MOST: usize = 256;

impl Gpu {
    /// Chooses the family whose matrix products are quicker here. Takes a few tens of milliseconds and the time to
    /// build two kernels, once for each adapter; then it is remembered.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn tune(&mut self) -> Result<Family> {
        let chosen = || CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = chosen().get(&self.opened.name).copied();
        let family = match known {
            Some(family) => family,
            None => {
                let times = self.race().await?;
                let quicker = if times[0] <= times[1] { Family::ALL[0] } else { Family::ALL[1] };
                chosen().insert(self.opened.name.clone(), quicker);
                quicker
            }
        };
        self.family = family;
        Ok(family)
    }

    /// Seconds of a product in each family, in the order of [`Family::ALL`].
    ///
    /// # Errors
    /// Those of the device.
    pub async fn race(&mut self) -> Result<[f64; 2]> {
        let before = self.family;
        let times = self.both().await;
        // Also after an error: whoever goes on with this device finds it as it was.
        self.family = before;
        for buffer in [X, W] {
            self.forget(buffer);
        }
        times
    }

    async fn both(&mut self) -> Result<[f64; 2]> {
        let mut times = [0.0; 2];
        for (time, family) in times.iter_mut().zip(Family::ALL) {
            self.family = family;
            *time = self.product().await?;
        }
        Ok(times)
    }

    async fn product(&mut self) -> Result<f64> {
        let [m, k, n] = SIZES;
        let mut tape = Tape::new();
        let reads = [tape.buffer(X, Spec::float([m, k])), tape.buffer(W, Spec::float([k, n]))];
        tape.push1("y", Linear::default(), &reads)?;
        let program = self.compile(Plan::new("tune", &tape, &[]))?;
        let time = self.launched(program).await;
        self.release(program);
        time
    }

    async fn launched(&mut self, program: Program) -> Result<f64> {
        // The first launch may still be building the kernel.
        self.seconds(program, 1).await?;
        let mut launches = 1;
        loop {
            let time = self.seconds(program, launches).await?;
            if time > LONG_ENOUGH || launches >= MOST {
                return Ok(time.min(self.seconds(program, launches).await?) / launches as f64);
            }
            launches = (4 * launches).min(MOST);
        }
    }

    async fn seconds(&mut self, program: Program, launches: usize) -> Result<f64> {
        let start = Instant::now();
        self.submit(&vec![program; launches])?;
        self.read(Source::Buffer(X.into(), 0..1)).await?;
        Ok(start.elapsed().as_secs_f64())
    }
}

const X: &str = "tune x";
const W: &str = "tune w";
