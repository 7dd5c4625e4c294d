//! Every lesson's recipe on the native GPU device, at its smallest size.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::gpu::Gpu;
use gradus_lessons::recipe::Lesson;
use gradus_tests::recipes::run;
use pollster::block_on;
use std::time::Instant;

#[test]
fn every_recipe_runs_on_the_gpu() {
    let mut device: Box<dyn Device> = Box::new(block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}")));
    let name = device.name();
    for lesson in Lesson::ALL {
        let start = Instant::now();
        let (checks, used) = block_on(run(lesson, device)).unwrap_or_else(|e| panic!("{e}"));
        device = used;
        println!(
            "{}: {} checks on {name} in {:.0} s",
            lesson.slug(),
            checks.len(),
            start.elapsed().as_secs_f64()
        );
    }
}
