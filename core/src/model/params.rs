//! Where each parameter lies in the one flat buffer that holds them all.
//!
//! Matrices come first, vectors after them, so that weight decay is a matter of one boundary. Each begins at
//! a multiple of 64 elements, where WebGPU can bind it. The token embedding has its vocabulary rounded up
//! to a multiple of 4 (rows of zeros that no token names and no gradient reaches), so that every matrix can
//! be read four numbers at a time.

use super::{SCORE, Tensor, param_shapes, scored_shapes};
use crate::graph::ALIGN;
use crate::protocol::{Init, ModelConfig};
use crate::rng::{Rng, Stream};
use crate::{Error, Result};

/// One parameter's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Hugging Face's name.
    pub name: String,
    /// Its shape without padding.
    pub shape: Vec<usize>,
    /// Its shape on the device.
    pub padded: Vec<usize>,
    /// Its first element.
    pub offset: usize,
}

impl Entry {
    /// How many numbers it has, without padding.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True for a parameter without numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The layout of a model's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// In the order of [`param_shapes`].
    pub entries: Vec<Entry>,
    /// Elements of the flat buffer, padding included.
    pub len: usize,
    /// Elements that decay: all matrices.
    pub decayed: usize,
}

/// V rounded up to a multiple of 4.
pub(crate) fn padded_vocab(vocab: usize) -> usize {
    vocab.next_multiple_of(4)
}

impl Params {
    /// The layout for `config`.
    pub fn new(config: &ModelConfig) -> Self {
        Self::of(param_shapes(config))
    }

    /// The layout for `config` with a scalar head, `score.weight` `[1, C]`, as in Hugging Face's
    /// `GPT2ForSequenceClassification`: a reward or value model. On the device the head has four rows, of
    /// which the first counts.
    pub fn scored(config: &ModelConfig) -> Self {
        Self::of(scored_shapes(config))
    }

    /// The layout of a recurrent model ([`Rnn`](super::Rnn)) of this shape.
    pub fn recurrent(config: &ModelConfig) -> Self {
        Self::of(super::rnn_shapes(config))
    }

    /// The layout of these matrices and vectors.
    pub(super) fn of(shapes: Vec<(String, Vec<usize>)>) -> Self {
        let mut entries: Vec<Entry> = shapes
            .into_iter()
            .map(|(name, shape)| {
                let mut padded = shape.clone();
                if name == "transformer.wte.weight" || name == SCORE {
                    padded[0] = padded_vocab(shape[0]);
                }
                Entry { name, shape, padded, offset: 0 }
            })
            .collect();
        let mut len = 0;
        let mut decayed = 0;
        for matrices in [true, false] {
            for entry in entries.iter_mut().filter(|e| (e.shape.len() > 1) == matrices) {
                entry.offset = len;
                len = (len + entry.padded.iter().product::<usize>()).next_multiple_of(ALIGN);
            }
            if matrices {
                decayed = len;
            }
        }
        Self { entries, len, decayed }
    }

    /// The entry called `name`.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// Tensors laid out flat. Tensors that the model does not have are ignored, missing ones stay 0.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for a tensor of another size than the model's.
    pub fn flatten(&self, tensors: &[Tensor]) -> Result<Vec<f32>> {
        let mut flat = vec![0.0; self.len];
        for tensor in tensors {
            let Some(entry) = self.get(&tensor.name) else { continue };
            if tensor.values.len() != entry.len() {
                return Err(Error::Checkpoint(format!(
                    "{} has {} numbers and the model {}: they are of two shapes of model. Open weights and settings \
                     that were saved together",
                    tensor.name,
                    tensor.values.len(),
                    entry.len()
                )));
            }
            flat[entry.offset..][..entry.len()].copy_from_slice(&tensor.values);
        }
        Ok(flat)
    }

    /// The flat buffer's tensors, without padding.
    pub fn tensors(&self, flat: &[f32]) -> Vec<Tensor> {
        let cut = |e: &Entry| flat[e.offset..][..e.len()].to_vec();
        let tensor = |e: &Entry| Tensor { name: e.name.clone(), shape: e.shape.clone(), values: cut(e) };
        self.entries.iter().map(tensor).collect()
    }

    /// Initial weights: see [`Init`].
    pub fn init(&self, config: &ModelConfig, seed: u32) -> Vec<f32> {
        let mut flat = vec![0.0; self.len];
        let residual = 1.0 / (2.0 * config.n_layer as f64).sqrt();
        for (index, entry) in self.entries.iter().enumerate() {
            let values = &mut flat[entry.offset..][..entry.len()];
            if entry.shape.len() == 1 {
                let gain = entry.name.contains("ln_") && entry.name.ends_with("weight");
                values.fill(if gain { 1.0 } else { 0.0 });
                continue;
            }
            let std = match (config.init, entry.name.as_str()) {
                // 1/√(C + 1), as in Stiennon et al. 2020 (arXiv 2009.01325), appendix B.1, and TRL.
                (_, SCORE) => 1.0 / (entry.shape[1] as f64 + 1.0).sqrt(),
                (Init::World, "transformer.wte.weight") => 0.2,
                (Init::Gpt2, _) | (_, "transformer.wpe.weight") => 0.02,
                // torch's matrices are [out, in].
                (Init::World, name) if name.starts_with("rnn.") => 1.0 / (entry.shape[1] as f64).sqrt(),
                (Init::World, _) => 1.0 / (entry.shape[0] as f64).sqrt(),
            };
            let std = if entry.name.ends_with("c_proj.weight") { std * residual } else { std };
            // Each tensor has a sub-stream of its own, so a model's first layers do not depend on how many follow.
            let mut rng = Rng::at(seed, Stream::Init, index as u32);
            values.iter_mut().for_each(|v| *v = (rng.normal() * std) as f32);
        }
        flat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_laid_flat_has_the_models_sizes() {
        let config = ModelConfig { vocab_size: 5, ..ModelConfig::preset("4k").unwrap() };
        let params = Params::new(&config);
        let flat = params.init(&config, 1);
        let mut tensors = params.tensors(&flat);
        assert_eq!(params.flatten(&tensors), Ok(flat));
        let wpe = tensors[1].values.clone();
        for values in [wpe[1..].to_vec(), [wpe.clone(), wpe].concat()] {
            tensors[1].values = values;
            let refused = params.flatten(&tensors).unwrap_err().to_string();
            assert!(refused.contains("wpe.weight") && refused.contains("saved together"), "{refused}");
        }
    }
}
