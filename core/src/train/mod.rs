//! Training: the plans of a step, the schedule, and the loop that keeps the device busy.

mod average;
mod check;
mod cost;
mod example;
mod objectives;
mod pace;
mod plans;
mod ppo;
mod schedule;
mod trainer;
mod tuner;
mod turns;

pub use average::Average;
pub use cost::{Activations, StepCost, step_cost};
pub use example::{Example, sft_step};
pub use pace::Pace;
pub use ppo::{Answer, Iteration, ModelBytes, Ppo, PpoConfig, RARE, TokenNumbers, Update};
pub use schedule::learning_rate;
pub use trainer::{Measured, Trainer, TrainerTensors};
pub use tuner::{Objective, Reference, Tuned, Tuner, Tuning};
pub use turns::{Turn, Turns};
