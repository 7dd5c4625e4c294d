//! GPT-2's forward pass (Radford et al. 2019): pre-LN blocks, learned positions, GELU, tied head.

use super::lora::Lora;
use super::params::{Entry, Params, padded_vocab};
use crate::Result;
use crate::graph::{Spec, Tape, Value};
use crate::ops;
use crate::protocol::{Attention, ModelConfig};
use std::collections::BTreeMap;

/// A model whose parameters are on a tape.
#[derive(Clone, Debug)]
pub struct Gpt {
    config: ModelConfig,
    prefix: String,
    caches: String,
    values: Vec<Value>,
    logit_bias: Option<Value>,
    adapters: Option<Adapters>,
}

/// The adapters of a model, by the name of the matrix that they adapt.
#[derive(Clone, Debug)]
struct Adapters {
    scale: f64,
    pairs: BTreeMap<String, [Value; 2]>,
}

/// A logit of a forbidden token: e to it is 0 in f32, and sums with it stay finite.
const FORBIDDEN: f32 = -1e4;

/// The bias `[Vp]` that forbids `tokens`, for [`Gpt::with_logit_bias`].
pub fn forbid(config: &ModelConfig, tokens: &[u32]) -> Vec<f32> {
    let mut bias = vec![0.0; padded_vocab(config.vocab_size)];
    for &token in tokens {
        if let Some(b) = bias.get_mut(token as usize) {
            *b = FORBIDDEN;
        }
    }
    bias
}

/// What a decoding pass works on, beside the weights.
#[derive(Clone, Copy, Debug)]
pub struct DecodeInputs {
    /// tokens `[B, P]` u32, written as they are sampled.
    pub tokens: Value,
    /// The step's scalars; `position` is the one being decoded.
    pub state: Value,
}

impl Gpt {
    /// Puts the parameters on the tape: buffer `params`, and `grads` beside it if `train`.
    pub fn new(tape: &mut Tape, config: &ModelConfig, params: &Params, train: bool) -> Result<Self> {
        Self::named(tape, "", config, params, train)
    }

    /// One model of several on a tape: everything of it has `prefix` before its name (`reference.`): its
    /// buffers `{prefix}params` and, if `train`, `{prefix}grads`, its parameters, nodes and caches.
    pub fn named(
        tape: &mut Tape,
        prefix: &str,
        config: &ModelConfig,
        params: &Params,
        train: bool,
    ) -> Result<Self> {
        let buffers = [format!("{prefix}params"), format!("{prefix}grads")];
        tape.buffer(&buffers[0], Spec::float([params.len]));
        if train {
            tape.buffer(&buffers[1], Spec::float([params.len]));
        }
        let buffers = [buffers[0].as_str(), buffers[1].as_str()];
        let values = params
            .entries
            .iter()
            .map(|e| tape.parameter(&format!("{prefix}{}", e.name), buffers, e.offset, &e.padded))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            config: config.clone(),
            prefix: prefix.to_string(),
            caches: prefix.to_string(),
            values,
            logit_bias: None,
            adapters: None,
        })
    }

    /// Adds `bias` `[Vp]` to every row of logits: a large negative number forbids a token, in sampling and
    /// in log-probabilities alike.
    #[must_use]
    pub fn with_logit_bias(mut self, bias: Value) -> Self {
        self.logit_bias = Some(bias);
        self
    }

    /// Adds LoRA's adapters: buffer `{prefix}lora.params`, and `{prefix}lora.grads` beside it if `train`.
    pub fn with_lora(mut self, tape: &mut Tape, lora: &Lora, train: bool) -> Result<Self> {
        let layout = lora.params(&self.config);
        let [params, grads] = ["lora.params", "lora.grads"].map(|name| self.node(name));
        tape.buffer(&params, Spec::float([layout.len]));
        if train {
            tape.buffer(&grads, Spec::float([layout.len]));
        }
        let mut pairs = BTreeMap::new();
        for pair in layout.entries.chunks_exact(2) {
            let mut value =
                |e: &Entry| tape.parameter(&self.node(&e.name), [&params, &grads], e.offset, &e.padded);
            let (a, b) = (value(&pair[0])?, value(&pair[1])?);
            pairs.insert(pair[0].name.trim_end_matches(".weight.lora_A").to_string(), [a, b]);
        }
        self.adapters = Some(Adapters { scale: lora.scale(), pairs });
        Ok(self)
    }

    /// `y + (α/r) · x · A · B`, where block `layer`'s `matrix` is adapted; else y.
    fn adapt(&self, tape: &mut Tape, layer: usize, matrix: &str, x: Value, y: Value) -> Result<Value> {
        let Some(adapters) = &self.adapters else { return Ok(y) };
        let Some(&[a, b]) = adapters.pairs.get(&format!("transformer.h.{layer}.{matrix}")) else {
            return Ok(y);
        };
        let plain = ops::Linear::default();
        let thin = tape.push1(&format!("{matrix}.lora.thin"), plain, &[x, a])?;
        let thin =
            tape.push1(&format!("{matrix}.lora.scaled"), ops::Scale { by: adapters.scale }, &[thin])?;
        let change = tape.push1(&format!("{matrix}.lora.change"), plain, &[thin, b])?;
        tape.push1(&format!("{matrix}.lora"), ops::Add, &[y, change])
    }

    /// Keeps the keys and values of [`decode`](Self::decode) in buffers `{prefix}kv.0`, `{prefix}kv.1`, …,
    /// where several decoders of one model are on one device.
    #[must_use]
    pub fn with_caches(mut self, prefix: &str) -> Self {
        self.caches = prefix.to_string();
        self
    }

    fn wte(&self) -> Value {
        self.values[0]
    }

    fn wpe(&self) -> Value {
        self.values[1]
    }

    /// The twelve parameters of block `layer`, in the order of `param_shapes`.
    fn block(&self, layer: usize) -> &[Value] {
        &self.values[2 + 12 * layer..][..12]
    }

    /// tokens `[B, T]` → logits `[B, T, Vp]`, Vp being V rounded up to a multiple of 4.
    pub fn logits(&self, tape: &mut Tape, tokens: Value) -> Result<Value> {
        let h = self.hidden(tape, tokens)?;
        self.unembed(tape, h)
    }

    /// tokens `[B, T]` → scores `[B, T, 4]`, of which column 0 counts: the scalar head of reward and value
    /// models (Hugging Face's `GPT2ForSequenceClassification`). The parameters must be
    /// [`Params::scored`].
    pub fn scores(&self, tape: &mut Tape, tokens: Value) -> Result<Value> {
        let h = self.hidden(tape, tokens)?;
        let head = *self.values.get(4 + 12 * self.config.n_layer).ok_or_else(|| {
            crate::Error::Graph("this model has no scalar head: lay it out with Params::scored".into())
        })?;
        tape.push1(&self.node("scores"), ops::Linear { transposed: true, ..Default::default() }, &[h, head])
    }

    /// tokens `[B, T]` → the last normalised residual stream `[B, T, C]`.
    pub fn hidden(&self, tape: &mut Tape, tokens: Value) -> Result<Value> {
        let mut x = tape.push1(&self.node("embed"), ops::Embed, &[tokens, self.wte(), self.wpe()])?;
        let (heads, scaled) = (self.config.n_head, self.config.scale_attn_weights);
        for layer in 0..self.config.n_layer {
            x = self.layer(tape, layer, x, |tape, qkv| match self.config.attention {
                Attention::Flash => Ok(tape.push("attn", ops::FlashAttention { heads, scaled }, &[qkv])?[0]),
                Attention::Materialised => {
                    Ok(tape.push("attn", ops::Attention { heads, scaled }, &[qkv])?[0])
                }
            })?;
        }
        self.last_norm(tape, x)
    }

    /// One position → logits `[B, 1, Vp]`, with keys and values kept in buffers `kv.0`, `kv.1`, ….
    pub fn decode(&self, tape: &mut Tape, inputs: DecodeInputs) -> Result<Value> {
        let DecodeInputs { tokens, state } = inputs;
        let [batch, positions] = [tape.spec(tokens).shape[0], tape.spec(tokens).shape[1]];
        let mut x =
            tape.push1(&self.node("embed"), ops::EmbedAt, &[tokens, self.wte(), self.wpe(), state])?;
        let (heads, scaled) = (self.config.n_head, self.config.scale_attn_weights);
        for layer in 0..self.config.n_layer {
            let cache = Spec::float([batch, positions, 2 * self.config.n_embd]);
            let cache = tape.buffer(&format!("{}kv.{layer}", self.caches), cache);
            x = self.layer(tape, layer, x, |tape, qkv| {
                tape.push_into(ops::KvAppend { positions }, &[qkv, state], &[cache])?;
                tape.push1("attn", ops::AttentionCached { heads, scaled }, &[qkv, cache, state])
            })?;
        }
        let h = self.last_norm(tape, x)?;
        self.unembed(tape, h)
    }

    /// x ← x + attention(ln_1(x)); x ← x + mlp(ln_2(x)).
    fn layer(
        &self,
        tape: &mut Tape,
        layer: usize,
        x: Value,
        attend: impl FnOnce(&mut Tape, Value) -> Result<Value>,
    ) -> Result<Value> {
        let w = self.block(layer);
        let affine = ops::Linear { bias: true, ..Default::default() };
        let residual = ops::Linear { residual: true, ..affine };
        let gelu = ops::Linear { gelu: true, ..affine };
        tape.scoped_as(&self.node(&format!("block.{layer}")), |tape| {
            let h = tape.push("ln_1", ops::Norm, &[x, w[0], w[1]])?[0];
            let qkv = tape.push1("attn.qkv", affine, &[h, w[2], w[3]])?;
            let qkv = self.adapt(tape, layer, "attn.c_attn", h, qkv)?;
            let o = attend(tape, qkv)?;
            let x = tape.push1("attn.residual", residual, &[o, w[4], w[5], x])?;
            let x = self.adapt(tape, layer, "attn.c_proj", o, x)?;
            let h = tape.push("ln_2", ops::Norm, &[x, w[6], w[7]])?[0];
            let h = tape.push("mlp.hidden", gelu, &[h, w[8], w[9]])?[0];
            let x = tape.push1("mlp.residual", residual, &[h, w[10], w[11], x])?;
            self.adapt(tape, layer, "mlp.c_proj", h, x)
        })
    }

    fn last_norm(&self, tape: &mut Tape, x: Value) -> Result<Value> {
        let at = 2 + 12 * self.config.n_layer;
        Ok(tape.push(&self.node("ln_f"), ops::Norm, &[x, self.values[at], self.values[at + 1]])?[0])
    }

    fn unembed(&self, tape: &mut Tape, h: Value) -> Result<Value> {
        let reads: Vec<Value> = [Some(h), Some(self.wte()), self.logit_bias].into_iter().flatten().collect();
        let op = ops::Linear { transposed: true, bias: self.logit_bias.is_some(), ..Default::default() };
        tape.push1(&self.node("logits"), op, &reads)
    }

    /// A node's name with the model's prefix.
    fn node(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// V and Vp.
    pub fn vocab(&self) -> (usize, usize) {
        (self.config.vocab_size, padded_vocab(self.config.vocab_size))
    }
}
