//! Splits rows that the host laid out (a token row, a weight for each prediction, two numbers) into what a
//! fine-tuning step reads.

use super::{Dispatch, Op, State, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};

/// reads rows `[R · (2T + 3)]` u32, state; writes tokens `[B, T]`, targets `[B, T]` u32, weights `[B, T]`,
/// first `[B]`, second `[B]`. A row is T + 1 tokens, then the bits of T weights and of two numbers. Row b of
/// the batch is row `state.row + b` (around the end).
#[derive(Debug)]
pub struct Examples {
    /// B.
    pub batch: usize,
    /// T.
    pub context: usize,
}

/// Words of a row of T predictions.
pub const fn example_words(context: usize) -> usize {
    2 * context + 3
}

impl Op for Examples {
    fn name(&self) -> &'static str {
        "examples"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["tokens", "targets", "weights", "first", "second"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let words = example_words(self.context);
        let ok = reads.len() == 2
            && reads.iter().all(|r| r.dtype == DType::U32)
            && reads[0].len() >= words
            && reads[0].len().is_multiple_of(words);
        expect(ok, self.name(), reads)?;
        let (ids, one) = (Spec::u32([self.batch, self.context]), Spec::float([self.batch]));
        Ok(vec![ids.clone(), ids, Spec::float([self.batch, self.context]), one.clone(), one])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (rows, state) = (io.u(0), State::from_words(io.u(1)));
        let (tokens, targets, weights) = (io.out_u(0), io.out_u(1), io.out(2));
        let (first, second) = (io.out(3), io.out(4));
        let (t, words) = (self.context, example_words(self.context));
        let count = rows.len() / words;
        let real = |bits: u32| F::of(f64::from(f32::from_bits(bits)));
        for b in 0..self.batch {
            let row = &rows[(state.row as usize + b) % count * words..][..words];
            tokens[b * t..][..t].copy_from_slice(&row[..t]);
            targets[b * t..][..t].copy_from_slice(&row[1..=t]);
            weights[b * t..][..t].iter_mut().zip(&row[t + 1..]).for_each(|(w, &bits)| *w = real(bits));
            first[b] = real(row[2 * t + 1]);
            second[b] = real(row[2 * t + 2]);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let count = reads[0].len() / example_words(self.context);
        let constants = vec![u("B", self.batch), u("T", self.context), u("R", count)];
        Dispatch { shader: "examples", constants, workgroups: groups(self.batch * self.context, 64) }
    }
}
