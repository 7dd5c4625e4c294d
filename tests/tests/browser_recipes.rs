//! Every lesson's recipe on WebGPU in the browser, in a worker as on the page, at its smallest size.
#![cfg(target_arch = "wasm32")]

use gradus_core::device::Device;
use gradus_core::device::gpu::Gpu;
use gradus_lessons::recipe::Lesson;
use gradus_tests::recipes::run;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn every_recipe_runs_on_webgpu() {
    let mut device: Box<dyn Device> = Box::new(Gpu::open().await.unwrap_or_else(|e| panic!("{e}")));
    let name = device.name();
    for lesson in Lesson::ALL {
        let start = js_sys::Date::now();
        let (checks, used) = run(lesson, device).await.unwrap_or_else(|e| panic!("{e}"));
        device = used;
        let seconds = (js_sys::Date::now() - start) / 1e3;
        console_log!("{}: {} checks on {name} in {seconds:.0} s", lesson.slug(), checks.len());
    }
}
