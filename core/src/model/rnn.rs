//! The recurrent baseline: GPT-2's embedding and tied head, and between them gated recurrent units (Cho et
//! al. 2014, arXiv 1406.1078) in place of blocks. A model's shape is a [`ModelConfig`] whose `n_head` and
//! `attention` say nothing; parameters bear the names and shapes of `torch.nn.GRU`.

use super::params::{Params, padded_vocab};
use crate::graph::{Spec, Tape, Value};
use crate::ops::{self, MAX_GRU_WIDTH};
use crate::protocol::ModelConfig;
use crate::{Error, Result};

/// A recurrent model whose parameters are on a tape.
#[derive(Clone, Debug)]
pub struct Rnn {
    config: ModelConfig,
    values: Vec<Value>,
}

/// Name and shape of every parameter of a recurrent model.
pub fn rnn_shapes(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let c = config.n_embd;
    let mut shapes = vec![
        ("transformer.wte.weight".to_owned(), vec![config.vocab_size, c]),
        ("transformer.wpe.weight".to_owned(), vec![config.n_positions, c]),
    ];
    for layer in 0..config.n_layer {
        let matrix = |name: &str| (format!("rnn.weight_{name}_l{layer}"), vec![3 * c, c]);
        let vector = |name: &str| (format!("rnn.bias_{name}_l{layer}"), vec![3 * c]);
        shapes.extend([matrix("ih"), matrix("hh"), vector("ih"), vector("hh")]);
    }
    shapes
}

/// The recurrent model of `layers` layers whose number of parameters is nearest to that of `gpt`, with the
/// same vocabulary and context.
pub fn rnn_like(gpt: &ModelConfig, layers: usize) -> ModelConfig {
    let of = |n_embd| ModelConfig { n_layer: layers, n_embd, n_head: 1, ..gpt.clone() };
    let widths = (4..=MAX_GRU_WIDTH).step_by(4).map(of);
    widths.min_by_key(|c| rnn_parameters(c).abs_diff(gpt.parameters())).unwrap_or_else(|| of(4))
}

/// Trainable numbers: `V·C + T·C + L·(6C² + 6C)`.
pub fn rnn_parameters(config: &ModelConfig) -> u64 {
    rnn_shapes(config).iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum()
}

impl Rnn {
    /// Puts the parameters ([`Params::recurrent`]) on the tape: buffer `params`, and `grads` beside it if
    /// `train`.
    ///
    /// # Errors
    /// [`Error::Config`] for a layer too wide, and the tape's errors.
    pub fn new(tape: &mut Tape, config: &ModelConfig, params: &Params, train: bool) -> Result<Self> {
        if config.n_embd > MAX_GRU_WIDTH {
            let c = config.n_embd;
            return Err(Error::Config(format!("n_embd is {c}: a GRU can be {MAX_GRU_WIDTH} wide at most")));
        }
        tape.buffer("params", Spec::float([params.len]));
        if train {
            tape.buffer("grads", Spec::float([params.len]));
        }
        let values = params
            .entries
            .iter()
            .map(|e| tape.parameter(&e.name, ["params", "grads"], e.offset, &e.padded))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { config: config.clone(), values })
    }

    /// tokens `[B, T]` → logits `[B, T, Vp]`.
    ///
    /// # Errors
    /// The tape's.
    pub fn logits(&self, tape: &mut Tape, tokens: Value) -> Result<Value> {
        let (wte, wpe) = (self.values[0], self.values[1]);
        let mut h = tape.push1("embed", ops::Embed, &[tokens, wte, wpe])?;
        let product = ops::Linear { transposed: true, bias: true, ..Default::default() };
        for layer in 0..self.config.n_layer {
            let [w_ih, w_hh, b_ih, b_hh] = self.values[2 + 4 * layer..][..4] else {
                return Err(Error::Graph("these are not a recurrent model's parameters".into()));
            };
            h = tape.scoped_as(&format!("gru.{layer}"), |tape| {
                let x = tape.push1("x", product, &[h, w_ih, b_ih])?;
                Ok::<_, Error>(tape.push("h", ops::Gru, &[x, w_hh, b_hh])?[0])
            })?;
        }
        tape.push1("logits", ops::Linear { transposed: true, ..Default::default() }, &[h, wte])
    }

    /// V and Vp.
    pub fn vocab(&self) -> (usize, usize) {
        (self.config.vocab_size, padded_vocab(self.config.vocab_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_like_of_a_gpt_has_its_size() {
        for (layers, name) in [(1, "40k"), (1, "127k"), (2, "177k"), (1, "856k")] {
            let gpt = ModelConfig { vocab_size: 362, ..ModelConfig::preset(name).unwrap() };
            let rnn = rnn_like(&gpt, layers);
            let share = rnn_parameters(&rnn) as f64 / gpt.parameters() as f64;
            assert!((0.96..1.04).contains(&share), "{name}: {share}");
            assert_eq!((rnn.n_layer, rnn.n_positions), (layers, gpt.n_positions));
            let c = rnn.n_embd as u64;
            let formula = (362 + gpt.n_positions as u64) * c + layers as u64 * (6 * c * c + 6 * c);
            assert_eq!(rnn_parameters(&rnn), formula);
        }
    }
}
