//! Every op on the CPU device in the browser, against the f64 reference: its matrix products are not those of the
//! native build. Run for both builds of the worker, with relaxed SIMD and without.
#![cfg(target_arch = "wasm32")]

use gradus_core::device::cpu::Cpu;
use gradus_tests::compare::Tolerance;
use gradus_tests::conformance::check_all;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn every_op_on_the_processor_agrees_with_f64() {
    console_log!("relaxed SIMD: {}", cfg!(target_feature = "relaxed-simd"));
    let mut cpu = Cpu::<f32>::new();
    let count = check_all(&mut cpu, Tolerance::F32).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(count > 200, "only {count} cases");
}
