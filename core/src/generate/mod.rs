//! Generation: sampling on the device over a cache of keys and values.

mod decode;
mod score;

pub use decode::Generator;
pub use score::Scorer;
