//! The CPU device: the same plans in plain Rust, in f32 with a SIMD GEMM. In f64 it is the reference
//! that every other device and every gradient is checked against.

mod flash;
mod gelu;
mod gemm;
mod io;
mod pack;
#[cfg(any(test, target_arch = "wasm32"))]
mod product;
mod real;
pub(crate) mod simd;
mod tile;

pub(crate) use flash::each_head;
pub use flash::{Flash, Heads, Upstream};
pub use io::Io;
pub use real::{Real, Start};
pub use simd::fma_ceiling;

use super::profile::{Launched, flops};
use super::{Data, Device, Program, Reading, Source};
use crate::graph::{DType, Location, Plan, PlanStep, Spec};
use crate::{Error, Result};
use io::Storage;
use std::collections::HashMap;
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// Largest buffer: 1 GiB of f32. Beyond it a 32-bit wasm memory could not hold a training step.
const MAX_ELEMENTS: usize = 1 << 28;

/// See the module. `Cpu<f32>` is the device, `Cpu<f64>` the reference.
#[derive(Debug, Default)]
pub struct Cpu<F> {
    buffers: HashMap<String, Storage<F>>,
    programs: Vec<Option<Compiled<F>>>,
    lost: bool,
}

#[derive(Debug)]
struct Compiled<F> {
    plan: Plan,
    slots: Vec<Storage<F>>,
}

impl<F: Real> Cpu<F> {
    /// An empty device.
    pub fn new() -> Self {
        Self { buffers: HashMap::new(), programs: Vec::new(), lost: false }
    }

    /// Writes reals at full precision (the reference's own door).
    pub fn set(&mut self, name: &str, offset: usize, values: &[F]) -> Result<()> {
        match self.buffers.get_mut(name) {
            Some(Storage::Float(v)) if offset + values.len() <= v.len() => {
                v[offset..offset + values.len()].copy_from_slice(values);
                Ok(())
            }
            _ => Err(missing(name)),
        }
    }

    /// Reads reals at full precision.
    pub fn get(&self, source: &Source) -> Result<Vec<F>> {
        match self.fetch(source)? {
            (Storage::Float(v), range) => Ok(v[range].to_vec()),
            (Storage::U32(_), _) => Err(Error::Graph(format!("{source:?} holds integers"))),
        }
    }

    fn fetch(&self, source: &Source) -> Result<(&Storage<F>, std::ops::Range<usize>)> {
        match source {
            Source::Buffer(name, range) => {
                let storage = self.buffers.get(name).ok_or_else(|| missing(name))?;
                if range.end > storage.len() || range.start > range.end {
                    return Err(Error::Graph(format!("{name} has no elements {range:?}")));
                }
                Ok((storage, range.clone()))
            }
            Source::Node(program, node) => {
                let compiled =
                    self.programs.get(program.0).and_then(Option::as_ref).ok_or_else(|| missing(node))?;
                let (location, spec) = compiled.plan.nodes.get(node).ok_or_else(|| missing(node))?;
                Ok(match location {
                    Location::Slot(slot) => (&compiled.slots[*slot], 0..spec.len()),
                    Location::Buffer { name, offset } => {
                        (self.buffers.get(name).ok_or_else(|| missing(name))?, *offset..*offset + spec.len())
                    }
                })
            }
        }
    }

    /// A zeroed slot or buffer. Errors: larger than any may be, or than there is room for.
    fn storage(&self, label: &str, dtype: DType, len: usize) -> Result<Storage<F>> {
        let refused = |why: String| Error::OutOfMemory {
            device: self.name(),
            detail: format!("{label} wants {len} elements, {why}"),
        };
        if len > MAX_ELEMENTS {
            return Err(refused(format!("the limit is {MAX_ELEMENTS}")));
        }
        Storage::zeros(dtype, len).map_err(|_| refused("and there is no room for them".into()))
    }

    /// Runs a program, op by op, and tells `after` of each.
    fn run(&mut self, program: Program, mut after: impl FnMut(&PlanStep)) -> Result<()> {
        let compiled = self
            .programs
            .get_mut(program.0)
            .and_then(Option::as_mut)
            .ok_or_else(|| missing("the program"))?;
        for index in 0..compiled.plan.steps.len() {
            let step: &PlanStep = &compiled.plan.steps[index];
            io::with_io(step, &mut compiled.slots, &mut self.buffers, |io| F::run(&*step.step.op, io))?;
            after(step);
        }
        Ok(())
    }
}

fn missing(name: &str) -> Error {
    Error::Graph(format!("the device has no {name} (of that kind and size)"))
}

impl<F: Real> Device for Cpu<F> {
    fn name(&self) -> String {
        "CPU, 128-bit SIMD".to_string()
    }

    fn is_gpu(&self) -> bool {
        false
    }

    fn compile(&mut self, plan: Plan) -> Result<Program> {
        for (name, spec) in &plan.buffers {
            self.ensure(name, spec)?;
        }
        let slot = |&(dtype, len): &(DType, usize)| self.storage("an activation", dtype, len);
        let slots = plan.slots.iter().map(slot).collect::<Result<_>>()?;
        self.programs.push(Some(Compiled { plan, slots }));
        Ok(Program(self.programs.len() - 1))
    }

    fn release(&mut self, program: Program) {
        if let Some(slot) = self.programs.get_mut(program.0) {
            *slot = None;
        }
    }

    fn ensure(&mut self, name: &str, spec: &Spec) -> Result<()> {
        match self.buffers.get(name) {
            Some(storage) if storage.len() == spec.len() && storage.dtype() == spec.dtype => Ok(()),
            Some(_) => Err(Error::Graph(format!("buffer {name} exists with another size"))),
            None => {
                let storage = self.storage(&format!("buffer {name}"), spec.dtype, spec.len())?;
                self.buffers.insert(name.to_string(), storage);
                Ok(())
            }
        }
    }

    fn clear(&mut self) {
        self.buffers.clear();
        self.programs.clear();
    }

    fn forget(&mut self, name: &str) {
        self.buffers.remove(name);
    }

    fn write(&mut self, name: &str, offset: usize, data: &Data) -> Result<()> {
        if self.lost {
            return Err(Error::DeviceLost("a test took it away".into()));
        }
        match (self.buffers.get_mut(name), data) {
            (Some(Storage::Float(v)), Data::Float(d)) if offset + d.len() <= v.len() => {
                for (to, from) in v[offset..].iter_mut().zip(d) {
                    *to = F::of(f64::from(*from));
                }
                Ok(())
            }
            (Some(Storage::U32(v)), Data::U32(d)) if offset + d.len() <= v.len() => {
                v[offset..offset + d.len()].copy_from_slice(d);
                Ok(())
            }
            _ => Err(missing(name)),
        }
    }

    fn submit(&mut self, programs: &[Program]) -> Result<()> {
        if self.lost {
            return Err(Error::DeviceLost("a test took it away".into()));
        }
        programs.iter().try_for_each(|&p| self.run(p, |_| ()))
    }

    fn profile(&mut self, program: Program) -> Reading<'_, Vec<Launched>> {
        Box::pin(async move {
            let (mut launched, mut start) = (Vec::new(), Instant::now());
            self.run(program, |step| {
                launched.push(Launched {
                    name: step.step.op.name_dyn().into(),
                    seconds: Some(start.elapsed().as_secs_f64()),
                    flops: flops(step),
                });
                start = Instant::now();
            })?;
            Ok(launched)
        })
    }

    fn read_all(&mut self, sources: Vec<Source>) -> Reading<'static, Vec<Data>> {
        let one = |source: &Source| {
            let (storage, range) = self.fetch(source)?;
            Ok(match storage {
                Storage::Float(v) => Data::Float(v[range].iter().map(|x| x.as_f64() as f32).collect()),
                Storage::U32(v) => Data::U32(v[range].to_vec()),
            })
        };
        let all = if self.lost {
            Err(Error::DeviceLost("a test took it away".into()))
        } else {
            sources.iter().map(one).collect()
        };
        Box::pin(std::future::ready(all))
    }

    fn node(&self, program: Program, name: &str) -> Option<Spec> {
        Some(self.programs.get(program.0)?.as_ref()?.plan.nodes.get(name)?.1.clone())
    }

    fn bytes(&self) -> u64 {
        let size = std::mem::size_of::<F>() as u64;
        let slots = self.programs.iter().flatten().flat_map(|c| c.slots.iter());
        self.buffers
            .values()
            .chain(slots)
            .map(|s| s.len() as u64 * if s.dtype() == DType::U32 { 4 } else { size })
            .sum()
    }

    fn lose(&mut self) {
        self.lost = true;
    }
}
