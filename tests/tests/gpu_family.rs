//! The family of kernels is measured, remembered, and can be forced.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::gpu::Gpu;
use gradus_core::ops::Family;
use pollster::block_on;

fn open() -> Gpu {
    block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn both_families_are_timed_and_one_is_taken() {
    let mut gpu = open();
    let [threads, workgroups] = block_on(gpu.race()).expect("both families run");
    println!("{}: {:.3} ms alone, {:.3} ms in workgroups", gpu.name(), threads * 1e3, workgroups * 1e3);
    assert!(threads > 0.0 && workgroups > 0.0);
    let chosen = block_on(gpu.tune()).expect("a choice");
    assert_eq!(gpu.family(), chosen);
}

#[test]
fn a_choice_is_remembered_and_leaves_nothing_behind() {
    let mut first = open();
    let before = first.bytes();
    let chosen = block_on(first.tune()).expect("a choice");
    // The buffer that readings are copied to stays.
    assert!(first.bytes() <= before + (1 << 16), "{} bytes after {before}", first.bytes());
    let mut second = open();
    assert_eq!(block_on(second.tune()).expect("a choice"), chosen);
    assert_eq!(second.made().pipelines, 0, "the second device of an adapter measures nothing");
}

#[test]
fn a_family_can_be_forced() {
    let mut gpu = open();
    for family in Family::ALL {
        gpu.set_family(family);
        assert_eq!(gpu.family(), family);
    }
}

#[test]
fn a_race_that_fails_leaves_the_family_as_it_was() {
    for family in Family::ALL {
        let mut gpu = open();
        gpu.set_family(family);
        gpu.lose();
        block_on(gpu.race()).expect_err("the device is lost");
        assert_eq!(gpu.family(), family);
    }
}
