//! Training: the plans of a step, the schedule, and the loop that keeps the device busy.

mod average;
mod pace;
mod plans;
mod schedule;
mod trainer;

pub use average::Average;
pub use pace::Pace;
pub use schedule::learning_rate;
pub use trainer::{Measured, Trainer, TrainerTensors};
