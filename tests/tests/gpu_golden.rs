//! The native GPU against PyTorch: logits, every gradient, ten AdamW losses.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::{Device, gpu::Gpu};
use gradus_tests::{golden, golden_ppo};

#[test]
fn the_gpu_agrees_with_pytorch() {
    let open = || -> Box<dyn Device> { Box::new(pollster::block_on(Gpu::open()).expect("a GPU adapter")) };
    println!("golden fixtures on {}", open().name());
    if let Err(error) = pollster::block_on(golden::check(open, 1e-3)) {
        panic!("{error:#}");
    }
}

#[test]
fn ppo_on_the_gpu_agrees_with_pytorch() {
    let device = Box::new(pollster::block_on(Gpu::open()).expect("a GPU adapter"));
    if let Err(error) = pollster::block_on(golden_ppo::check(device, 1e-3)) {
        panic!("{error:#}");
    }
}
