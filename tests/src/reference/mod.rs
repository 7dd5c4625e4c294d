//! What each op computes, once more: plain loops in f64, written from the formulas. Nothing is shared
//! with the engine, and nothing here is fast.

pub mod attention;
pub mod decode;
pub mod layers;
pub mod ppo;
pub mod recurrent;
pub mod training;
pub mod tuning;
