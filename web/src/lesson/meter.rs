//! A device that counts what goes through it, so that the run bar can say it for every recipe alike.

use gradus_core::Result;
use gradus_core::device::profile::Launched;
use gradus_core::device::{Data, Device, Program, Reading, Seconds, Source};
use gradus_core::graph::{Plan, Spec};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

/// The counts, shared with whoever shows them.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    /// Tokens that a model has read: rows × positions of every embedding that was computed. Where two models read
    /// the same token it counts twice.
    pub(super) tokens: Cell<u64>,
    /// Bytes that the device holds now.
    pub(super) bytes: Cell<u64>,
}

/// A device and its gauge.
pub(super) struct Metered {
    device: Box<dyn Device>,
    gauge: Rc<Gauge>,
    /// Tokens that one run of a program reads.
    tokens: HashMap<Program, u64>,
}

impl Metered {
    /// Counts what goes through `device`.
    pub(super) fn new(device: Box<dyn Device>, gauge: Rc<Gauge>) -> Self {
        Self { device, gauge, tokens: HashMap::new() }
    }

    fn weigh(&self) {
        self.gauge.bytes.set(self.device.bytes());
    }

    fn count(&self, program: Program) {
        let tokens = self.tokens.get(&program).copied().unwrap_or(0);
        self.gauge.tokens.set(self.gauge.tokens.get() + tokens);
    }
}

/// Tokens that a plan embeds: of `[B, T, C]`, B·T.
fn embedded(plan: &Plan) -> u64 {
    let embeds = plan.steps.iter().filter(|s| matches!(s.step.op.name_dyn(), "embed" | "embed_at"));
    let rows = embeds.filter_map(|s| Some(s.writes.first()?.1.rows() as u64));
    rows.sum()
}

impl Device for Metered {
    fn name(&self) -> String {
        self.device.name()
    }

    fn is_gpu(&self) -> bool {
        self.device.is_gpu()
    }

    fn compile(&mut self, plan: Plan) -> Result<Program> {
        let tokens = embedded(&plan);
        let program = self.device.compile(plan);
        self.weigh();
        if let Ok(program) = program {
            self.tokens.insert(program, tokens);
        }
        program
    }

    fn release(&mut self, program: Program) {
        self.device.release(program);
        self.weigh();
    }

    fn ensure(&mut self, name: &str, spec: &Spec) -> Result<()> {
        let made = self.device.ensure(name, spec);
        self.weigh();
        made
    }

    fn clear(&mut self) {
        self.device.clear();
        self.tokens.clear();
        self.weigh();
    }

    fn forget(&mut self, name: &str) {
        self.device.forget(name);
        self.weigh();
    }

    fn write(&mut self, name: &str, offset: usize, data: &Data) -> Result<()> {
        self.device.write(name, offset, data)
    }

    fn submit(&mut self, programs: &[Program]) -> Result<()> {
        programs.iter().for_each(|p| self.count(*p));
        self.device.submit(programs)
    }

    fn profile(&mut self, program: Program) -> Reading<'_, Vec<Launched>> {
        self.device.profile(program)
    }

    fn read_all(&mut self, sources: Vec<Source>) -> Reading<'static, Vec<Data>> {
        self.device.read_all(sources)
    }

    fn timestamps(&mut self, program: Program) -> Seconds<'_> {
        self.device.timestamps(program)
    }

    fn node(&self, program: Program, name: &str) -> Option<Spec> {
        self.device.node(program, name)
    }

    fn bytes(&self) -> u64 {
        self.device.bytes()
    }

    fn lose(&mut self) {
        self.device.lose();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_core::device::cpu::Cpu;
    use gradus_core::graph::{DType, Tape};
    use gradus_core::ops::Embed;

    #[test]
    fn tokens_and_bytes_are_counted_as_they_pass() -> Result<()> {
        let mut tape = Tape::new();
        let tokens = tape.buffer("tokens", Spec { shape: vec![3, 5], dtype: DType::U32 });
        let wte = tape.buffer("wte", Spec::float([7, 4]));
        let wpe = tape.buffer("wpe", Spec::float([5, 4]));
        tape.push("x", Embed, &[tokens, wte, wpe])?;
        let gauge = Rc::new(Gauge::default());
        let mut device = Metered::new(Box::new(Cpu::<f32>::new()), gauge.clone());
        let program = device.compile(Plan::new("test", &tape, &["x"]))?;
        assert!(gauge.bytes.get() >= 4 * (15 + 28 + 20 + 60));
        device.submit(&[program, program])?;
        assert_eq!(gauge.tokens.get(), 2 * 15);
        device.clear();
        assert_eq!(gauge.bytes.get(), 0);
        Ok(())
    }
}
