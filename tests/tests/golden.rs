//! The CPU device against PyTorch: logits, every gradient, ten AdamW losses.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::cpu::Cpu;
use gradus_tests::{golden, golden_ppo};

#[test]
fn the_cpu_agrees_with_pytorch() {
    if let Err(error) = pollster::block_on(golden::check(|| Box::new(Cpu::<f32>::new()), 1e-4)) {
        panic!("{error:#}");
    }
}

#[test]
fn ppo_on_the_cpu_agrees_with_pytorch() {
    if let Err(error) = pollster::block_on(golden_ppo::check(Box::new(Cpu::<f32>::new()), 1e-4)) {
        panic!("{error:#}");
    }
}
