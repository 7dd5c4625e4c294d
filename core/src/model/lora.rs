//! LoRA (Hu et al. 2021, arXiv 2106.09685, §4.1): a frozen matrix W is used as `W + (α/r) · A · B`, and only the
//! thin A `[in, r]` and B `[r, out]` learn. Merged into W, the result is a plain GPT-2 again.

use super::{Params, param_shapes};
use crate::protocol::ModelConfig;
use crate::rng::{Rng, Stream};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which matrices are adapted, and how thinly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lora {
    /// r.
    pub rank: usize,
    /// α: the adaptation counts α/r.
    pub alpha: f64,
    /// Adapt the projections to queries, keys and values, `attn.c_attn`.
    pub c_attn: bool,
    /// Adapt the projections back to the residual stream, `attn.c_proj` and `mlp.c_proj`.
    pub c_proj: bool,
}

impl Default for Lora {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, c_attn: true, c_proj: true }
    }
}

impl Lora {
    /// α/r.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// r rounded up to a multiple of 4, as matrices are on a device. What is added is zero and stays so.
    fn padded(&self) -> usize {
        self.rank.next_multiple_of(4)
    }

    /// # Errors
    /// [`Error::Config`] for a rank that is 0 or no smaller than the width, an α that is no positive number, or
    /// nothing to adapt.
    pub fn check(&self, config: &ModelConfig) -> Result<()> {
        if self.rank == 0 || self.rank >= config.n_embd {
            return Err(Error::Config(format!(
                "the LoRA rank is {}: it must be 1 or more and below the width, {}",
                self.rank, config.n_embd
            )));
        }
        if !(self.alpha > 0.0 && self.alpha.is_finite()) {
            return Err(Error::Config("the LoRA alpha must be a number above 0".into()));
        }
        if !(self.c_attn || self.c_proj) {
            return Err(Error::Config("LoRA adapts nothing: choose c_attn, c_proj or both".into()));
        }
        Ok(())
    }

    /// The names of the adapted matrices, with their shapes.
    fn matrices(&self, config: &ModelConfig) -> Vec<(String, [usize; 2])> {
        let adapted = |name: &str| {
            (self.c_attn && name.ends_with("c_attn.weight"))
                || (self.c_proj && name.ends_with("c_proj.weight"))
        };
        let shapes = param_shapes(config).into_iter().filter(|(name, _)| adapted(name));
        shapes.map(|(name, shape)| (name, [shape[0], shape[1]])).collect()
    }

    /// How many numbers learn: r · (in + out) for each adapted matrix.
    pub fn parameters(&self, config: &ModelConfig) -> u64 {
        self.matrices(config).iter().map(|(_, [k, n])| (self.rank * (k + n)) as u64).sum()
    }

    /// The layout of the adapters: `NAME.lora_A` and `NAME.lora_B` for each adapted matrix NAME.
    pub fn params(&self, config: &ModelConfig) -> Params {
        let r = self.padded();
        let pair = |(name, [k, n]): (String, [usize; 2])| {
            [(format!("{name}.lora_A"), vec![k, r]), (format!("{name}.lora_B"), vec![r, n])]
        };
        Params::of(self.matrices(config).into_iter().flat_map(pair).collect())
    }

    /// Initial adapters, which change nothing: A is normal with deviation 1/√in, B is zero (§4.1).
    pub fn init(&self, config: &ModelConfig, seed: u32) -> Vec<f32> {
        let params = self.params(config);
        let (r, mut flat) = (self.padded(), vec![0.0; params.len]);
        for (index, entry) in params.entries.iter().enumerate().filter(|(_, e)| e.name.ends_with("_A")) {
            let mut rng = Rng::at(seed, Stream::Init, 1 << 16 | index as u32);
            let deviation = 1.0 / (entry.shape[0] as f64).sqrt();
            for row in flat[entry.offset..][..entry.len()].chunks_exact_mut(r) {
                row[..self.rank].iter_mut().for_each(|a| *a = (rng.normal() * deviation) as f32);
            }
        }
        flat
    }

    /// Adds the adapters (laid out by [`params`](Self::params)) into the weights of a whole model (laid out by
    /// `model`): W ← W + (α/r) · A · B.
    pub fn merge(&self, config: &ModelConfig, model: &Params, weights: &mut [f32], adapters: &[f32]) {
        let (r, layout) = (self.padded(), self.params(config));
        let part = |name: &str, suffix: &str| {
            layout.get(&format!("{name}.{suffix}")).map(|e| &adapters[e.offset..][..e.len()])
        };
        for (name, [k, n]) in self.matrices(config) {
            let (Some(entry), Some(a), Some(b)) =
                (model.get(&name), part(&name, "lora_A"), part(&name, "lora_B"))
            else {
                continue;
            };
            for (i, row) in weights[entry.offset..][..k * n].chunks_exact_mut(n).enumerate() {
                for (j, w) in row.iter_mut().enumerate() {
                    let dot: f64 = (0..r).map(|l| f64::from(a[i * r + l]) * f64::from(b[l * n + j])).sum();
                    *w = (f64::from(*w) + self.scale() * dot) as f32;
                }
            }
        }
    }
}
