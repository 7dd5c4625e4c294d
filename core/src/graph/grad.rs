//! Reverse mode: walks the tape backwards and lets each op append its vector–Jacobian product.

use super::tape::{Step, Tape, Value};
use crate::Result;
use crate::ops::{Add, Op};
use std::collections::HashMap;

/// The gradient pass at work. An op's `vjp` asks it for the gradients of what the op made, and hands it
/// the gradients of what the op read.
pub struct Backward<'t> {
    tape: &'t mut Tape,
    /// The steps that are walked, first to last.
    steps: &'t [Step],
    grads: HashMap<Value, Value>,
}

impl Tape {
    /// Appends the gradient pass. `seeds` pairs values with their given gradients; the result holds the
    /// gradient of every activation that was reached. Gradients of parameters are added to `grads`.
    pub fn backward(&mut self, seeds: &[(Value, Value)]) -> Result<HashMap<Value, Value>> {
        let steps = self.steps.clone();
        let mut back = Backward { tape: self, steps: &steps, grads: seeds.iter().copied().collect() };
        for (index, step) in steps.iter().enumerate().rev() {
            if step.writes.iter().any(|w| back.grads.contains_key(w)) {
                let before = back.tape.steps.len();
                step.op.vjp_dyn(&mut back, step)?;
                back.tape.steps[before..].iter_mut().for_each(|made| made.of = Some(index));
            }
        }
        Ok(back.grads)
    }
}

impl Backward<'_> {
    /// The gradient of a value the op made, if anything downstream gave it one.
    pub fn grad(&self, value: Value) -> Option<Value> {
        self.grads.get(&value).copied()
    }

    /// Where the gradient of a parameter is added up; None for values that are no parameters.
    pub fn parameter(&self, value: Value) -> Option<Value> {
        self.tape.values[value.0 as usize].grad
    }

    /// Takes the gradient that `value` has so far, for an op that folds it into its own. The op must
    /// then [`set`](Self::set) the sum.
    pub fn take(&mut self, value: Value) -> Option<Value> {
        self.grads.remove(&value)
    }

    /// The slope that `value` was made with, if a single step reads `value` and it has no gradient yet. That step may
    /// multiply its gradient by the slope and [`set`](Self::set) the product for the slope's value instead of for
    /// `value`: the maker of both takes it for the gradient of what it put through the curve.
    pub fn slope(&self, value: Value) -> Option<Value> {
        let readers = self.steps.iter().flat_map(|step| &step.reads).filter(|&&read| read == value).count();
        if readers > 1 || self.grads.contains_key(&value) {
            return None;
        }
        let maker = self.steps.iter().find(|step| step.writes.first() == Some(&value))?;
        maker.op.slope_dyn().map(|output| maker.writes[output])
    }

    /// Gives `value` (a further contribution to) its gradient.
    pub fn set(&mut self, value: Value, grad: Value) -> Result<()> {
        let sum = match self.grads.remove(&value) {
            Some(other) => self.push(value, Add, &[other, grad])?,
            None => grad,
        };
        self.grads.insert(value, sum);
        Ok(())
    }

    /// Records an op whose output is a gradient of `of`, and is named after it.
    pub fn push(&mut self, of: Value, op: impl Op + 'static, reads: &[Value]) -> Result<Value> {
        Ok(self.push_all(of, op, reads)?[0])
    }

    /// As [`push`](Self::push), for an op with several outputs, the first of which is the gradient.
    pub fn push_all(&mut self, of: Value, op: impl Op + 'static, reads: &[Value]) -> Result<Vec<Value>> {
        let name = format!("grad:{}", self.tape.name(of));
        self.tape.push(&name, op, reads)
    }

    /// Records an op that adds into existing values.
    pub fn push_into(&mut self, op: impl Op + 'static, reads: &[Value], writes: &[Value]) -> Result<()> {
        self.tape.push_into(op, reads, writes)
    }

    /// A gradient of `of` that several ops complete part by part.
    pub fn partial(&mut self, of: Value) -> Value {
        let name = format!("grad:{}", self.tape.name(of));
        let spec = self.tape.spec(of).clone();
        self.tape.activation(name, spec)
    }

    /// The step's values' shapes are the tape's.
    pub fn tape(&self) -> &Tape {
        self.tape
    }

    /// The only gradient of a step with one differentiable output.
    pub fn only(&self, step: &Step) -> Option<Value> {
        self.grad(step.writes[0])
    }
}
