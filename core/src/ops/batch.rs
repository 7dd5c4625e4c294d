//! Draws a batch from the corpus, which lies on the device.

use super::{Dispatch, Op, State, expect, flag, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};
use crate::rng::{Stream, threefry};

/// How rows are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Rows `state.row`, `state.row + 1`, …, around the end.
    Sequential,
    /// Independent uniform draws from the counter `(b, state.draw)`.
    Random,
}

/// reads corpus `[n]` u32, state `[16]` u32; writes tokens `[B, T]`, targets `[B, T]` u32: window w is
/// elements `w · stride ..= w · stride + T`, its targets are its tokens one later.
#[derive(Debug)]
pub struct Batch {
    /// B.
    pub batch: usize,
    /// T.
    pub context: usize,
    /// Elements between the beginnings of two windows.
    pub stride: usize,
    /// How windows are chosen.
    pub draw: Draw,
}

impl Batch {
    fn windows(&self, corpus: usize) -> usize {
        (corpus.saturating_sub(self.context + 1)) / self.stride + usize::from(corpus > self.context)
    }
}

impl Op for Batch {
    fn name(&self) -> &'static str {
        "batch"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["tokens", "targets"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2 && reads.iter().all(|r| r.dtype == DType::U32) && self.stride > 0;
        expect(ok && self.windows(reads[0].len()) > 0, self.name(), reads)?;
        let spec = Spec::u32([self.batch, self.context]);
        Ok(vec![spec.clone(), spec])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (corpus, state) = (io.u(0), State::from_words(io.u(1)));
        let (tokens, targets) = (io.out_u(0), io.out_u(1));
        let (t, windows) = (self.context, self.windows(corpus.len()) as u32);
        for b in 0..self.batch {
            let window = match self.draw {
                Draw::Sequential => state.row.wrapping_add(b as u32) % windows,
                Draw::Random => {
                    threefry([state.seed, Stream::Batch as u32], [b as u32, state.draw])[0] % windows
                }
            };
            let at = window as usize * self.stride;
            tokens[b * t..][..t].copy_from_slice(&corpus[at..][..t]);
            targets[b * t..][..t].copy_from_slice(&corpus[at + 1..][..t]);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![
            u("B", self.batch),
            u("T", self.context),
            u("STRIDE", self.stride),
            u("WINDOWS", self.windows(reads[0].len())),
            flag("RANDOM", self.draw == Draw::Random),
        ];
        Dispatch { shader: "batch", constants, workgroups: groups(self.batch * self.context, 64) }
    }
}
