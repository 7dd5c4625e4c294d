//! Every op on the native GPU, in both families of kernels, against the f64 reference.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::gpu::Gpu;
use gradus_core::ops::Family;
use gradus_tests::compare::Tolerance;
use gradus_tests::conformance::check_all;

#[test]
fn every_op_agrees_with_f64() {
    let mut gpu = pollster::block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"));
    println!("conformance on {}", gpu.name());
    for family in Family::ALL {
        gpu.set_family(family);
        let count = pollster::block_on(check_all(&mut gpu, Tolerance::GPU))
            .unwrap_or_else(|e| panic!("{family:?}: {e}"));
        assert!(count > 200, "only {count} cases");
    }
}
