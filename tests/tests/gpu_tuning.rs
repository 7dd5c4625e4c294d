//! Fine-tuning on the native GPU against PyTorch.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::gpu::Gpu;
use gradus_tests::tuning;
use pollster::block_on;

#[test]
fn ten_steps_agree_with_pytorch() {
    let open = || Box::new(block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"))) as Box<dyn Device>;
    block_on(tuning::check(open, 1e-3)).unwrap_or_else(|e| panic!("{e:#}"));
}
