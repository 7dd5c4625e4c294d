//! Generation: sampling on the device over a cache of keys and values.

mod decode;
mod judge;
mod prefill;
mod rollout;
mod score;
mod speculative;
mod tally;

pub use decode::Generator;
pub use judge::{Judge, JudgeShape};
pub use rollout::{Rollout, RolloutShape};
pub use score::Scorer;
pub use speculative::{Drawn, Proposal, Round, Speculated, Speculator, SpeculatorShape, Verdict};
pub use tally::Tally;
