//! Instruments: what lesson 2 looks at inside a model, and what lesson 4 measures heads with.

mod heads;
mod lens;
mod probe;
pub mod theory;

pub use heads::{HeadScore, HeadTrace, Repeated, entropy, prefix_matching, previous_token, without_head};
pub use lens::{Lens, Look};
pub use probe::Probe;
