//! The GPU device when things go wrong, and what it makes while things go well. A software adapter will
//! do; none will not.

#![cfg(not(target_arch = "wasm32"))]

use gradus_core::Error;
use gradus_core::device::gpu::Gpu;
use gradus_core::device::{Data, Device, Source};
use gradus_core::graph::{Plan, Spec, Tape};
use gradus_core::ops::Add;
use pollster::block_on;

fn open() -> Gpu {
    block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"))
}

/// y = a + b over `n` elements.
fn sum(n: usize) -> Plan {
    let mut tape = Tape::new();
    let a = tape.buffer("a", Spec::float([n]));
    let b = tape.buffer("b", Spec::float([n]));
    tape.push1("y", Add, &[a, b]).expect("a graph");
    Plan::new("sum", &tape, &["y"])
}

#[test]
fn replays_make_nothing() {
    let mut gpu = open();
    let program = gpu.compile(sum(100)).expect("compiled");
    let node = || Source::Node(program, "y".into());
    gpu.submit(&[program]).expect("submitted");
    block_on(gpu.read(node())).expect("read");
    let before = (gpu.made(), gpu.bytes());
    for _ in 0..3 {
        gpu.write("a", 0, &Data::Float(vec![1.5; 100])).expect("written");
        gpu.submit(&[program, program]).expect("submitted");
        assert_eq!(block_on(gpu.read(node())).expect("read"), Data::Float(vec![1.5; 100]));
    }
    assert_eq!((gpu.made(), gpu.bytes()), before);
}

#[test]
fn equal_kernels_share_a_pipeline() {
    let mut gpu = open();
    let first = gpu.compile(sum(100)).expect("compiled");
    let made = gpu.made();
    gpu.release(first);
    gpu.compile(sum(100)).expect("compiled");
    assert_eq!(gpu.made().pipelines, made.pipelines);
    assert_eq!(gpu.made().bind_groups, made.bind_groups + 1);
}

#[test]
fn launches_beyond_one_dimension_reach_every_element() {
    // 65,535 workgroups of 256 threads are 16,776,960 elements: some of these lie in the second row.
    let n = 16_777_216;
    let mut gpu = open();
    let program = gpu.compile(sum(n)).expect("compiled");
    gpu.write("a", n - 1000, &Data::Float(vec![2.0; 1000])).expect("written");
    gpu.write("b", 0, &Data::Float(vec![1.0; n])).expect("written");
    gpu.submit(&[program]).expect("submitted");
    let y = block_on(gpu.read(Source::Node(program, "y".into()))).expect("read").floats();
    assert!(y[..n - 1000].iter().all(|&y| y == 1.0) && y[n - 1000..].iter().all(|&y| y == 3.0));
}

#[test]
fn parts_of_buffers_are_written_and_read() {
    let mut gpu = open();
    gpu.ensure("tokens", &Spec::u32([7])).expect("made");
    gpu.write("tokens", 3, &Data::U32(vec![8, 9])).expect("written");
    let read = |gpu: &mut Gpu, range| block_on(gpu.read(Source::Buffer("tokens".into(), range)));
    assert_eq!(read(&mut gpu, 2..6).expect("read"), Data::U32(vec![0, 8, 9, 0]));
    assert_eq!(read(&mut gpu, 5..5).expect("read"), Data::U32(vec![]));
    assert!(matches!(read(&mut gpu, 5..8), Err(Error::Graph(_))));
    assert!(matches!(gpu.write("tokens", 6, &Data::U32(vec![1, 2])), Err(Error::Graph(_))));
    assert!(matches!(gpu.write("tokens", 0, &Data::Float(vec![1.0])), Err(Error::Graph(_))));
    assert!(matches!(gpu.ensure("tokens", &Spec::u32([8])), Err(Error::Graph(_))));
    assert_eq!(read(&mut gpu, 3..5).expect("still works"), Data::U32(vec![8, 9]));
}

#[test]
fn too_large_a_buffer_is_refused_by_name() {
    let mut gpu = open();
    let error = gpu.ensure("corpus", &Spec::u32([1 << 30])).expect_err("4 GiB in one buffer");
    let text = error.to_string();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{text}");
    assert!(text.contains(&gpu.name()) && text.contains("corpus") && text.contains("4294967296"), "{text}");
    gpu.ensure("corpus", &Spec::u32([16])).expect("the device goes on");
}

#[test]
fn a_lost_device_says_so_and_another_opens() {
    let mut gpu = open();
    let program = gpu.compile(sum(100)).expect("compiled");
    gpu.lose();
    let lost = |e: Error| assert!(matches!(e, Error::DeviceLost(_)), "{e}");
    lost(gpu.submit(&[program]).expect_err("lost"));
    lost(gpu.write("a", 0, &Data::Float(vec![1.0])).expect_err("lost"));
    lost(block_on(gpu.read(Source::Buffer("a".into(), 0..1))).expect_err("lost"));
    lost(gpu.compile(sum(50)).expect_err("lost"));
    drop(gpu);
    let mut gpu = open();
    let program = gpu.compile(sum(100)).expect("compiled");
    gpu.submit(&[program]).expect("submitted");
}

#[test]
fn what_is_freed_is_counted_no_more() {
    let mut gpu = open();
    let program = gpu.compile(sum(100)).expect("compiled");
    assert_eq!(gpu.bytes(), 3 * 400);
    gpu.release(program);
    assert_eq!(gpu.bytes(), 2 * 400);
    gpu.forget("a");
    assert_eq!(gpu.bytes(), 400);
    assert!(gpu.submit(&[program]).is_err());
    gpu.clear();
    assert_eq!(gpu.bytes(), 0);
}
