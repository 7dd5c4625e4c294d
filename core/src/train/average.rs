//! The average of the weights, kept on the device while they train.

use crate::device::{Device, Program};
use crate::graph::{Plan, Spec, Tape};
use crate::ops::{self, STATE_WORDS};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which average is kept. At its k-th update `average ← average + (γ + 1)/(k + γ)·(weights − average)`: the first
/// update copies the weights, γ = 0 is the plain mean, and a larger γ forgets the beginning faster
/// (Shamir & Zhang 2013, arXiv 1212.1824, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Average {
    /// Optimizer steps between two updates.
    pub every: u64,
    /// γ.
    pub gamma: f64,
}

impl Average {
    /// How far the k-th update (from 1) moves.
    pub fn rate(&self, k: u64) -> f64 {
        (self.gamma + 1.0) / (k as f64 + self.gamma)
    }

    /// Compiles the update of buffer `average` `[len]`.
    pub(super) fn compile(&self, device: &mut dyn Device, len: usize) -> Result<Program> {
        if self.every == 0 || !(self.gamma.is_finite() && self.gamma >= 0.0) {
            return Err(Error::Config(
                "the average needs 1 step or more between updates, and a gamma of 0 or more".into(),
            ));
        }
        let mut tape = Tape::new();
        let state = tape.buffer("state", Spec::u32([STATE_WORDS]));
        let [params, average] = ["params", "average"].map(|name| tape.buffer(name, Spec::float([len])));
        tape.push_into(ops::WeightAverage, &[state, params], &[average])?;
        device.compile(Plan::new("average", &tape, &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weighs_as_it_should() {
        let mean_of = |gamma, values: &[f64]| {
            let average = Average { every: 1, gamma };
            (1u64..).zip(values).fold(0.0, |a, (k, w)| a + average.rate(k) * (w - a))
        };
        assert!((mean_of(0.0, &[1.0, 2.0, 6.0]) - 3.0).abs() < 1e-12);
        // γ = 1: the k-th value weighs k.
        assert!((mean_of(1.0, &[1.0, 2.0, 6.0]) - (1.0 + 4.0 + 18.0) / 6.0).abs() < 1e-12);
    }
}
