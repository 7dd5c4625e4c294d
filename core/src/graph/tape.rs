//! The tape: values, and the steps that make them.

use crate::ops::{DynOp, Op};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a value's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// f32 on the devices, f64 on the reference.
    Float,
    /// Tokens, counters, and the bits of scalars in a step state.
    U32,
}

/// Shape and element type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
}

impl Spec {
    /// A tensor of floats.
    pub fn float(shape: impl Into<Vec<usize>>) -> Self {
        Self { shape: shape.into(), dtype: DType::Float }
    }

    /// A tensor of unsigned integers.
    pub fn u32(shape: impl Into<Vec<usize>>) -> Self {
        Self { shape: shape.into(), dtype: DType::U32 }
    }

    /// How many elements; of a shape beyond all memory the largest number there is, which every device refuses.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |len, &n| len.saturating_mul(n))
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last dimension.
    pub fn last(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// All dimensions but the last, multiplied.
    pub fn rows(&self) -> usize {
        self.len() / self.last().max(1)
    }
}

/// A handle to a value on one tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(crate) u32);

/// Where a value lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// From the step that makes it to the last step that reads it.
    Activation,
    /// A stretch of a named device buffer, which outlives the plan.
    Buffer { name: String, offset: usize },
}

#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub name: String,
    pub spec: Spec,
    pub place: Place,
    /// Parameters only: where their gradient is added up.
    pub grad: Option<Value>,
}

/// One op applied to values. `writes` are made anew, or updated in place where they are buffers.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub op: Arc<dyn DynOp>,
    /// What it reads.
    pub reads: Vec<Value>,
    /// What it writes.
    pub writes: Vec<Value>,
    /// The step whose gradient this is a part of.
    pub(crate) of: Option<usize>,
}

/// Offsets of views are multiples of this many elements: WebGPU binds at multiples of 256 bytes.
pub(crate) const ALIGN: usize = 64;

/// Values and the steps that make them, in order.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    pub(crate) values: Vec<Info>,
    pub(crate) steps: Vec<Step>,
    pub(crate) buffers: BTreeMap<String, Spec>,
    scope: Vec<String>,
}

impl Tape {
    /// An empty tape.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a device buffer that outlives the plan. Plans on one device share buffers by name.
    /// Returns the whole buffer as a value.
    pub fn buffer(&mut self, name: &str, spec: Spec) -> Value {
        self.buffers.insert(name.to_string(), spec.clone());
        self.value(name.to_string(), spec, Place::Buffer { name: name.to_string(), offset: 0 })
    }

    /// The stretch of a declared buffer that begins at element `offset`.
    pub fn view(&mut self, name: &str, buffer: &str, offset: usize, shape: &[usize]) -> Result<Value> {
        let whole = self.buffers.get(buffer).ok_or_else(|| fault(format!("no buffer {buffer}")))?;
        let spec = Spec { shape: shape.to_vec(), dtype: whole.dtype };
        if !offset.is_multiple_of(ALIGN) || offset.saturating_add(spec.len()) > whole.len() {
            return Err(fault(format!("view {name} at {offset} does not fit buffer {buffer}")));
        }
        Ok(self.value(name.to_string(), spec, Place::Buffer { name: buffer.to_string(), offset }))
    }

    /// A parameter: a view of buffer `params` whose gradient is added up at the same place of `grads`, if
    /// that buffer was declared; without it the parameter is frozen. `params` and `grads` are the buffers'
    /// names.
    pub fn parameter(
        &mut self,
        name: &str,
        [params, grads]: [&str; 2],
        offset: usize,
        shape: &[usize],
    ) -> Result<Value> {
        let value = self.view(name, params, offset, shape)?;
        if self.buffers.contains_key(grads) {
            let grad = self.view(&format!("grad:{name}"), grads, offset, shape)?;
            self.values[value.0 as usize].grad = Some(grad);
        }
        Ok(value)
    }

    /// Records `op` and returns the values it makes. They are called `name`, or `name.suffix` for the
    /// further outputs that the op names itself.
    pub fn push(&mut self, name: &str, op: impl Op + 'static, reads: &[Value]) -> Result<Vec<Value>> {
        let specs = op.infer(&self.specs(reads))?;
        let suffixes = op.outputs();
        if specs.len() != suffixes.len() {
            return Err(fault(format!(
                "{} names {} outputs, makes {}",
                op.name(),
                suffixes.len(),
                specs.len()
            )));
        }
        let name = self.scoped(name);
        let writes = specs
            .into_iter()
            .zip(suffixes)
            .map(|(spec, suffix)| {
                let full = if suffix.is_empty() { name.clone() } else { format!("{name}.{suffix}") };
                self.value(full, spec, Place::Activation)
            })
            .collect::<Vec<_>>();
        self.steps.push(Step { op: Arc::new(op), reads: reads.to_vec(), writes: writes.clone(), of: None });
        Ok(writes)
    }

    /// Records an op with one output.
    pub fn push1(&mut self, name: &str, op: impl Op + 'static, reads: &[Value]) -> Result<Value> {
        Ok(self.push(name, op, reads)?[0])
    }

    /// Records `op` writing into values that exist: buffers, or activations it completes.
    pub fn push_into(&mut self, op: impl Op + 'static, reads: &[Value], writes: &[Value]) -> Result<()> {
        let made = op.infer(&self.specs(reads))?;
        let given = self.specs(writes);
        if made.len() != given.len()
            || made.iter().zip(&given).any(|(a, b)| a.len() != b.len() || a.dtype != b.dtype)
        {
            return Err(fault(format!("{} writes {made:?}, was given {given:?}", op.name())));
        }
        self.steps.push(Step { op: Arc::new(op), reads: reads.to_vec(), writes: writes.to_vec(), of: None });
        Ok(())
    }

    /// Runs `build` with `scope.` before every name it gives.
    pub fn scoped_as<R>(&mut self, scope: &str, build: impl FnOnce(&mut Self) -> R) -> R {
        self.scope.push(scope.to_string());
        let result = build(self);
        self.scope.pop();
        result
    }

    /// Shape and type of a value.
    pub fn spec(&self, value: Value) -> &Spec {
        &self.values[value.0 as usize].spec
    }

    /// The value's stable name.
    pub fn name(&self, value: Value) -> &str {
        &self.values[value.0 as usize].name
    }

    /// The value called `name`.
    pub fn find(&self, name: &str) -> Option<Value> {
        self.values.iter().position(|v| v.name == name).map(|i| Value(i as u32))
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn specs(&self, values: &[Value]) -> Vec<Spec> {
        values.iter().map(|&v| self.spec(v).clone()).collect()
    }

    /// An activation with no op behind it yet: an op that completes it part by part will write it.
    pub(crate) fn activation(&mut self, name: String, spec: Spec) -> Value {
        self.value(name, spec, Place::Activation)
    }

    fn value(&mut self, name: String, spec: Spec, place: Place) -> Value {
        self.values.push(Info { name, spec, place, grad: None });
        Value(self.values.len() as u32 - 1)
    }

    fn scoped(&self, name: &str) -> String {
        let mut parts = self.scope.clone();
        parts.push(name.to_string());
        parts.join(".")
    }
}

pub(crate) fn fault(message: String) -> Error {
    Error::Graph(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_all_memory_do_not_wrap() {
        assert_eq!(Spec::float([1 << 20, usize::MAX / 4, 3]).len(), usize::MAX);
        assert_eq!(Spec::float([usize::MAX, 2, 0]).len(), 0);
        let mut tape = Tape::new();
        tape.buffer("x", Spec::float([64]));
        assert!(tape.view("y", "x", 64, &[usize::MAX]).is_err());
    }
}
