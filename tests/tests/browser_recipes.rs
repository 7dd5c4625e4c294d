//! Every lesson's recipe in headless Chromium, on WebGPU in a worker, at its smallest size.
#![cfg(target_arch = "wasm32")]

use gradus_core::device::gpu::Gpu;
use gradus_lessons::recipe::Lesson;
use gradus_tests::recipes::run;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn lesson(lesson: Lesson) {
    let gpu = Gpu::open().await.unwrap_or_else(|e| panic!("{e}"));
    let (name, start) = (gpu.name(), js_sys::Date::now());
    let checks = run(lesson, Box::new(gpu)).await.unwrap_or_else(|e| panic!("{e}"));
    let seconds = (js_sys::Date::now() - start) / 1e3;
    console_log!("{}: {} checks on {name} in {seconds:.0} s", lesson.slug(), checks.len());
}

macro_rules! lessons {
    ($($name:ident: $lesson:ident,)*) => { $(
        #[wasm_bindgen_test]
        async fn $name() {
            lesson(Lesson::$lesson).await;
        }
    )* };
}

lessons! {
    scaling_laws: ScalingLaws,
    attention: Attention,
    flash_attention: FlashAttention,
    few_shot: FewShot,
    sft: Sft,
    rlhf: Rlhf,
    dpo: Dpo,
    speculative_decoding: SpeculativeDecoding,
}
