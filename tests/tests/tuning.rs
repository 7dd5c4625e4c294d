//! Fine-tuning against PyTorch, and what must hold of it whatever the numbers.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::cpu::Cpu;
use gradus_tests::tuning;
use pollster::block_on;

#[test]
fn ten_steps_agree_with_pytorch() {
    block_on(tuning::check(|| Box::new(Cpu::<f32>::new()) as Box<dyn Device>, 1e-4))
        .unwrap_or_else(|e| panic!("{e:#}"));
}
