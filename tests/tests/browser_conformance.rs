//! Every op on the browser's GPU, in both families of kernels, against the f64 reference.
#![cfg(target_arch = "wasm32")]

use gradus_core::device::Device;
use gradus_core::device::gpu::Gpu;
use gradus_core::ops::Family;
use gradus_tests::compare::Tolerance;
use gradus_tests::conformance::check_all;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn every_op_agrees_with_f64(family: Family) {
    let mut gpu = Gpu::open().await.unwrap_or_else(|e| panic!("{e}"));
    gpu.set_family(family);
    console_log!("conformance of {family:?} on {}", gpu.name());
    let count = check_all(&mut gpu, Tolerance::GPU).await.unwrap_or_else(|e| panic!("{family:?}: {e}"));
    assert!(count > 200, "only {count} cases");
}

#[wasm_bindgen_test]
async fn threads_that_work_alone_agree_with_f64() {
    every_op_agrees_with_f64(Family::Threads).await;
}

#[wasm_bindgen_test]
async fn workgroups_agree_with_f64() {
    every_op_agrees_with_f64(Family::Workgroups).await;
}
