//! The CPU device against PyTorch: logits, every gradient, ten AdamW losses.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::cpu::Cpu;
use gradus_tests::{golden, golden_gru};

#[test]
fn the_cpu_agrees_with_pytorch() {
    if let Err(error) = pollster::block_on(golden::check(|| Box::new(Cpu::<f32>::new()), 1e-4)) {
        panic!("{error:#}");
    }
}

#[test]
fn the_cpu_agrees_with_pytorchs_gru() {
    if let Err(error) = pollster::block_on(golden_gru::check(|| Box::new(Cpu::<f32>::new()), 1e-4)) {
        panic!("{error:#}");
    }
}
