//! The settings of a run: device, source, model, training, sampling.

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
