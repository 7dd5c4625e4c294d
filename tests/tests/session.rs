//! The session on the processor.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::protocol::DeviceChoice::Cpu;
use gradus_tests::session;
use pollster::block_on;

#[test]
fn starts_in_order() {
    block_on(session::starts_in_order(Cpu));
}

#[test]
fn tells_every_step_once() {
    block_on(session::tells_every_step_once(Cpu));
}

#[test]
fn obeys_at_once() {
    block_on(session::obeys_at_once(Cpu));
}

#[test]
fn seeds_decide() {
    block_on(session::seeds_decide(Cpu));
}

#[test]
fn resumes_to_the_bit() {
    block_on(session::resumes_to_the_bit(Cpu));
}

#[test]
fn moves_between_devices() {
    block_on(session::moves_between_devices(Cpu));
}

#[test]
fn exports_and_imports() {
    block_on(session::exports_and_imports(Cpu));
}

#[test]
fn outlives_what_cannot_be_built() {
    block_on(session::outlives_what_cannot_be_built(Cpu));
}

#[test]
fn refuses_what_cannot_be() {
    block_on(session::refuses_what_cannot_be(Cpu));
}

#[test]
fn refuses_before_a_start() {
    block_on(session::refuses_before_a_start());
}

#[test]
fn survives_faults() {
    block_on(session::survives_faults(Cpu));
}

#[test]
fn shows_attention() {
    block_on(session::shows_attention(Cpu));
}
