//! Devices: they hold named buffers, compile plans, and replay them.

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod profile;
pub mod timer;

use crate::Result;
use crate::graph::{Plan, Spec};
use profile::Launched;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

/// A device's limits, as measured: a yardstick for benchmarks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// Floating-point operations a second in f32, of fused multiply-adds that never leave the registers.
    pub flops: f64,
    /// Bytes a second, read and written, of a long copy.
    pub bytes: f64,
}

/// A plan compiled on one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Program(pub(crate) usize);

/// Compiles these plans, or none of them: where one fails, those before it are released. Named buffers stay.
///
/// # Errors
/// Those of [`Device::compile`].
pub(crate) fn compile_all<const N: usize>(device: &mut dyn Device, plans: [Plan; N]) -> Result<[Program; N]> {
    let mut programs = [Program(usize::MAX); N];
    for (i, plan) in plans.into_iter().enumerate() {
        match device.compile(plan) {
            Ok(program) => programs[i] = program,
            Err(error) => {
                programs[..i].iter().for_each(|&program| device.release(program));
                return Err(error);
            }
        }
    }
    Ok(programs)
}

/// Elements on their way to or from a device.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Real numbers.
    Float(Vec<f32>),
    /// Tokens, counters, bits.
    U32(Vec<u32>),
}

impl Data {
    /// The floats; empty if these are integers.
    pub fn floats(self) -> Vec<f32> {
        match self {
            Self::Float(v) => v,
            Self::U32(_) => Vec::new(),
        }
    }

    /// The integers; empty if these are floats.
    pub fn integers(self) -> Vec<u32> {
        match self {
            Self::U32(v) => v,
            Self::Float(_) => Vec::new(),
        }
    }
}

/// What a device reads back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Elements of a named buffer.
    Buffer(String, Range<usize>),
    /// A node of a program, whole, as it stands after the program's last run.
    Node(Program, String),
}

/// A read-back under way. Not `Send`: browsers hand out their promises on one thread.
pub type Reading<'a, T = Data> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A time under way, if the device has a clock of its own.
pub type Seconds<'a> = Pin<Box<dyn Future<Output = Result<Option<f64>>> + 'a>>;

/// What every device can do. Nothing above this line knows which one it is.
pub trait Device {
    /// The adapter's or processor path's name.
    fn name(&self) -> String;

    /// True for WebGPU.
    fn is_gpu(&self) -> bool;

    /// Allocates the plan's slots and those of its named buffers that do not exist yet (zeroed), and
    /// builds what a replay needs. Errors: a buffer of that name with another size, out of memory, a
    /// kernel that the driver refuses.
    fn compile(&mut self, plan: Plan) -> Result<Program>;

    /// Frees a program's slots. Named buffers stay.
    fn release(&mut self, program: Program);

    /// Makes a named buffer (zeroed) if there is none.
    fn ensure(&mut self, name: &str, spec: &Spec) -> Result<()>;

    /// Frees everything: all programs and all named buffers.
    fn clear(&mut self);

    /// Frees a named buffer. Programs that use it must have been released.
    fn forget(&mut self, name: &str);

    /// Writes into a named buffer, from element `offset` on.
    fn write(&mut self, name: &str, offset: usize, data: &Data) -> Result<()>;

    /// Runs programs one after another, in one submission.
    fn submit(&mut self, programs: &[Program]) -> Result<()>;

    /// Runs a program, and says of each kernel that it launches (on the CPU: of each op) how long it took. On a GPU
    /// each is a pass of its own, which costs a little more than the program as it is submitted.
    fn profile(&mut self, program: Program) -> Reading<'_, Vec<Launched>>;

    /// Reads back all of these, in their order and in one go, as they are after everything submitted so far: waiting for
    /// the device is what costs. It is told at once; what is awaited is its answer, while more may be submitted.
    fn read_all(&mut self, sources: Vec<Source>) -> Reading<'static, Vec<Data>>;

    /// Reads back one thing, as [`read_all`](Self::read_all) does.
    fn read(&mut self, source: Source) -> Reading<'static> {
        let all = self.read_all(vec![source]);
        Box::pin(async { Ok(all.await?.swap_remove(0)) })
    }

    /// Runs a program and says how long its kernels took by the device's own clock; None where it has none,
    /// and then nothing may have run. [`timer::time`] falls back on the wall clock.
    fn timestamps(&mut self, _: Program) -> Seconds<'_> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Shape of a node that [`read`](Self::read) can deliver.
    fn node(&self, program: Program, name: &str) -> Option<Spec>;

    /// Bytes held.
    fn bytes(&self) -> u64;

    /// Makes the device fail as if it had been lost (for tests).
    fn lose(&mut self);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu::Cpu;
    use crate::graph::Tape;
    use crate::ops::Linear;

    /// x `[rows, 4]` · w `[4, 16]`.
    fn product(rows: usize) -> Plan {
        let mut tape = Tape::new();
        let x = tape.buffer(&format!("x{rows}"), Spec::float([rows, 4]));
        let w = tape.buffer("w", Spec::float([4, 16]));
        tape.push1("y", Linear::default(), &[x, w]).expect("a graph");
        Plan::new("product", &tape, &[])
    }

    #[test]
    fn a_profile_names_what_ran_and_counts_its_products() {
        let mut device = Cpu::<f32>::new();
        let program = device.compile(product(8)).expect("a program");
        let launched = pollster::block_on(device.profile(program)).expect("a profile");
        let [Launched { name, seconds, flops }] = &launched[..] else { panic!("{launched:?}") };
        assert_eq!((name.as_str(), *flops), ("linear", 2.0 * 8.0 * 4.0 * 16.0));
        assert!(seconds.is_some_and(|s| s > 0.0), "{seconds:?}");
    }

    #[test]
    fn plans_that_belong_together_are_compiled_together_or_not_at_all() {
        let mut device = Cpu::<f32>::new();
        // The last makes more numbers than a slot may hold.
        let plans = [product(8), product(9), product(1 << 25)];
        assert!(compile_all(&mut device, plans).is_err());
        let buffers: usize = [8, 9, 1 << 25, 16].map(|n| 4 * n).iter().sum();
        assert_eq!(device.bytes(), 4 * buffers as u64, "slots of a plan that nobody has");
        let [first, second] = compile_all(&mut device, [product(8), product(9)]).expect("two programs");
        assert!(first != second && device.submit(&[first, second]).is_ok());
    }
}
