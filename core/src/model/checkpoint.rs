//! A model on disk: the Hugging Face GPT-2 folder, and beside it what a run needs to go on.
//!
//! | file | holds |
//! |---|---|
//! | `config.json` | the shape, as `GPT2Config` |
//! | `model.safetensors` | the weights (f32; read as f16 and bf16 too), Conv1D `[in, out]`, head tied |
//! | `tokenizer.json`, `tokenizer_config.json` | the tokenizer, for `AutoTokenizer` |
//! | `trainer_state.json` | the run's settings, its step and its tokens |
//! | `exp_avg.safetensors`, `exp_avg_sq.safetensors` | AdamW's two moments, under the parameters' names |
//!
//! A reward model is a `GPT2ForSequenceClassification` of one label: its weights hold `score.weight` `[1, C]` too.
//!
//! Limits are checked before anything is parsed: a file ≤ 64 MiB, a safetensors header ≤ 256 KiB, ≤ 1,000
//! tensors, 16 million parameters, a vocabulary ≤ 65,536, a context ≤ 1,024. Values must be finite, names and
//! shapes exactly those of the configuration.

use super::archive::{self, Files};
use super::{Precision, SCORE, Tensor, config, param_shapes, scored_shapes, tensors};
use crate::protocol::{ModelConfig, RunConfig};
use crate::text::Tokenizer;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const TRAINER: &str = "trainer_state.json";
const EXP_AVG: &str = "exp_avg.safetensors";
const EXP_AVG_SQ: &str = "exp_avg_sq.safetensors";
const FILES: [&str; 7] = [CONFIG, WEIGHTS, TOKENIZER, TOKENIZER_CONFIG, TRAINER, EXP_AVG, EXP_AVG_SQ];

/// A model and what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFolder {
    /// The model's shape, `vocab_size` filled in.
    pub config: ModelConfig,
    /// The parameters, in the order of [`param_shapes`]; then, of a reward or value model, `score.weight`.
    pub tensors: Vec<Tensor>,
    /// Its tokenizer, where there is one.
    pub tokenizer: Option<Tokenizer>,
    /// The state of the run it comes from, where it is to go on.
    pub trainer: Option<TrainerState>,
}

/// What a run needs, beside the weights, to go on as if it had never stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerState {
    /// The run's settings.
    pub run: RunConfig,
    /// Steps done.
    pub step: u64,
    /// Tokens learned from.
    pub num_tokens: u64,
    /// AdamW's first moments, in the order of [`param_shapes`].
    pub exp_avg: Vec<Tensor>,
    /// AdamW's second moments, in the order of [`param_shapes`].
    pub exp_avg_sq: Vec<Tensor>,
}

/// `trainer_state.json`.
#[derive(Serialize, Deserialize)]
struct TrainerFile {
    step: u64,
    num_tokens: u64,
    run: RunConfig,
}

impl ModelFolder {
    /// Whether it has a scalar head: a reward or value model, laid out by
    /// [`Params::scored`](super::Params::scored).
    pub fn scored(&self) -> bool {
        self.tensors.iter().any(|t| t.name == SCORE)
    }

    /// Opens a folder. `trainer` is there only where the folder holds the state of a run.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] names the file, what is wrong with it and what to do.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn read_dir(dir: impl AsRef<std::path::Path>) -> Result<Self> {
        Self::from_files(&archive::from_dir(dir.as_ref(), &FILES)?)
    }

    /// Writes the folder; files of an earlier model in it are replaced.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] where tensors do not fit the configuration or are not finite, or the directory
    /// cannot be written.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn write_dir(&self, dir: impl AsRef<std::path::Path>) -> Result<()> {
        archive::to_dir(dir.as_ref(), &self.to_files(Precision::F32)?, &FILES)
    }

    /// Opens a zipped folder (stored or deflated, its files at the top or in one folder).
    ///
    /// # Errors
    /// As [`ModelFolder::read_dir`].
    pub fn from_zip(bytes: &[u8]) -> Result<Self> {
        Self::from_files(&archive::from_zip(bytes, &FILES)?)
    }

    /// Packs the folder into one zip. The same folder gives the same bytes.
    ///
    /// # Errors
    /// As [`ModelFolder::write_dir`].
    pub fn to_zip(&self) -> Result<Vec<u8>> {
        archive::to_zip(&self.to_files(Precision::F32)?)
    }

    /// Packs the folder into one zip, its weights rounded to `precision` and its files deflated. AdamW's moments
    /// keep their 32 bits.
    ///
    /// # Errors
    /// As [`ModelFolder::write_dir`]; also for a weight that is too large for `precision`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn to_small_zip(&self, precision: Precision) -> Result<Vec<u8>> {
        archive::to_small_zip(&self.to_files(precision)?)
    }

    fn to_files(&self, precision: Precision) -> Result<Files> {
        super::check_config(&self.config)?;
        let shapes = param_shapes(&self.config);
        let weights = if self.scored() { scored_shapes(&self.config) } else { shapes.clone() };
        let eos = self.tokenizer.as_ref().and_then(Tokenizer::eos);
        let mut files = Files::new();
        files.insert(
            CONFIG.into(),
            config::write(&self.config, eos, self.scored(), precision.dtype()).into_bytes(),
        );
        files.insert(WEIGHTS.into(), tensors::write(WEIGHTS, &self.tensors, &weights, precision)?);
        if let Some(tokenizer) = &self.tokenizer {
            check_vocabulary(tokenizer, &self.config)?;
            files.insert(TOKENIZER.into(), tokenizer.to_json().into_bytes());
            files.insert(TOKENIZER_CONFIG.into(), tokenizer.config_json().into_bytes());
        }
        if let Some(state) = &self.trainer {
            let file = TrainerFile { step: state.step, num_tokens: state.num_tokens, run: state.run.clone() };
            let json = serde_json::to_vec_pretty(&file)
                .map_err(|e| Error::Checkpoint(format!("{TRAINER} could not be written: {e}")))?;
            files.insert(TRAINER.into(), json);
            files.insert(EXP_AVG.into(), tensors::write(EXP_AVG, &state.exp_avg, &shapes, Precision::F32)?);
            files.insert(
                EXP_AVG_SQ.into(),
                tensors::write(EXP_AVG_SQ, &state.exp_avg_sq, &shapes, Precision::F32)?,
            );
        }
        Ok(files)
    }

    fn from_files(files: &Files) -> Result<Self> {
        let (config, scored) = config::read(needed(files, CONFIG, "Open a Hugging Face GPT-2 folder")?)?;
        let shapes = param_shapes(&config);
        let weights = if scored { scored_shapes(&config) } else { shapes.clone() };
        let remedy = "Save the model as safetensors (save_pretrained does), in one file";
        let tensors = tensors::read(WEIGHTS, needed(files, WEIGHTS, remedy)?, &weights)?;
        let tokenizer = files.get(TOKENIZER).map(|bytes| read_tokenizer(bytes)).transpose()?;
        if let Some(tokenizer) = &tokenizer {
            check_vocabulary(tokenizer, &config)?;
        }
        let trainer = match files.get(TRAINER) {
            None => None,
            Some(bytes) => {
                let file: TrainerFile = serde_json::from_slice(bytes).map_err(|e| {
                    Error::Checkpoint(format!(
                        "{TRAINER} cannot be read ({e}): remove it to open the weights without the run's state"
                    ))
                })?;
                let remedy = "Remove trainer_state.json to open the weights without the run's state";
                Some(TrainerState {
                    run: file.run,
                    step: file.step,
                    num_tokens: file.num_tokens,
                    exp_avg: tensors::read(EXP_AVG, needed(files, EXP_AVG, remedy)?, &shapes)?,
                    exp_avg_sq: tensors::read(EXP_AVG_SQ, needed(files, EXP_AVG_SQ, remedy)?, &shapes)?,
                })
            }
        };
        Ok(Self { config, tensors, tokenizer, trainer })
    }
}

fn needed<'f>(files: &'f Files, name: &str, remedy: &str) -> Result<&'f [u8]> {
    let bytes = files.get(name).map(Vec::as_slice);
    bytes.ok_or_else(|| Error::Checkpoint(format!("the model folder has no {name}. {remedy}")))
}

fn read_tokenizer(bytes: &[u8]) -> Result<Tokenizer> {
    let without = "Or remove tokenizer.json: the model opens without it, for token ids alone";
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::Checkpoint(format!("{TOKENIZER} is not UTF-8: export it again. {without}")))?;
    Tokenizer::from_json(text).map_err(|e| Error::Checkpoint(format!("{e}. {without}")))
}

fn check_vocabulary(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<()> {
    if tokenizer.vocab_size() > config.vocab_size {
        return Err(Error::Checkpoint(format!(
            "the tokenizer has {} tokens and the model only {}: they do not belong together",
            tokenizer.vocab_size(),
            config.vocab_size
        )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
