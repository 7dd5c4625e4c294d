//! Every op on the browser's GPU, in both families of kernels, against the f64 reference.
#![cfg(target_arch = "wasm32")]

use gradus_core::device::Device;
use gradus_core::device::gpu::Gpu;
use gradus_tests::conformance::check_families;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn every_op_agrees_with_f64() {
    let mut gpu = Gpu::open().await.unwrap_or_else(|e| panic!("{e}"));
    console_log!("conformance on {}", gpu.name());
    let count = check_families(&mut gpu).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(count > 200, "only {count} cases");
}
