//! What can go wrong in the engine. Every message says what is wrong and what to do about it.

use thiserror::Error;

/// The engine's error.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Shapes that do not fit an op, a batch or a model.
    #[error("{0}")]
    Shape(String),
    /// A model, training or sampling setting out of range.
    #[error("{0}")]
    Config(String),
    /// Text that cannot be trained on.
    #[error("{0}")]
    Text(String),
    /// A model folder or zip that cannot be opened.
    #[error("{0}")]
    Checkpoint(String),
    /// No GPU, or one that does not do what we need.
    #[error("{0}")]
    Device(String),
    /// The GPU went away in mid-run.
    #[error("the GPU was lost: {0}. The run can go on from its last checkpoint.")]
    DeviceLost(String),
    /// Not enough memory on the device.
    #[error("out of memory on {device}: {detail}. Choose a smaller preset, batch or context.")]
    OutOfMemory {
        /// The device's name.
        device: String,
        /// What was asked for.
        detail: String,
    },
    /// The loss is no longer a finite number.
    #[error(
        "the loss became {loss} at step {step}. The usual cause is a learning rate that is too high: \
         lower it and start over, or take the last good checkpoint (step {good})."
    )]
    Diverged {
        /// The step whose loss was not finite.
        step: u64,
        /// Its loss, as text (JSON has no NaN).
        loss: String,
        /// The step of the last checkpoint with finite weights.
        good: u64,
    },
    /// Whoever asked for the work asked for its end.
    #[error("stopped before its end")]
    Stopped,
    /// A graph built wrongly: a fault in the program, not in its input.
    #[error("graph: {0}")]
    Graph(String),
}

/// The engine's result.
pub type Result<T> = std::result::Result<T, Error>;
