//! The Gradus engine.
//!
//! ```text
//! text → tokens → batch → graph → plan → device → objective → metrics → event
//! ```
//!
//! A model is recorded once as a [`graph`] of coarse [`ops`]; the gradient pass appends each op's
//! vector–Jacobian product; the planner turns the tape into a fixed list of dispatches, which a
//! [`device`] replays. Two devices run the same plan: SIMD Rust and WebGPU. A [`session`] trains and
//! generates on top, and speaks to the outside only in the [`protocol`]'s commands and events.
//!
//! Letters: `B` batch, `T` time, `C` channels, `H` heads, `D` head size, `V` vocabulary, `L` layers.

pub mod data;
pub mod device;
pub mod error;
pub mod generate;
pub mod graph;
pub mod model;
pub mod objective;
pub mod ops;
pub mod protocol;
pub mod rng;
pub mod scaling;
pub mod session;
pub mod text;
pub mod train;

pub use error::{Error, Result};
