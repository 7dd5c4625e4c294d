//! The conformance cases: each op in several shapes, ragged ones too, with inputs and, written from its
//! formula, what must come out. They run on any device, native or in a browser.

mod attention;
mod build;
mod decode;
mod gpt;
mod layers;
mod ppo;
mod recurrent;
mod speculative;
mod traffic;
mod training;
mod tuning;

pub use gpt::{Gpt, Heads};

use crate::array::Array;
use gradus_core::graph::{Location, Plan, Spec, Tape};
use std::collections::BTreeMap;

/// From what a step reads, and what its outputs held before, to what they hold after it.
pub(crate) type Oracle = Box<dyn Fn(&[Array], &[Array]) -> Vec<Array>>;

/// One case: a tape, what its buffers hold, and what to look at.
pub struct Case {
    /// Op and shapes.
    pub name: String,
    /// The tape.
    pub tape: Tape,
    /// The contents of every buffer of the tape. Reals are exact in f32.
    pub inputs: BTreeMap<String, Array>,
    /// Activations to compare, beside all buffers.
    pub keep: Vec<String>,
    /// The independent reference, for tapes of one step.
    pub(crate) oracle: Option<Oracle>,
}

/// Every case.
pub fn all() -> Vec<Case> {
    [
        layers::cases(),
        attention::cases(),
        decode::cases(),
        speculative::cases(),
        training::cases(),
        gpt::cases(),
        ppo::cases(),
        recurrent::cases(),
        tuning::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Case {
    /// The plan that is run: with the slots reused as in earnest.
    pub fn plan(&self) -> Plan {
        let keep: Vec<&str> = self.keep.iter().map(String::as_str).collect();
        Plan::new(&self.name, &self.tape, &keep)
    }

    /// What the plain loops of [`reference`](crate::reference) say, by name: the kept activations and
    /// every buffer whole, so that a stray write shows. None for tapes of several steps.
    pub fn expected(&self) -> Option<BTreeMap<String, Array>> {
        let oracle = self.oracle.as_ref()?;
        let plan = self.plan();
        let step = &plan.steps[0];
        let before = |(location, spec): &(Location, Spec)| match location {
            Location::Buffer { name, offset } => self.inputs[name].part(*offset, spec.len()),
            Location::Slot(_) => Array::Float(Vec::new()),
        };
        let reads: Vec<Array> = step.reads.iter().map(before).collect();
        let held: Vec<Array> = step.writes.iter().map(before).collect();
        let made = oracle(&reads, &held);
        assert_eq!(made.len(), step.writes.len(), "{}: the reference makes all outputs", self.name);
        let mut result = self.inputs.clone();
        for (((location, _), &value), made) in step.writes.iter().zip(&step.step.writes).zip(made) {
            match location {
                Location::Buffer { name, offset } => {
                    if let Some(whole) = result.get_mut(name) {
                        whole.put(*offset, &made);
                    }
                }
                Location::Slot(_) => {
                    result.insert(self.tape.name(value).to_string(), made);
                }
            }
        }
        Some(result)
    }
}
