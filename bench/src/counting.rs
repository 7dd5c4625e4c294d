//! A device that counts what is read back from it.

use gradus_core::Result;
use gradus_core::device::profile::Launched;
use gradus_core::device::{Data, Device, Program, Reading, Source};
use gradus_core::graph::{Plan, Spec};
use std::cell::Cell;
use std::rc::Rc;

/// How often a device was read. Clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadBacks(Rc<Cell<u64>>);

impl ReadBacks {
    pub(crate) fn count(&self) -> u64 {
        self.0.get()
    }
}

/// A device, and a count of its read-backs.
pub(crate) struct Counting {
    inner: Box<dyn Device>,
    reads: ReadBacks,
}

impl Counting {
    pub(crate) fn new(inner: Box<dyn Device>) -> (Self, ReadBacks) {
        let reads = ReadBacks::default();
        (Self { inner, reads: reads.clone() }, reads)
    }
}

impl Device for Counting {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn is_gpu(&self) -> bool {
        self.inner.is_gpu()
    }
    fn compile(&mut self, plan: Plan) -> Result<Program> {
        self.inner.compile(plan)
    }
    fn release(&mut self, program: Program) {
        self.inner.release(program);
    }
    fn ensure(&mut self, name: &str, spec: &Spec) -> Result<()> {
        self.inner.ensure(name, spec)
    }
    fn clear(&mut self) {
        self.inner.clear();
    }
    fn forget(&mut self, name: &str) {
        self.inner.forget(name);
    }
    fn write(&mut self, name: &str, offset: usize, data: &Data) -> Result<()> {
        self.inner.write(name, offset, data)
    }
    fn submit(&mut self, programs: &[Program]) -> Result<()> {
        self.inner.submit(programs)
    }
    fn profile(&mut self, program: Program) -> Reading<'_, Vec<Launched>> {
        self.inner.profile(program)
    }
    fn read_all(&mut self, sources: Vec<Source>) -> Reading<'static, Vec<Data>> {
        self.reads.0.set(self.reads.count() + 1);
        self.inner.read_all(sources)
    }
    fn node(&self, program: Program, name: &str) -> Option<Spec> {
        self.inner.node(program, name)
    }
    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }
    fn lose(&mut self) {
        self.inner.lose();
    }
}
