//! The model: its shape, its parameters and its checkpoint.

mod archive;
mod checkpoint;
mod config;
mod gpt;
mod lora;
mod network;
mod params;
mod rnn;
mod tensors;

pub use archive::{MAX_FILE_BYTES, MAX_ZIP_BYTES};
pub use checkpoint::{ModelFolder, TrainerState};
use config::scored_shapes;
pub use config::{MAX_PARAMETERS, MAX_POSITIONS, MAX_VOCAB, check_config, param_shapes};
pub(crate) use config::{SCORE, check_tokens, same_shape};
pub use gpt::{DecodeInputs, Gpt, forbid};
pub use lora::Lora;
pub use network::{Architecture, Network};
pub(crate) use params::padded_vocab;
pub use params::{Entry, Params};
pub use rnn::{Rnn, rnn_like, rnn_parameters, rnn_shapes};
pub use tensors::{Precision, Tensor};
