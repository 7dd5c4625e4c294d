//! Training on the native GPU makes everything by its first reading, and nothing after it, in both families of
//! kernels and however long it goes on.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::Result;
use gradus_core::data::Loader;
use gradus_core::device::gpu::{Gpu, Made};
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
    fn read_all(&mut self, sources: Vec<Source>) -> Reading<'_, Vec<Data>> {
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

fn trainer(model: &ModelConfig, config: &TrainConfig, family: Family) -> (Trainer, Rc<Cell<Made>>) {
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

#[test]
fn steps_make_nothing() {
    let model = ModelConfig { vocab_size: 362, ..ModelConfig::preset("4k").expect("a preset") };
    let config = TrainConfig { steps: 100, batch: 4, accumulate: 2, ..TrainConfig::default() };
    for family in Family::ALL {
        let (mut trainer, made) = trainer(&model, &config, family);
        let (first, bytes) = (made.get(), trainer.device.bytes());
        assert!(first.buffers > 10 && first.pipelines > 10 && first.bind_groups > 10, "{first:?}");
        for steps in [1, 7, 32] {
            trainer.submit(steps).expect("submitted");
            block_on(trainer.collect()).expect("collected");
            block_on(trainer.validate()).expect("validated");
        }
        trainer.submit(1).expect("submitted");
        assert_eq!(made.get(), first);
        assert_eq!(trainer.device.bytes(), bytes);
    }
}

/// Kilobytes of this process that lie in memory (`VmRSS` of Linux's `/proc/self/status`).
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its resident set");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// Ten thousand steps: no object more, no byte on the device, and the process as large as after the first thousand.
#[test]
#[cfg(target_os = "linux")]
fn memory_is_flat_over_ten_thousand_steps() {
    const STEPS: u64 = 10_000;
    let model = ModelConfig {
        n_layer: 1,
        n_embd: 8,
        n_head: 2,
        n_positions: 4,
        vocab_size: 362,
        ..ModelConfig::preset("4k").expect("a preset")
    };
    let config = TrainConfig { steps: 2 * STEPS, batch: 1, ..TrainConfig::default() };
    let (mut trainer, made) = trainer(&model, &config, Family::Threads);
    let (first, bytes) = (made.get(), trainer.device.bytes());
    let mut early = 0;
    while trainer.step() < STEPS {
        trainer.submit(trainer.most_steps()).expect("submitted");
        let measured = block_on(trainer.collect()).expect("collected");
        assert!(measured.iter().all(|m| m.loss.is_finite()));
        if early == 0 && trainer.step() >= STEPS / 10 {
            early = resident();
        }
    }
    assert_eq!(made.get(), first);
    assert_eq!(trainer.device.bytes(), bytes);
    let late = resident();
    println!("{early} kB after a tenth, {late} kB after {STEPS} steps");
    // A leak of a hundred bytes a step would be 900 kB.
    assert!(late < early + 900, "{early} kB after a tenth of the steps, {late} kB at their end");
}
