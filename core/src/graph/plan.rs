//! The planner: a tape with lifetimes turned into slots.
//!
//! An activation occupies a slot from the step that first writes it to the last step that touches it; then the slot is
//! free for another. Steps that may go together count as one here. Slots are whole buffers: WebGPU forbids one buffer to
//! be read and written within a dispatch, so an input and an output never share one.

use super::tape::{DType, Place, Spec, Step, Tape, Value};
use super::together::together;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where a value lives on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The first elements of a slot of this plan.
    Slot(usize),
    /// A stretch of a named buffer, from this element on.
    Buffer {
        /// The buffer.
        name: String,
        /// The first element.
        offset: usize,
    },
}

/// One step with everything resolved.
#[derive(Clone, Debug)]
pub struct PlanStep {
    /// What is done.
    pub step: Step,
    /// Where its reads are.
    pub reads: Vec<(Location, Spec)>,
    /// Where its writes are.
    pub writes: Vec<(Location, Spec)>,
    /// Whether it may run at the same time as the step before it, and as those that go with that one.
    pub together: bool,
}

/// Slots and an ordered list of steps: all a device needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the plan is for, e.g. `train`.
    pub label: String,
    /// Element type and length of each slot.
    pub slots: Vec<(DType, usize)>,
    /// Named buffers that outlive the plan.
    pub buffers: BTreeMap<String, Spec>,
    /// What to do, in order.
    pub steps: Vec<PlanStep>,
    /// The nodes whose values are there after a run, by name.
    pub nodes: BTreeMap<String, (Location, Spec)>,
}

/// Which activations stay readable after a run.
#[derive(Clone, Copy, Debug)]
enum Keep<'a> {
    /// All of them: no slot is used twice.
    All,
    /// Those with these names.
    Named(&'a [&'a str]),
}

impl Plan {
    /// Plans `tape`, keeping the activations named in `keep` readable after a run.
    pub fn new(label: &str, tape: &Tape, keep: &[&str]) -> Self {
        Self::with(label, tape, Keep::Named(keep))
    }

    /// Plans `tape` so that every node can be read after a run.
    pub fn probing(label: &str, tape: &Tape) -> Self {
        Self::with(label, tape, Keep::All)
    }

    fn with(label: &str, tape: &Tape, keep: Keep<'_>) -> Self {
        let last_use = last_uses(tape);
        let kept = |v: Value| match keep {
            Keep::All => true,
            Keep::Named(names) => names.contains(&tape.name(v)),
        };
        let mut slots: Vec<(DType, usize)> = Vec::new();
        let mut free: BTreeSet<usize> = BTreeSet::new();
        let mut at: HashMap<Value, usize> = HashMap::new();
        let mut steps = Vec::with_capacity(tape.steps.len());
        for run in together(tape) {
            for (index, step) in tape.steps[run.clone()].iter().enumerate() {
                for &value in &step.writes {
                    let info = &tape.values[value.0 as usize];
                    if info.place == Place::Activation && !at.contains_key(&value) {
                        at.insert(value, take_slot(&mut slots, &mut free, &info.spec));
                    }
                }
                let locate = |v: &Value| (locate(tape, &at, *v), tape.spec(*v).clone());
                steps.push(PlanStep {
                    step: step.clone(),
                    reads: step.reads.iter().map(locate).collect(),
                    writes: step.writes.iter().map(locate).collect(),
                    together: index > 0,
                });
            }
            for value in tape.steps[run.clone()].iter().flat_map(|step| step.reads.iter().chain(&step.writes))
            {
                if run.contains(&last_use[value])
                    && !kept(*value)
                    && let Some(&slot) = at.get(value)
                {
                    free.insert(slot);
                }
            }
        }
        // In the tape's order, so that of values with one name the last stands: where a gradient was made
        // in parts, that is their sum.
        let recorded = (0..tape.values.len() as u32).map(Value);
        let nodes = recorded
            .filter(|v| at.contains_key(v) && kept(*v))
            .map(|v| (tape.name(v).to_string(), (locate(tape, &at, v), tape.spec(v).clone())))
            .chain(tape.values.iter().filter_map(|info| match &info.place {
                Place::Activation => None,
                Place::Buffer { name, offset } => {
                    let location = Location::Buffer { name: name.clone(), offset: *offset };
                    Some((info.name.clone(), (location, info.spec.clone())))
                }
            }))
            .collect();
        Self { label: label.to_string(), slots, buffers: tape.buffers.clone(), steps, nodes }
    }

    /// Bytes of all slots (4 a element): what the plan itself needs beside the named buffers.
    pub fn slot_bytes(&self) -> u64 {
        self.slots.iter().map(|s| s.1 as u64 * 4).sum()
    }

    /// Bytes of the named buffers.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffers.values().map(|s| s.len() as u64 * 4).sum()
    }
}

fn last_uses(tape: &Tape) -> HashMap<Value, usize> {
    let mut last = HashMap::new();
    for (index, step) in tape.steps.iter().enumerate() {
        for &value in step.reads.iter().chain(&step.writes) {
            last.insert(value, index);
        }
    }
    last
}

fn locate(tape: &Tape, at: &HashMap<Value, usize>, value: Value) -> Location {
    match &tape.values[value.0 as usize].place {
        Place::Buffer { name, offset } => Location::Buffer { name: name.clone(), offset: *offset },
        Place::Activation => Location::Slot(*at.get(&value).unwrap_or(&usize::MAX)),
    }
}

/// The free slot that fits best: the smallest that is large enough, else the largest, grown.
fn take_slot(slots: &mut Vec<(DType, usize)>, free: &mut BTreeSet<usize>, spec: &Spec) -> usize {
    let len = spec.len();
    let fits = free.iter().copied().filter(|&s| slots[s].0 == spec.dtype);
    let best = fits.clone().filter(|&s| slots[s].1 >= len).min_by_key(|&s| slots[s].1);
    match best.or_else(|| fits.max_by_key(|&s| slots[s].1)) {
        Some(slot) => {
            free.remove(&slot);
            slots[slot].1 = slots[slot].1.max(len);
            slot
        }
        None => {
            slots.push((spec.dtype, len));
            slots.len() - 1
        }
    }
}
