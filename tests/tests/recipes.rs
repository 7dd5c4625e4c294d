//! Every lesson's recipe on the processor, at its smallest size.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::cpu::Cpu;
use gradus_lessons::recipe::Lesson;
use gradus_tests::recipes::run;
use pollster::block_on;

#[test]
fn every_recipe_runs_on_the_processor() {
    for lesson in Lesson::ALL {
        block_on(run(lesson, Box::new(Cpu::<f32>::new()))).unwrap_or_else(|e| panic!("{e}"));
    }
}
