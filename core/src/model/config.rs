//! The shape of a GPT-2: its limits, its parameters by name, and `config.json`.

use crate::protocol::{Attention, Init, ModelConfig};
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::fmt::Display;

/// Largest vocabulary of a model.
pub const MAX_VOCAB: usize = 65_536;
/// Longest context of a model.
pub const MAX_POSITIONS: usize = 1024;
/// Most trainable numbers of a model, so that its f32 file stays under 64 MiB.
pub const MAX_PARAMETERS: u64 = 16_000_000;
const MAX_LAYERS: usize = 48;
const MAX_WIDTH: usize = 4096;

/// Checks that a model of this shape can be built: every number within its limit, C a multiple of 4 and of H.
///
/// # Errors
/// [`Error::Config`] names the setting and its limits.
pub fn check_config(config: &ModelConfig) -> Result<()> {
    let limits = [
        ("n_layer", config.n_layer, MAX_LAYERS),
        ("n_embd", config.n_embd, MAX_WIDTH),
        ("n_head", config.n_head, MAX_WIDTH),
        ("n_positions", config.n_positions, MAX_POSITIONS),
        ("vocab_size", config.vocab_size, MAX_VOCAB),
    ];
    for (name, value, most) in limits {
        if value == 0 || value > most {
            return Err(Error::Config(format!("{name} is {value}: it must be 1 to {most}")));
        }
    }
    let (c, h) = (config.n_embd, config.n_head);
    if c % 4 != 0 || c % h != 0 {
        return Err(Error::Config(format!(
            "n_embd is {c} with {h} heads: it must be a multiple of 4 and of the number of heads"
        )));
    }
    if config.parameters() > MAX_PARAMETERS {
        return Err(Error::Config(format!(
            "a model of {} parameters is too big: the limit is {MAX_PARAMETERS}. Choose fewer layers, a smaller \
             width or a smaller vocabulary",
            config.parameters()
        )));
    }
    Ok(())
}

/// Checks that `tokens` are of a vocabulary of `vocab`. `what` says whose they are ("row 3").
///
/// # Errors
/// [`Error::Config`] names the first that is not.
pub(crate) fn check_tokens(what: impl Display, tokens: &[u32], vocab: usize) -> Result<()> {
    match tokens.iter().find(|&&t| t as usize >= vocab) {
        Some(token) => Err(Error::Config(format!(
            "{what} has token {token}, the vocabulary ends at {}: take the ids of the model's own tokenizer",
            vocab - 1
        ))),
        None => Ok(()),
    }
}

/// Whether the weights of one are weights of the other too: all agrees but how attention is computed and how
/// weights begin.
pub(crate) fn same_shape(a: &ModelConfig, b: &ModelConfig) -> bool {
    *a == ModelConfig { attention: a.attention, init: a.init, ..b.clone() }
}

/// Name and shape of every parameter, in the order and with the names of Hugging Face's `GPT2LMHeadModel`.
/// Matrices are Conv1D's `[in, out]`; the head is tied to `transformer.wte.weight` `[V, C]`.
pub fn param_shapes(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let c = config.n_embd;
    let mut shapes = vec![
        ("transformer.wte.weight".to_owned(), vec![config.vocab_size, c]),
        ("transformer.wpe.weight".to_owned(), vec![config.n_positions, c]),
    ];
    let block = [
        ("ln_1.weight", vec![c]),
        ("ln_1.bias", vec![c]),
        ("attn.c_attn.weight", vec![c, 3 * c]),
        ("attn.c_attn.bias", vec![3 * c]),
        ("attn.c_proj.weight", vec![c, c]),
        ("attn.c_proj.bias", vec![c]),
        ("ln_2.weight", vec![c]),
        ("ln_2.bias", vec![c]),
        ("mlp.c_fc.weight", vec![c, 4 * c]),
        ("mlp.c_fc.bias", vec![4 * c]),
        ("mlp.c_proj.weight", vec![4 * c, c]),
        ("mlp.c_proj.bias", vec![c]),
    ];
    for layer in 0..config.n_layer {
        shapes.extend(
            block.iter().map(|(name, shape)| (format!("transformer.h.{layer}.{name}"), shape.clone())),
        );
    }
    shapes.push(("transformer.ln_f.weight".to_owned(), vec![c]));
    shapes.push(("transformer.ln_f.bias".to_owned(), vec![c]));
    shapes
}

/// The scalar head's name in Hugging Face's `GPT2ForSequenceClassification`.
pub(crate) const SCORE: &str = "score.weight";

/// [`param_shapes`], then the scalar head `[1, C]`.
pub(super) fn scored_shapes(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let mut shapes = param_shapes(config);
    shapes.push((SCORE.to_owned(), vec![1, config.n_embd]));
    shapes
}

/// What transformers calls a reward model.
const CLASSIFIER: &str = "GPT2ForSequenceClassification";

/// The text of `config.json`. `eos` is the token that begins and ends a document. A model with a scalar head has
/// one label; transformers scores a row at its last token that is not `pad_token_id`, for which `eos` stands. `dtype`
/// is the weights', by PyTorch's name.
pub(super) fn write(config: &ModelConfig, eos: Option<u32>, scored: bool, dtype: &str) -> String {
    let mut file = json!({
        "model_type": "gpt2",
        "architectures": [if scored { CLASSIFIER } else { "GPT2LMHeadModel" }],
        "vocab_size": config.vocab_size,
        "n_positions": config.n_positions,
        "n_embd": config.n_embd,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": null,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": config.scale_attn_weights,
        "tie_word_embeddings": true,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "bos_token_id": eos,
        "eos_token_id": eos,
        "dtype": dtype,
        // Ours; transformers keeps them as plain attributes.
        "gradus_attention": config.attention,
        "gradus_init": config.init,
    });
    if scored {
        file["num_labels"] = json!(1);
        file["id2label"] = json!({"0": "LABEL_0"});
        file["label2id"] = json!({"LABEL_0": 0});
        file["pad_token_id"] = json!(eos);
    }
    format!("{file:#}")
}

/// Reads `config.json` and refuses a model whose mathematics is not ours. True beside it for a model with a
/// scalar head.
pub(super) fn read(text: &[u8]) -> Result<(ModelConfig, bool)> {
    let file: Value = serde_json::from_slice(text)
        .map_err(|e| Error::Checkpoint(format!("config.json is not JSON ({e}): export the model again")))?;
    let Some(file) = file.as_object() else {
        return Err(Error::Checkpoint("config.json is not an object: export the model again".into()));
    };
    check_mathematics(file)?;
    let config = ModelConfig {
        n_layer: number(file, "n_layer")?,
        n_embd: number(file, "n_embd")?,
        n_head: number(file, "n_head")?,
        n_positions: number(file, "n_positions")?,
        vocab_size: number(file, "vocab_size")?,
        attention: ours(file, "gradus_attention", Attention::default())?,
        scale_attn_weights: switch(file, "scale_attn_weights", true)?,
        init: ours(file, "gradus_init", Init::default())?,
    };
    check_config(&config)
        .map_err(|e| Error::Checkpoint(format!("config.json: {e}. Open a model within these limits")))?;
    let inner = file.get("n_inner").filter(|v| !v.is_null());
    if inner.is_some_and(|v| *v != 4 * config.n_embd) {
        return Err(unlike("n_inner", inner, "null or 4·n_embd"));
    }
    let architectures = file.get("architectures").and_then(Value::as_array);
    Ok((config, architectures.is_some_and(|names| names.iter().any(|n| n == CLASSIFIER))))
}

/// Settings that change what the model computes must have GPT-2's own values (transformers' defaults).
fn check_mathematics(file: &Map<String, Value>) -> Result<()> {
    if file.get("model_type").is_none_or(|v| v != "gpt2") {
        return Err(unlike("model_type", file.get("model_type"), "\"gpt2\""));
    }
    let required = [
        ("activation_function", vec![json!("gelu_new"), json!("gelu_pytorch_tanh")]),
        ("tie_word_embeddings", vec![json!(true)]),
        ("scale_attn_by_inverse_layer_idx", vec![json!(false)]),
        ("add_cross_attention", vec![json!(false)]),
        ("layer_norm_epsilon", vec![json!(1e-5)]),
    ];
    for (key, allowed) in required {
        let value = file.get(key);
        if value.is_some_and(|v| !allowed.contains(v)) {
            let allowed: Vec<_> = allowed.iter().map(Value::to_string).collect();
            return Err(unlike(key, value, &allowed.join(" or ")));
        }
    }
    Ok(())
}

fn unlike(key: &str, value: Option<&Value>, expected: &str) -> Error {
    let value: String = value.map_or("missing".to_owned(), Value::to_string).chars().take(60).collect();
    Error::Checkpoint(format!(
        "config.json: {key} is {value}, and only {expected} is supported. Open a plain GPT-2 (GPT2LMHeadModel)"
    ))
}

fn number(file: &Map<String, Value>, key: &str) -> Result<usize> {
    let value = file.get(key);
    value
        .and_then(Value::as_u64)
        .and_then(|n| usize::try_from(n).ok())
        .ok_or_else(|| unlike(key, value, "a whole number"))
}

fn switch(file: &Map<String, Value>, key: &str, default: bool) -> Result<bool> {
    let value = file.get(key);
    value.map_or(Some(default), Value::as_bool).ok_or_else(|| unlike(key, value, "true or false"))
}

fn ours<T: serde::de::DeserializeOwned>(file: &Map<String, Value>, key: &str, default: T) -> Result<T> {
    match file.get(key) {
        None => Ok(default),
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|_| unlike(key, Some(value), "one of this program's names")),
    }
}
