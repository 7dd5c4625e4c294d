//! What an attention op can be beside itself: causal or full, scaled or not, and counting what it moves.

use super::{Constant, flag, u};
use crate::attention::{Meter, Traffic};
use crate::device::cpu::{Io, Real};
use crate::graph::Spec;

/// Causal or full, scaled or not, counting or not.
///
/// A counting op has one write more, the last: a counter of [`Traffic::WORDS`] words, to which it adds the
/// elements that it moved between storage and workgroups. Its kernel is the same text with another library,
/// `count.wgsl` for `plain.wgsl`. Integers are added in any order to the same sum, so counts repeat to the
/// bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Whether a query sees only keys up to its own.
    pub causal: bool,
    /// Whether scores are divided by √D.
    pub scaled: bool,
    /// Whether the op counts what it moves.
    pub counted: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self { causal: true, scaled: true, counted: false }
    }
}

impl Form {
    /// The same without a counter.
    pub(super) fn uncounted(self) -> Self {
        Self { counted: false, ..self }
    }

    /// What is written, and the counter after it.
    pub(super) fn with_counter(self, mut writes: Vec<Spec>) -> Vec<Spec> {
        if self.counted {
            writes.push(Spec::u32([Traffic::WORDS]));
        }
        writes
    }

    /// The kernel's constants: whether it is causal; and, of a counting one, the counter's binding, which
    /// chooses its library.
    pub(super) fn constants(self, counter: usize) -> Vec<(&'static str, Constant)> {
        [vec![flag("CAUSAL", self.causal)], self.counter(counter)].concat()
    }

    /// As [`constants`](Self::constants), for a kernel to which causal and full are one.
    pub(super) fn counter(self, counter: usize) -> Vec<(&'static str, Constant)> {
        if self.counted { vec![u(Self::COUNTER, counter)] } else { Vec::new() }
    }

    /// The constant that a counting kernel has and another lacks.
    pub(crate) const COUNTER: &str = "TRAFFIC";

    /// Runs an op's loops with a meter, and adds what it says to the counter, write `counter`, if there is
    /// one.
    #[inline(always)]
    pub(super) fn metered<'a, F: Real>(
        self,
        mut io: Io<'a, F>,
        counter: usize,
        run: impl FnOnce(&mut Io<'a, F>, &mut dyn Meter),
    ) {
        if self.counted {
            let mut moved = Traffic::default();
            run(&mut io, &mut moved);
            let words = io.out_u(counter);
            if let Some(before) = Traffic::from_words(words) {
                words.copy_from_slice(&(before + moved).words());
            }
        } else {
            run(&mut io, &mut ());
        }
    }

    /// What models are made of: causal, not counted.
    pub(super) fn model(scaled: bool) -> Self {
        Self { scaled, ..Self::default() }
    }

    /// How many of `n` keys query `row` sees.
    pub(super) fn seen(self, row: usize, n: usize) -> usize {
        if self.causal { row + 1 } else { n }
    }
}
