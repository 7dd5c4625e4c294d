//! The whole conversation between a session and whoever watches it: [`Command`] in, [`Event`] out.
//!
//! Both are plain data with serde derives. The page sends them through `postMessage`, the command line
//! calls them directly; neither can reach the engine in any other way.

use crate::Error;
use serde::{Deserialize, Serialize};

mod settings;

pub use settings::{
    Attention, DeviceChoice, Init, ModelConfig, RunConfig, SampleConfig, Schedule, Source, TrainConfig,
};

/// A fault that a test asks the session to suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The worker panics.
    Panic,
    /// The GPU device is destroyed.
    DeviceLost,
    /// An allocation is refused.
    OutOfMemory,
    /// A weight becomes NaN.
    Nan,
}

/// What a session can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Prepare a new run (paused at step 0). The run in hand is replaced only if this succeeds.
    Start(Box<RunConfig>),
    /// Train until paused or done.
    Run,
    /// Stop training after the steps in flight (within 100 ms).
    Pause,
    /// Train exactly one step, then pause.
    Step,
    /// Back to step 0 with this seed, paused: the run that a fresh start with it would be, on the same device.
    Reset {
        /// The new seed of the run, and of the world if that is what it learns from.
        seed: u32,
    },
    /// Move the run in hand to another device, keeping its state.
    Device(DeviceChoice),
    /// At most so many steps a second (the speed control); 0 means as fast as it goes.
    Speed {
        /// Steps a second.
        steps_per_second: u32,
    },
    /// Generate from the model as it stands; answered by [`Event::Sample`].
    Sample(SampleConfig),
    /// Read one named node of the graph, e.g. `block.0.attn.probs`; answered by [`Event::Probe`].
    Probe {
        /// The node's stable name.
        node: String,
    },
    /// Pack the model folder into one zip; answered by [`Event::Exported`].
    Export,
    /// Open a model folder (one zip) and continue from its weights. Answered by [`Event::Started`].
    Import {
        /// The zip's bytes.
        zip: Vec<u8>,
    },
    /// Continue a run from the bytes of an [`Event::Checkpoint`].
    Restore {
        /// The checkpoint's bytes (the same zip, with optimizer state and run settings inside).
        zip: Vec<u8>,
        /// Where to compute, if not where the run did.
        device: Option<DeviceChoice>,
    },
    /// Write a checkpoint now.
    Checkpoint,
    /// Suffer a fault (only sent by tests).
    Fault(Fault),
}

/// Whether a run is going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was started yet.
    #[default]
    Idle,
    /// Text is being read, a tokenizer trained, pipelines built.
    Preparing,
    /// Ready or held at a step.
    Paused,
    /// Training.
    Running,
    /// All steps are done.
    Done,
    /// Stopped by an error.
    Failed,
}

/// The device a run is on, and how it was chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// True for WebGPU.
    pub gpu: bool,
    /// The adapter's or processor path's name, e.g. `Apple M2` or `CPU, 128-bit SIMD`.
    pub name: String,
    /// One sentence: why this device ("measured: 3.1 ms a step against 9.8 on …", "this browser has no
    /// WebGPU", "you chose it").
    pub reason: String,
    /// Milliseconds a step measured on the CPU, where measured.
    pub cpu_ms: Option<f64>,
    /// Milliseconds a step measured on the GPU, where measured.
    pub gpu_ms: Option<f64>,
}

/// What a session says of a run that is ready.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The settings as they stand (vocabulary filled in).
    pub config: RunConfig,
    /// Trainable numbers, without padding.
    pub parameters: u64,
    /// Bytes on the device: weights, gradients, moments, activations.
    pub bytes: u64,
    /// Step the run stands at (0 unless restored).
    pub step: u64,
    /// Entropy of the text in nats a token, where it is known (the world's).
    pub floor: Option<f64>,
    /// Cross-entropy of a bigram model on the held-out text, in nats a token, add-one smoothed.
    pub bigram: Option<f64>,
    /// Tokens of the training text; None where they are generated without end.
    pub tokens: Option<u64>,
    /// The device.
    pub device: DeviceReport,
}

/// A stretch of training, at most every 50–100 ms.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Training loss of each step since the last progress: `(step, nats per token)`, steps from 1.
    pub losses: Vec<(u64, f32)>,
    /// Global gradient norm of the last step, before clipping.
    pub grad_norm: f32,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Tokens learned from so far.
    pub num_tokens: u64,
    /// Tokens a second over the last second or so.
    pub tokens_per_second: f64,
}

/// What a session says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The run's phase changed.
    Phase(Phase),
    /// A long preparation, as a sentence and a fraction 0..=1 ("training the tokenizer").
    Preparing {
        /// What is being done.
        what: String,
        /// How much of it is done.
        fraction: f32,
    },
    /// A run is ready.
    Started(Box<Started>),
    /// Training moved on.
    Progress(Progress),
    /// The held-out loss, in nats a token.
    Validation {
        /// Steps done.
        step: u64,
        /// Mean loss on held-out text.
        loss: f64,
    },
    /// Generated text.
    Sample {
        /// Step of the weights that wrote it.
        step: u64,
        /// The prompt as the model saw it.
        prompt: String,
        /// The continuation, one string a token.
        tokens: Vec<String>,
    },
    /// A node's values.
    Probe {
        /// The node's name.
        node: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its values, row-major.
        values: Vec<f32>,
    },
    /// The run moved to another device.
    Device {
        /// The choice that it follows, now a setting of the run.
        choice: DeviceChoice,
        /// The device.
        report: DeviceReport,
    },
    /// A state from which [`Command::Restore`] continues to the bit.
    Checkpoint {
        /// Steps done.
        step: u64,
        /// One zip.
        zip: Vec<u8>,
    },
    /// The model folder: `config.json`, `model.safetensors`, `tokenizer.json`, in one zip.
    Exported {
        /// A name for the file.
        name: String,
        /// The zip's bytes.
        zip: Vec<u8>,
    },
    /// A command could not be carried out; the run in hand is as it was.
    Refused {
        /// The command, in a word or two ("open a model").
        what: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// The run stopped.
    Failed {
        /// What is wrong and what to do.
        message: String,
        /// True where the last checkpoint can take the run further (device lost, out of memory, NaN).
        recoverable: bool,
        /// True where this session is beyond use and a fresh one must take the run over (device lost, out
        /// of memory). A NaN needs none: the same step would fail again, so the user is asked.
        restart: bool,
    },
}

impl Event {
    /// The event of a run that stopped with `error`.
    pub fn failed(error: &Error) -> Self {
        let recoverable =
            matches!(error, Error::DeviceLost(_) | Error::OutOfMemory { .. } | Error::Diverged { .. });
        let restart = matches!(error, Error::DeviceLost(_) | Error::OutOfMemory { .. });
        Self::Failed { message: error.to_string(), recoverable, restart }
    }
}
