//! Generation: sampling on the device over a cache of keys and values.

mod decode;
mod judge;
mod rollout;
mod score;

pub use decode::Generator;
pub use judge::{Judge, JudgeShape};
pub use rollout::{Rollout, RolloutShape};
pub use score::Scorer;
