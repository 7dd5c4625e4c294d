//! The whole conversation between a session and whoever watches it: [`Command`] in, [`Event`] out.
//!
//! Both are plain data with serde derives. The page sends them through `postMessage`, the command line
//! calls them directly; neither can reach the engine in any other way.

use crate::Error;
use serde::{Deserialize, Serialize};

/// The device a run is computed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// Whichever a short measurement at the start finds quicker; the CPU where the adapter is one in disguise.
    #[default]
    Auto,
    /// SIMD on the processor.
    Cpu,
    /// WebGPU (natively Vulkan, Metal or DirectX 12).
    Gpu,
}

/// What the model learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The built-in world, Little Vale, generated without end from this seed.
    World {
        /// Seed of the documents (the world's tables are fixed).
        seed: u32,
    },
    /// The user's own text: a byte-level BPE of at most `vocab` tokens is trained on it first.
    Text {
        /// The text.
        text: String,
        /// Vocabulary size at most, 128 to 1024; from 320 on it holds all 256 bytes.
        vocab: u32,
    },
}

/// How the model's weights begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// Token embedding std 0.2, positions 0.02, matrices 1/√fan_in, residual outputs also /√(2L).
    /// At these sizes induction forms with it; with GPT-2's own it comes late or never.
    #[default]
    World,
    /// Radford et al. 2019, §2.3: std 0.02 everywhere, residual outputs also /√(2L).
    Gpt2,
}

/// Which attention the model is built with: the same mathematics, two ways to compute it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attention {
    /// Tiled, with online softmax: no `[T, T]` matrix is ever stored.
    #[default]
    Flash,
    /// Scores and probabilities written out as `[B, H, T, T]`.
    Materialised,
}

const fn yes() -> bool {
    true
}

/// The shape of a GPT-2. Field names are those of Hugging Face's `GPT2Config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// L, the number of blocks.
    pub n_layer: usize,
    /// C, the width of the residual stream; a multiple of 4 and of `n_head`.
    pub n_embd: usize,
    /// H, the number of attention heads.
    pub n_head: usize,
    /// T, the longest context.
    pub n_positions: usize,
    /// V, the vocabulary. 0 means "as many as the tokenizer has".
    #[serde(default)]
    pub vocab_size: usize,
    /// How attention is computed.
    #[serde(default)]
    pub attention: Attention,
    /// Whether scores are divided by √(C/H), as they should be.
    #[serde(default = "yes")]
    pub scale_attn_weights: bool,
    /// How weights begin.
    #[serde(default)]
    pub init: Init,
}

/// A learning-rate schedule after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// The rate stays at its peak.
    Constant,
    /// Half a cosine from the peak down to a tenth of it at the last step.
    #[default]
    Cosine,
    /// Straight down to 0 at the last step.
    Linear,
}

/// How the model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainConfig {
    /// Steps of the whole run.
    pub steps: u64,
    /// B, rows of one micro-batch.
    pub batch: usize,
    /// Micro-batches whose gradients are added up before one AdamW step.
    pub accumulate: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// What follows the warm-up.
    pub schedule: Schedule,
    /// AdamW's β₁.
    pub beta1: f64,
    /// AdamW's β₂.
    pub beta2: f64,
    /// AdamW's ε.
    pub eps: f64,
    /// Decoupled weight decay, on matrices only.
    pub weight_decay: f64,
    /// Global gradient norm above which gradients are scaled down; 0 means never.
    pub max_grad_norm: f64,
    /// Steps between validation losses; 0 means only one at the end.
    pub validate_every: u64,
    /// Steps between checkpoints handed to the supervisor, beside those at the start and at the end; 0 means no others.
    pub checkpoint_every: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 2000,
            batch: 32,
            accumulate: 1,
            lr: 8.5e-3,
            warmup: 100,
            schedule: Schedule::Cosine,
            beta1: 0.9,
            beta2: 0.98,
            eps: 1e-8,
            weight_decay: 0.01,
            max_grad_norm: 1.0,
            validate_every: 100,
            checkpoint_every: 200,
        }
    }
}

/// Everything that determines a run. Same config, build and adapter: the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// What it learns from.
    pub source: Source,
    /// What learns.
    pub model: ModelConfig,
    /// How it learns.
    pub train: TrainConfig,
    /// Seed of weights, batches and samples.
    pub seed: u32,
    /// Where it is computed.
    pub device: DeviceChoice,
}

/// How tokens are drawn from the model's distribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SampleConfig {
    /// Text to continue; empty starts a fresh document.
    pub prompt: String,
    /// New tokens at most.
    pub max_tokens: usize,
    /// 0 is greedy.
    pub temperature: f32,
    /// Keep the k likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keep the likeliest tokens up to this much probability; 1 keeps all.
    pub top_p: f32,
    /// Seed of the draws.
    pub seed: u32,
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self { prompt: String::new(), max_tokens: 48, temperature: 1.0, top_k: 0, top_p: 1.0, seed: 1 }
    }
}

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

impl ModelConfig {
    /// The named sizes, smallest first: name, L, C, H, T.
    pub const PRESETS: [(&'static str, usize, usize, usize, usize); 7] = [
        ("4k", 1, 8, 2, 32),
        ("10k", 1, 16, 2, 64),
        ("40k", 2, 32, 2, 64),
        ("127k", 2, 64, 4, 64),
        ("177k", 3, 64, 4, 64),
        ("856k", 4, 128, 4, 128),
        ("10m", 8, 320, 8, 256),
    ];

    /// The preset called `name`, if there is one. Names are sizes with the world's vocabulary of 362.
    pub fn preset(name: &str) -> Option<Self> {
        let &(_, n_layer, n_embd, n_head, n_positions) = Self::PRESETS.iter().find(|p| p.0 == name)?;
        Some(Self {
            n_layer,
            n_embd,
            n_head,
            n_positions,
            vocab_size: 0,
            attention: Attention::default(),
            scale_attn_weights: true,
            init: Init::default(),
        })
    }

    /// Trainable numbers: `V·C + T·C + L·(12C² + 13C) + 2C`.
    pub fn parameters(&self) -> u64 {
        let (c, l) = (self.n_embd as u64, self.n_layer as u64);
        (self.vocab_size + self.n_positions) as u64 * c + l * (12 * c * c + 13 * c) + 2 * c
    }
}
