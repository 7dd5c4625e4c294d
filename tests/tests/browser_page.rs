//! WebGPU in the page.
#![cfg(target_arch = "wasm32")]

use gradus_tests::webgpu;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn there_is_an_adapter() {
    let name = webgpu::adapter_name().await.expect("an adapter");
    console_log!("adapter in the page: {name}");
    assert!(!name.is_empty(), "the adapter says nothing about itself");
}
