//! Moves on to the next step's scalars, which the host laid out in a table before the submission. So
//! many steps fit into one submission, and scalars are computed once, in f64, on the host.

use super::{Dispatch, Op, expect, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};

/// Words of one step's state.
pub const STATE_WORDS: usize = 16;

/// The scalars of one step. On the device they are words; real numbers are stored as their bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Optimizer step, from 1.
    pub step: u32,
    /// Seed of the run.
    pub seed: u32,
    /// Learning rate.
    pub lr: f32,
    /// 1 − β₁ᵗ.
    pub correction1: f32,
    /// √(1 − β₂ᵗ).
    pub correction2: f32,
    /// First row of a sequential batch.
    pub row: u32,
    /// Counter of random draws: the micro-batch since the beginning of the run.
    pub draw: u32,
    /// How far an average of the weights moves towards them.
    pub average: f32,
}

impl State {
    /// The device's words.
    pub fn words(&self) -> [u32; STATE_WORDS] {
        let mut w = [0; STATE_WORDS];
        w[..8].copy_from_slice(&[
            self.step,
            self.seed,
            self.lr.to_bits(),
            self.correction1.to_bits(),
            self.correction2.to_bits(),
            self.row,
            self.draw,
            self.average.to_bits(),
        ]);
        w
    }

    /// From the device's words.
    pub fn from_words(w: &[u32]) -> Self {
        Self {
            step: w[0],
            seed: w[1],
            lr: f32::from_bits(w[2]),
            correction1: f32::from_bits(w[3]),
            correction2: f32::from_bits(w[4]),
            row: w[5],
            draw: w[6],
            average: f32::from_bits(w[7]),
        }
    }
}

/// reads table `[n · 16]` u32; writes state `[16]` u32, cursor `[1]` u32 (added 1).
#[derive(Debug)]
pub struct Advance;

impl Op for Advance {
    fn name(&self) -> &'static str {
        "advance"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["", "cursor"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok =
            reads.len() == 1 && reads[0].dtype == DType::U32 && reads[0].len().is_multiple_of(STATE_WORDS);
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::u32([STATE_WORDS]), Spec::u32([1])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (table, state, cursor) = (io.u(0), io.out_u(0), io.out_u(1));
        let at = (cursor[0] as usize % (table.len() / STATE_WORDS)) * STATE_WORDS;
        state.copy_from_slice(&table[at..at + STATE_WORDS]);
        cursor[0] = cursor[0].wrapping_add(1);
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let entries = reads[0].len() / STATE_WORDS;
        Dispatch { shader: "advance", constants: vec![u("ENTRIES", entries)], workgroups: [1, 1, 1] }
    }
}
