//! What the tests stand on. The tests themselves are in `tests/tests/`, and their names say where they
//! run: `gpu_*` natively on a GPU, `browser_*` as wasm in a browser, `e2e_*` against the built site in a
//! browser, all others natively on the processor.

pub mod array;
#[cfg(not(target_arch = "wasm32"))]
pub mod axe;
#[cfg(not(target_arch = "wasm32"))]
pub mod browser;
pub mod cases;
pub mod compare;
pub mod conformance;
#[cfg(not(target_arch = "wasm32"))]
pub mod golden;
#[cfg(not(target_arch = "wasm32"))]
pub mod golden_gru;
#[cfg(not(target_arch = "wasm32"))]
pub mod golden_ppo;
#[cfg(not(target_arch = "wasm32"))]
pub mod host;
#[cfg(not(target_arch = "wasm32"))]
pub mod journal;
#[cfg(not(target_arch = "wasm32"))]
pub mod laboratory;
#[cfg(not(target_arch = "wasm32"))]
pub mod launch;
pub mod recipes;
pub mod reference;
pub mod sampling;
#[cfg(not(target_arch = "wasm32"))]
pub mod session;
#[cfg(not(target_arch = "wasm32"))]
pub mod site;
pub mod speculation;
#[cfg(not(target_arch = "wasm32"))]
pub mod tuning;
#[cfg(not(target_arch = "wasm32"))]
pub mod watched;
#[cfg(target_arch = "wasm32")]
pub mod webgpu;
