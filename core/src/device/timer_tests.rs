use super::*;
use crate::device::cpu::Cpu;
use crate::device::profile::Launched;
use crate::device::{Data, Reading, Seconds};
use crate::graph::{Plan, Spec, Tape};
use crate::ops::Scale;
use pollster::block_on;
use std::collections::VecDeque;

/// A device that tells these times, one a run, and after the last of them none.
struct Told {
    cpu: Cpu<f32>,
    times: VecDeque<f64>,
}

impl Device for Told {
    fn timestamps(&mut self, _: Program) -> Seconds<'_> {
        Box::pin(std::future::ready(Ok(self.times.pop_front())))
    }
    fn name(&self) -> String {
        self.cpu.name()
    }
    fn is_gpu(&self) -> bool {
        false
    }
    fn compile(&mut self, plan: Plan) -> Result<Program> {
        self.cpu.compile(plan)
    }
    fn release(&mut self, program: Program) {
        self.cpu.release(program);
    }
    fn ensure(&mut self, name: &str, spec: &Spec) -> Result<()> {
        self.cpu.ensure(name, spec)
    }
    fn clear(&mut self) {
        self.cpu.clear();
    }
    fn forget(&mut self, name: &str) {
        self.cpu.forget(name);
    }
    fn write(&mut self, name: &str, offset: usize, data: &Data) -> Result<()> {
        self.cpu.write(name, offset, data)
    }
    fn submit(&mut self, programs: &[Program]) -> Result<()> {
        self.cpu.submit(programs)
    }
    fn profile(&mut self, program: Program) -> Reading<'_, Vec<Launched>> {
        self.cpu.profile(program)
    }
    fn read_all(&mut self, sources: Vec<Source>) -> Reading<'static, Vec<Data>> {
        self.cpu.read_all(sources)
    }
    fn node(&self, program: Program, name: &str) -> Option<Spec> {
        self.cpu.node(program, name)
    }
    fn bytes(&self) -> u64 {
        self.cpu.bytes()
    }
    fn lose(&mut self) {
        self.cpu.lose();
    }
}

/// What three repetitions come to on a device that tells `times`.
fn timed(times: &[f64]) -> Timing {
    let mut device = Told { cpu: Cpu::new(), times: times.iter().copied().collect() };
    let mut tape = Tape::new();
    let x = tape.buffer("x", Spec::float([4]));
    tape.push1("y", Scale { by: 2.0 }, &[x]).expect("a graph");
    let program = device.compile(Plan::new("timed", &tape, &[])).expect("compiled");
    block_on(time(&mut device, program, &Source::Buffer("x".into(), 0..1), 3)).expect("a time")
}

#[test]
fn the_devices_own_clock_measures_all_or_nothing() {
    // A run of a second needs no second one: two to begin with, three that count.
    let all = timed(&[9.0, 1.0, 3.0, 2.0, 1.0]);
    assert_eq!(all, Timing { seconds: 2.0, clock: Clock::Timestamps });
    // One time short of five: what was told is not mixed with what the wall says.
    let part = timed(&[9.0, 1.0, 3.0, 2.0]);
    assert!(part.clock == Clock::Wall && part.seconds < 1.0, "{part:?}");
    assert_eq!(timed(&[]).clock, Clock::Wall);
}

#[test]
fn times_that_were_rounded_to_nothing_count() {
    // As many runs as are allowed make up a repetition, and every fifth is seen by the clock.
    let repetition = || (0..MOST as u32).map(|i| if i % 5 == 0 { 1e-4 } else { 0.0 });
    let times: Vec<f64> = [0.0, 0.0].into_iter().chain((0..3).flat_map(|_| repetition())).collect();
    let rounded = timed(&times);
    assert_eq!(rounded.clock, Clock::Timestamps);
    assert!((rounded.seconds - 2e-5).abs() < 1e-12, "{rounded:?}");
    // A clock that has seen nothing has told no time.
    assert_eq!(timed(&vec![0.0; times.len()]).clock, Clock::Wall);
}
