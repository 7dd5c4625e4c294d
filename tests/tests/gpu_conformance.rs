//! Every op on the native GPU, in both families of kernels, against the f64 reference.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::gpu::Gpu;
use gradus_tests::conformance::check_families;

#[test]
fn every_op_agrees_with_f64() {
    let mut gpu = pollster::block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"));
    println!("conformance on {}", gpu.name());
    let count = pollster::block_on(check_families(&mut gpu)).unwrap_or_else(|e| panic!("{e}"));
    assert!(count > 200, "only {count} cases");
}
