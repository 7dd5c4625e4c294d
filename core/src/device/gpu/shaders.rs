//! The kernels' texts, embedded: a missing file does not compile. A kernel is its constants, then the
//! library files it needs, then its own file.

use crate::ops::{Constant, Dispatch};
use crate::{Error, Result};
use std::fmt::Write;

macro_rules! kernels {
    ($($name:literal: [$($lib:literal)*],)*) => {
        /// Every kernel: its name and its text without the constants.
        pub const KERNELS: &[(&str, &str)] = &[$((
            $name,
            concat!(
                $(include_str!(concat!("../../../../shaders/lib/", $lib, ".wgsl")), "\n",)*
                include_str!(concat!("../../../../shaders/", $name, ".wgsl")),
            ),
        )),*];
    };
}

kernels! {
    "adamw": ["index" "state"],
    "add": ["index"],
    "advance": [],
    "attention": ["index" "attention" "reduce"],
    "attention_cached": ["index" "state" "reduce"],
    "attention_grad": ["index" "attention"],
    "attention_grad_scores": ["index" "attention" "reduce"],
    "batch": ["index" "state" "rng"],
    "dpo": ["reduce" "sigmoid"],
    "embed": ["index"],
    "embed_at": ["index" "state"],
    "embed_grad": ["index"],
    "examples": ["index" "state"],
    "entropy": ["index" "reduce"],
    "flash_attention": ["attention" "flash" "flash_keys"],
    "flash_attention_delta": ["index"],
    "flash_attention_grad_kv": ["attention" "flash" "flash_grad"],
    "flash_attention_grad_q": ["attention" "flash" "flash_keys" "flash_grad"],
    "gae": ["index"],
    "gelu_grad": ["index" "gelu"],
    "grad_norm": ["reduce"],
    "gru": ["gru"],
    "gru_grad": ["gru"],
    "kl": ["index" "reduce"],
    "kv_append": ["index" "state"],
    "linear": ["tile"],
    "linear_gelu": ["tile" "gelu"],
    "linear_grad_weight": ["index" "outer"],
    "linear_grad_weight_plain": ["index" "outer"],
    "linear_plain": ["tile"],
    "linear_residual": ["tile"],
    "log_prob": ["index" "reduce"],
    "log_prob_grad": ["index"],
    "masked_sum": ["index" "reduce"],
    "masked_sum_grad": ["index"],
    "minibatch": ["index" "state"],
    "norm": ["index"],
    "norm_grad": ["index" "norm_grad"],
    "norm_grad_add": ["index" "norm_grad"],
    "norm_grad_params": ["index"],
    "ppo_policy": ["reduce"],
    "ppo_value": ["reduce"],
    "pretrain": ["reduce"],
    "record": ["state"],
    "reward_pair": ["reduce" "sigmoid"],
    "sample": ["index" "state" "rng" "reduce"],
    "scale": ["index"],
    "sft": ["reduce"],
    "token_stats": ["index" "reduce"],
    "token_rewards": ["index"],
    "weight_average": ["index" "state"],
    "whiten": ["reduce"],
}

/// The whole text of a launch's kernel. Errors: no kernel of that name.
pub fn source(dispatch: &Dispatch) -> Result<String> {
    let (_, text) = KERNELS
        .iter()
        .find(|(name, _)| *name == dispatch.shader)
        .ok_or_else(|| Error::Graph(format!("there is no kernel {}", dispatch.shader)))?;
    let mut source = String::with_capacity(text.len() + 256);
    for (name, value) in &dispatch.constants {
        let line = match value {
            Constant::U(x) => format!("const {name}: u32 = {x}u;"),
            Constant::F(x) => format!("const {name}: f32 = {x:?};"),
            Constant::B(x) => format!("const {name}: bool = {x};"),
        };
        let _ = writeln!(source, "{line}");
    }
    source.push_str(text);
    Ok(source)
}
