//! The memory that the planner gives attention, forward and backward: with its matrix written out, and tile by
//! tile.

use crate::Result;
use crate::graph::{Plan, Spec, Tape};
use crate::ops::{Attention, FlashAttention};
use serde::{Deserialize, Serialize};

/// Bytes of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Q, K, V and the gradient of the output: given from outside.
    pub given: u64,
    /// What the plan's slots hold at once at most: output, gradients, and whatever the algorithm keeps.
    pub slots: u64,
}

/// Which algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// The matrix is written out.
    Naive,
    /// Tile by tile.
    Flash,
}

/// One causal forward and backward pass over one sequence of `n` rows: reads the buffers `qkv` `[1, n, 3·C]` and
/// `do` `[1, n, C]`, makes the nodes `o` and `grad:qkv`.
pub fn tape(algorithm: Algorithm, n: usize, heads: usize, d: usize) -> Result<Tape> {
    let mut tape = Tape::new();
    let qkv = tape.buffer("qkv", Spec::float([1, n, 3 * heads * d]));
    let dout = tape.buffer("do", Spec::float([1, n, heads * d]));
    let o = match algorithm {
        Algorithm::Naive => tape.push("o", Attention::new(heads, true), &[qkv])?,
        Algorithm::Flash => tape.push("o", FlashAttention::new(heads, true), &[qkv])?,
    }[0];
    tape.backward(&[(o, dout)])?;
    Ok(tape)
}

/// Bytes of that pass, f32.
pub fn planned(algorithm: Algorithm, n: usize, heads: usize, d: usize) -> Result<Memory> {
    let tape = tape(algorithm, n, heads, d)?;
    let plan = Plan::new("attention", &tape, &["o", "grad:qkv"]);
    Ok(Memory { given: plan.buffer_bytes(), slots: plan.slot_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output, dqkv, and two matrices (P, dS) against two vectors (log-sum-exp, delta).
    #[test]
    fn the_naive_keeps_two_matrices_and_flash_two_vectors() {
        for (n, heads, d) in [(64, 1, 8), (96, 3, 16), (257, 2, 32)] {
            let same = 4 * (n * heads * d) as u64;
            let slots = |a| planned(a, n, heads, d).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(slots(Algorithm::Naive).slots, 4 * (same + 2 * (heads * n * n) as u64));
            assert_eq!(slots(Algorithm::Flash).slots, 4 * (same + 2 * (heads * n) as u64));
            assert_eq!(slots(Algorithm::Flash).given, 4 * same);
        }
    }
}
