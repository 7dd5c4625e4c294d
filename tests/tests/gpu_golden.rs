//! The native GPU against PyTorch: logits, every gradient, ten AdamW losses.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::{Device, gpu::Gpu};
use gradus_core::ops::Family;
use gradus_tests::{golden, golden_gru, golden_ppo};

fn open() -> Box<dyn Device> {
    Box::new(pollster::block_on(Gpu::open()).expect("a GPU adapter"))
}

fn open_with(family: Family) -> Box<dyn Device> {
    let mut gpu = pollster::block_on(Gpu::open()).expect("a GPU adapter");
    gpu.set_family(family);
    Box::new(gpu)
}

#[test]
fn the_gpu_agrees_with_pytorch() {
    println!("golden fixtures on {}", open().name());
    for family in Family::ALL {
        if let Err(error) = pollster::block_on(golden::check(|| open_with(family), 1e-3)) {
            panic!("{family:?}: {error:#}");
        }
    }
}

#[test]
fn ppo_on_the_gpu_agrees_with_pytorch() {
    if let Err(error) = pollster::block_on(golden_ppo::check(open(), 1e-3)) {
        panic!("{error:#}");
    }
}

#[test]
fn the_gpu_agrees_with_pytorchs_gru() {
    if let Err(error) = pollster::block_on(golden_gru::check(open, 1e-3)) {
        panic!("{error:#}");
    }
}
