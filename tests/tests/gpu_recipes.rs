//! Every lesson's recipe on the native GPU device, at its smallest size.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::gpu::Gpu;
use gradus_lessons::recipe::Lesson;
use gradus_tests::recipes::run;
use pollster::block_on;

#[test]
fn every_recipe_runs_on_the_gpu() {
    for lesson in Lesson::ALL {
        let start = std::time::Instant::now();
        let gpu = block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"));
        let checks = block_on(run(lesson, Box::new(gpu))).unwrap_or_else(|e| panic!("{e}"));
        println!("{}: {} checks in {:.0} s", lesson.slug(), checks.len(), start.elapsed().as_secs_f64());
    }
}
