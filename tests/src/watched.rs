//! A trainer on a GPU that shows from outside how many objects it has made.

use gradus_core::Result;
use gradus_core::data::Loader;
use gradus_core::device::gpu::{Gpu, Made};
use gradus_core::device::profile::Launched;
use gradus_core::device::{Data, Device, Program, Reading, Source};
use gradus_core::graph::{Plan, Spec};
use gradus_core::ops::Family;
use gradus_core::protocol::{ModelConfig, Source as Text, TrainConfig};
use gradus_core::train::Trainer;
use gradus_lessons::loader::CourseLoader;
use pollster::block_on;
use std::cell::Cell;
use std::rc::Rc;

/// A GPU that shows, from outside the trainer that owns it, how many objects it had made at the last submit.
struct Watched {
    gpu: Gpu,
    made: Rc<Cell<Made>>,
}

impl Device for Watched {
    fn name(&self) -> String {
        self.gpu.name()
    }
    fn is_gpu(&self) -> bool {
        true
    }
    fn compile(&mut self, plan: Plan) -> Result<Program> {
        self.gpu.compile(plan)
    }
    fn release(&mut self, program: Program) {
        self.gpu.release(program);
    }
    fn ensure(&mut self, name: &str, spec: &Spec) -> Result<()> {
        self.gpu.ensure(name, spec)
    }
    fn clear(&mut self) {
        self.gpu.clear();
    }
    fn forget(&mut self, name: &str) {
        self.gpu.forget(name);
    }
    fn write(&mut self, name: &str, offset: usize, data: &Data) -> Result<()> {
        self.gpu.write(name, offset, data)
    }
    fn submit(&mut self, programs: &[Program]) -> Result<()> {
        let submitted = self.gpu.submit(programs);
        self.made.set(self.gpu.made());
        submitted
    }
    fn profile(&mut self, program: Program) -> Reading<'_, Vec<Launched>> {
        self.gpu.profile(program)
    }
    fn read_all(&mut self, sources: Vec<Source>) -> Reading<'static, Vec<Data>> {
        self.gpu.read_all(sources)
    }
    fn node(&self, program: Program, name: &str) -> Option<Spec> {
        self.gpu.node(program, name)
    }
    fn bytes(&self) -> u64 {
        self.gpu.bytes()
    }
    fn lose(&mut self) {
        self.gpu.lose();
    }
}

/// A trainer of this model on the world's text after two steps, and what its GPU had made at the last submit.
///
/// # Panics
/// When there is no adapter, or it cannot train.
pub fn trainer(model: &ModelConfig, config: &TrainConfig, family: Family) -> (Trainer, Rc<Cell<Made>>) {
    let context = model.n_positions;
    let material =
        CourseLoader.load(&Text::World { seed: 1 }, context, None, &mut |_, _| {}).expect("the world");
    let made = Rc::new(Cell::new(Made::default()));
    let mut gpu = block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"));
    gpu.set_family(family);
    let device = Box::new(Watched { gpu, made: made.clone() });
    let mut trainer = Trainer::new(device, model, config, 1, material).expect("a trainer");
    trainer.init().expect("weights");
    // The first reading makes the buffer that readings are copied to; the second submit shows it.
    for _ in 0..2 {
        trainer.submit(1).expect("submitted");
        block_on(trainer.collect()).expect("collected");
    }
    (trainer, made)
}
