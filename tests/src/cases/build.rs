//! Builds a case of one op.

use super::{Case, Oracle};
use crate::array::Array;
use gradus_core::graph::{Spec, Tape, Value};
use gradus_core::ops::{Op, State};
use gradus_core::rng::{Rng, Stream};
use std::collections::BTreeMap;

/// A case under construction. Everything an op reads or updates is a named buffer with random contents.
pub(super) struct Build {
    name: String,
    pub tape: Tape,
    pub rng: Rng,
    inputs: BTreeMap<String, Array>,
}

impl Build {
    pub(super) fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        // Each case has its own random numbers, whatever cases come before it (FNV-1a of its name).
        let sub = name.bytes().fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        let rng = Rng::at(0, Stream::Test, sub);
        Self { name, tape: Tape::new(), rng, inputs: BTreeMap::new() }
    }

    /// Normal numbers with this standard deviation, exact in f32.
    pub(super) fn normal(&mut self, n: usize, deviation: f64) -> Vec<f64> {
        (0..n).map(|_| f64::from((self.rng.normal() * deviation) as f32)).collect()
    }

    /// A buffer of reals with these contents (rounded to f32).
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f64]) -> Value {
        let values = values.iter().map(|&x| f64::from(x as f32)).collect();
        self.inputs.insert(name.into(), Array::Float(values));
        self.tape.buffer(name, Spec::float(shape))
    }

    /// A buffer of standard normal numbers.
    pub(super) fn random(&mut self, name: &str, shape: &[usize]) -> Value {
        self.scaled(name, shape, 1.0)
    }

    /// A buffer of normal numbers with this standard deviation.
    pub(super) fn scaled(&mut self, name: &str, shape: &[usize], deviation: f64) -> Value {
        let values = self.normal(shape.iter().product(), deviation);
        self.floats(name, shape, &values)
    }

    /// A buffer of numbers between `low` and `high`.
    pub(super) fn uniform(&mut self, name: &str, shape: &[usize], low: f64, high: f64) -> Value {
        let n: usize = shape.iter().product();
        let values: Vec<f64> = (0..n).map(|_| low + (high - low) * self.rng.next_f64()).collect();
        self.floats(name, shape, &values)
    }

    /// A buffer of integers with these contents.
    pub(super) fn integers(&mut self, name: &str, shape: &[usize], values: Vec<u32>) -> Value {
        self.inputs.insert(name.into(), Array::U32(values));
        self.tape.buffer(name, Spec::u32(shape))
    }

    /// A buffer of tokens below `vocab`.
    pub(super) fn tokens(&mut self, name: &str, shape: &[usize], vocab: usize) -> Value {
        let values = (0..shape.iter().product()).map(|_| self.rng.below(vocab as u32)).collect();
        self.integers(name, shape, values)
    }

    /// The step's scalars.
    pub(super) fn state(&mut self, state: State) -> Value {
        let words = state.words();
        self.integers("state", &[words.len()], words.to_vec())
    }

    /// Parameters with random contents, and gradients that are not zero at first, each at its own
    /// multiple of 64 elements; the padding between them is filled too, so that a stray write shows.
    pub(super) fn parameters<const N: usize>(&mut self, list: [(&str, &[usize]); N]) -> [Value; N] {
        let sizes = list.map(|(_, shape)| shape.iter().product::<usize>().next_multiple_of(64));
        let total = 64 + sizes.iter().sum::<usize>();
        self.scaled("params", &[total], 0.5);
        self.random("grads", &[total]);
        let mut offset = 64; // Not at 0, so that an ignored offset shows.
        let mut index = 0;
        list.map(|(name, shape)| {
            let value = self
                .tape
                .parameter(name, ["params", "grads"], offset, shape)
                .expect("the offsets are aligned");
            offset += sizes[index];
            index += 1;
            value
        })
    }

    /// The gradient of a parameter.
    pub(super) fn grad(&self, name: &str) -> Value {
        self.tape.find(&format!("grad:{name}")).expect("every parameter here has a gradient")
    }

    /// The case of `op` making new activations.
    pub(super) fn makes<O: Op + 'static>(
        mut self,
        op: O,
        reads: &[Value],
        oracle: impl Fn(&[Array]) -> Vec<Array> + 'static,
    ) -> Case {
        let name = self.name.clone();
        let writes = self.tape.push("y", op, reads).unwrap_or_else(|e| panic!("{name}: {e}"));
        let keep = writes.iter().map(|&w| self.tape.name(w).to_string()).collect();
        self.finish(keep, Box::new(move |reads, _| oracle(reads)))
    }

    /// The case of `op` updating buffers.
    pub(super) fn updates<O: Op + 'static>(
        mut self,
        op: O,
        reads: &[Value],
        writes: &[Value],
        oracle: impl Fn(&[Array], &[Array]) -> Vec<Array> + 'static,
    ) -> Case {
        let name = self.name.clone();
        self.tape.push_into(op, reads, writes).unwrap_or_else(|e| panic!("{name}: {e}"));
        self.finish(Vec::new(), Box::new(oracle))
    }

    /// The case of a tape recorded elsewhere, for the buffers made here.
    pub(super) fn with_tape(self, tape: Tape, keep: &[&str]) -> Case {
        let keep = keep.iter().map(|k| (*k).to_string()).collect();
        Case { name: self.name, tape, inputs: self.inputs, keep, oracle: None }
    }

    fn finish(self, keep: Vec<String>, oracle: Oracle) -> Case {
        Case { name: self.name, tape: self.tape, inputs: self.inputs, keep, oracle: Some(oracle) }
    }
}
