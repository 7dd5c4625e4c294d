//! Shapes of models and batches, as the benchmark's rows name them.

use gradus_core::protocol::{ModelConfig, TrainConfig};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// `L,d,H,T,B,V`, or the letter of one of the two published shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// As it was asked for.
    pub name: String,
    /// L, blocks.
    pub n_layer: usize,
    /// d, width.
    pub n_embd: usize,
    /// H, heads.
    pub n_head: usize,
    /// T, tokens of a row.
    pub context: usize,
    /// B, rows of a step.
    pub batch: usize,
    /// V, the vocabulary.
    pub vocab: usize,
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let numbers = match name {
            "A" => "2,64,4,64,8,65",
            "B" => "4,128,4,128,8,65",
            other => other,
        };
        let wrong = || format!("{name} is no shape: give A, B, or L,d,H,T,B,V such as 2,64,4,64,8,65");
        let numbers: Vec<usize> =
            numbers.split(',').map(|n| n.trim().parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        let [n_layer, n_embd, n_head, context, batch, vocab] =
            <[usize; 6]>::try_from(numbers).map_err(|_| wrong())?;
        Ok(Self { name: name.into(), n_layer, n_embd, n_head, context, batch, vocab })
    }
}

impl Shape {
    /// The model, as the page would build it.
    pub fn model(&self) -> ModelConfig {
        ModelConfig {
            n_layer: self.n_layer,
            n_embd: self.n_embd,
            n_head: self.n_head,
            n_positions: self.context,
            vocab_size: self.vocab,
            attention: Default::default(),
            scale_attn_weights: true,
            init: Default::default(),
        }
    }

    /// The page's settings with this batch, at the peers' learning rate.
    pub fn train(&self) -> TrainConfig {
        TrainConfig { batch: self.batch, lr: 1e-3, steps: 1_000_000, warmup: 0, ..TrainConfig::default() }
    }

    /// Tokens of a step.
    pub fn tokens(&self) -> usize {
        self.batch * self.context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_numbers_name_shapes() {
        let a: Shape = "A".parse().unwrap();
        assert_eq!((a.n_layer, a.n_embd, a.n_head, a.context, a.batch, a.vocab), (2, 64, 4, 64, 8, 65));
        assert_eq!("1, 32,2,16,4,50".parse::<Shape>().unwrap().tokens(), 64);
        for wrong in ["", "C", "1,2,3", "1,2,3,4,5,6,7", "1,2,3,4,5,x", "-1,2,3,4,5,6"] {
            assert!(wrong.parse::<Shape>().unwrap_err().contains("give A, B"), "{wrong}");
        }
    }
}
