//! Lends an op the slices it reads and writes.

use super::Real;
use crate::graph::{DType, Location, PlanStep, Spec};
use crate::{Error, Result};
use std::collections::{HashMap, TryReserveError};

/// A slot's or a buffer's elements.
#[derive(Debug)]
pub(super) enum Storage<F> {
    Float(Vec<F>),
    U32(Vec<u32>),
}

impl<F: Real> Storage<F> {
    /// Errors: there is no room for it. `vec!` would end the program instead.
    pub(super) fn zeros(dtype: DType, len: usize) -> std::result::Result<Self, TryReserveError> {
        fn zeros<T: Clone>(zero: T, len: usize) -> std::result::Result<Vec<T>, TryReserveError> {
            let mut all = Vec::new();
            all.try_reserve_exact(len)?;
            all.resize(len, zero);
            Ok(all)
        }
        Ok(match dtype {
            DType::Float => Self::Float(zeros(F::zero(), len)?),
            DType::U32 => Self::U32(zeros(0, len)?),
        })
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Float(v) => v.len(),
            Self::U32(v) => v.len(),
        }
    }

    pub(super) fn dtype(&self) -> DType {
        match self {
            Self::Float(_) => DType::Float,
            Self::U32(_) => DType::U32,
        }
    }
}

enum Lent<'a, F> {
    Float(&'a [F]),
    U32(&'a [u32]),
    FloatMut(&'a mut [F]),
    U32Mut(&'a mut [u32]),
    Taken,
}

/// What one step reads and writes, in the order of its op's bindings.
pub struct Io<'a, F> {
    reads: Vec<Lent<'a, F>>,
    writes: Vec<Lent<'a, F>>,
    step: &'a PlanStep,
}

impl<'a, F: Real> Io<'a, F> {
    /// The i-th read, of floats.
    pub fn f(&self, i: usize) -> &'a [F] {
        match self.reads[i] {
            Lent::Float(s) => s,
            _ => panic!("read {i} of {} holds no floats", self.step.step.op.name_dyn()),
        }
    }

    /// The i-th read, of integers.
    pub fn u(&self, i: usize) -> &'a [u32] {
        match self.reads[i] {
            Lent::U32(s) => s,
            _ => panic!("read {i} of {} holds no integers", self.step.step.op.name_dyn()),
        }
    }

    /// Takes the i-th write, of floats. Buffers keep what they held; activations hold what was left there.
    pub fn out(&mut self, i: usize) -> &'a mut [F] {
        match std::mem::replace(&mut self.writes[i], Lent::Taken) {
            Lent::FloatMut(s) => s,
            _ => panic!("write {i} of {} holds no floats, or was taken", self.step.step.op.name_dyn()),
        }
    }

    /// Takes the i-th write, of integers.
    pub fn out_u(&mut self, i: usize) -> &'a mut [u32] {
        match std::mem::replace(&mut self.writes[i], Lent::Taken) {
            Lent::U32Mut(s) => s,
            _ => panic!("write {i} of {} holds no integers, or was taken", self.step.step.op.name_dyn()),
        }
    }

    /// Shape of the i-th read.
    pub fn read_spec(&self, i: usize) -> &'a Spec {
        &self.step.reads[i].1
    }

    /// Shape of the i-th write.
    pub fn write_spec(&self, i: usize) -> &'a Spec {
        &self.step.writes[i].1
    }
}

/// Calls `run` with the slices of `step`. What is written is taken out of its owner meanwhile, so that
/// the borrow checker sees reads and writes apart; a value both read and written is a planning fault.
pub(super) fn with_io<F: Real>(
    step: &PlanStep,
    slots: &mut [Storage<F>],
    buffers: &mut HashMap<String, Storage<F>>,
    run: impl FnOnce(Io<'_, F>),
) -> Result<()> {
    let mut owners: Vec<(Location, Storage<F>)> = Vec::new();
    for (location, _) in &step.writes {
        let owner = owner(location);
        if owners.iter().all(|(o, _)| *o != owner) {
            let storage = match &owner {
                Location::Slot(s) => std::mem::replace(&mut slots[*s], Storage::U32(Vec::new())),
                Location::Buffer { name, .. } => {
                    buffers.remove(name).ok_or_else(|| Error::Graph(format!("no buffer {name}")))?
                }
            };
            owners.push((owner, storage));
        }
    }
    let result = lend(step, slots, buffers, &mut owners).map(run);
    for (owner, storage) in owners {
        match owner {
            Location::Slot(s) => slots[s] = storage,
            Location::Buffer { name, .. } => {
                buffers.insert(name, storage);
            }
        }
    }
    result
}

fn owner(location: &Location) -> Location {
    match location {
        Location::Slot(s) => Location::Slot(*s),
        Location::Buffer { name, .. } => Location::Buffer { name: name.clone(), offset: 0 },
    }
}

fn lend<'a, F: Real>(
    step: &'a PlanStep,
    slots: &'a [Storage<F>],
    buffers: &'a HashMap<String, Storage<F>>,
    owners: &'a mut [(Location, Storage<F>)],
) -> Result<Io<'a, F>> {
    let reads = step
        .reads
        .iter()
        .map(|(location, spec)| {
            let (storage, offset) = match location {
                Location::Slot(s) => (&slots[*s], 0),
                Location::Buffer { name, offset } => {
                    let storage = buffers.get(name).ok_or_else(|| {
                        Error::Graph(format!("{} reads {name} while writing it", step.step.op.name_dyn()))
                    })?;
                    (storage, *offset)
                }
            };
            Ok(match storage {
                Storage::Float(v) => Lent::Float(&v[offset..offset + spec.len()]),
                Storage::U32(v) => Lent::U32(&v[offset..offset + spec.len()]),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut writes: Vec<Lent<'a, F>> = step.writes.iter().map(|_| Lent::Taken).collect();
    for (key, storage) in owners {
        let mut parts: Vec<(usize, usize, usize)> = Vec::new();
        for (index, (location, spec)) in step.writes.iter().enumerate() {
            if owner(location) == *key {
                let offset = if let Location::Buffer { offset, .. } = location { *offset } else { 0 };
                parts.push((offset, spec.len(), index));
            }
        }
        parts.sort_unstable();
        match storage {
            Storage::Float(v) => split(v, &parts, &mut writes, Lent::FloatMut),
            Storage::U32(v) => split(v, &parts, &mut writes, Lent::U32Mut),
        }
    }
    Ok(Io { reads, writes, step })
}

fn split<'a, T, F>(
    mut rest: &'a mut [T],
    parts: &[(usize, usize, usize)],
    writes: &mut [Lent<'a, F>],
    wrap: impl Fn(&'a mut [T]) -> Lent<'a, F>,
) {
    let mut at = 0;
    for &(offset, len, index) in parts {
        let (part, tail) = rest[offset - at..].split_at_mut(len);
        writes[index] = wrap(part);
        rest = tail;
        at = offset + len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_memory_holds_is_an_error_and_no_end() {
        for dtype in [DType::Float, DType::U32] {
            assert!(Storage::<f32>::zeros(dtype, usize::MAX).is_err());
            assert_eq!(Storage::<f32>::zeros(dtype, 3).expect("there is room").len(), 3);
        }
    }
}
