//! The kernels' texts, embedded: a missing file does not compile. A kernel is its constants, then the
//! library files it needs, then its own file, with repetitions written out (`repeat.rs`). What comes in several kinds (counting
//! what it moves, through workgroup memory, from textures) has another library file in the place of one: what is counted is
//! what runs.

use super::repeat::repeat;
use crate::ops::{Constant, Dispatch, Family, Form};
use crate::{Error, Result};
use std::fmt::Write;

macro_rules! kernels {
    ($(#[$doc:meta])* $list:ident $($name:literal: [$($lib:literal)*],)*) => {
        $(#[$doc])*
        pub const $list: &[(&str, &str)] = &[$((
            $name,
            concat!(
                $(include_str!(concat!("../../../../shaders/lib/", $lib, ".wgsl")), "\n",)*
                include_str!(concat!("../../../../shaders/", $name, ".wgsl")),
            ),
        )),*];
    };
}

kernels! {
    /// Every kernel: its name and its text without the constants.
    KERNELS
    "accept": ["index" "rng" "reduce" "draw"],
    "adamw": ["index" "state"],
    "adamw_threads": ["index" "state"],
    "add": ["index"],
    "advance": [],
    "attention": ["plain" "index" "attention" "reduce"],
    "attention_cached": ["index" "reduce"],
    "attention_grad": ["plain" "index" "attention"],
    "attention_grad_scores": ["plain" "index" "attention" "reduce"],
    "batch": ["index" "state" "rng"],
    "distribution": ["index" "reduce" "nucleus"],
    "dpo": ["reduce" "sigmoid"],
    "embed": ["index"],
    "embed_at": ["index"],
    "embed_grad": ["index"],
    "embed_grad_threads": ["index"],
    "examples": ["index" "state"],
    "entropy": ["index" "reduce" "log_sum_exp"],
    "flash_attention": ["plain" "attention" "flash" "flash_keys"],
    "flash_attention_delta": ["plain" "index"],
    "flash_attention_grad_kv": ["plain" "attention" "flash" "flash_grad"],
    "flash_attention_grad_kv_threads": ["index" "left" "right" "flash_threads"],
    "flash_attention_grad_q": ["plain" "attention" "flash" "flash_keys" "flash_grad"],
    "flash_attention_grad_q_threads": ["index" "left" "right" "flash_threads"],
    "flash_attention_threads": ["index" "left" "flash_threads"],
    "gae": ["index"],
    "grad_norm": ["reduce"],
    "grad_norm_threads": [],
    "kv_append": ["index"],
    "gru": ["gru"],
    "gru_grad": ["gru"],
    "gru_grad_threads": [],
    "gru_threads": [],
    "kl": ["index" "reduce"],
    "linear": ["index" "left" "right" "plus" "tile_threads"],
    "linear_gelu": ["index" "left" "right" "plus" "tile_threads" "gelu"],
    "linear_grad_weight": ["index" "left" "right" "plus" "outer_threads"],
    "linear_grad_weight_plain": ["index" "left" "right" "plus" "outer_threads"],
    "linear_plain": ["index" "left" "right" "plus" "tile_threads"],
    "linear_residual": ["index" "left" "right" "plus" "tile_threads"],
    "linear_scaled": ["index" "left" "right" "plus" "tile_threads"],
    "log_prob": ["index" "reduce" "log_sum_exp"],
    "log_prob_grad": ["index"],
    "log_prob_threads": ["index"],
    "masked_sum": ["index" "reduce"],
    "masked_sum_grad": ["index"],
    "minibatch": ["index" "state"],
    "mul": ["index"],
    "norm": ["index"],
    "norm_grad": ["index" "norm_grad"],
    "norm_grad_add": ["index" "norm_grad"],
    "norm_grad_params": ["index"],
    "norm_grad_params_threads": ["index"],
    "ppo_policy": ["reduce"],
    "ppo_value": ["reduce"],
    "pretrain": ["reduce"],
    "propose": ["index" "rng" "draw"],
    "record": ["state"],
    "sample": ["index" "rng" "reduce" "nucleus" "draw"],
    "reward_pair": ["reduce" "sigmoid"],
    "scale": ["index"],
    "sft": ["reduce"],
    "token_stats": ["index" "reduce"],
    "token_rewards": ["index"],
    "weight_average": ["index" "state"],
    "whiten": ["reduce"],
}

macro_rules! swaps {
    ($($constant:expr => $($plain:literal $other:literal),+;)*) => {
        /// Library files that others stand in for where a launch has a constant: of kernels that count what they move, of
        /// products through workgroup memory, of kernels that read textures.
        pub const SWAPS: &[(&str, &[(&str, &str)])] = &[$(($constant, &[$((
            include_str!(concat!("../../../../shaders/lib/", $plain, ".wgsl")),
            include_str!(concat!("../../../../shaders/lib/", $other, ".wgsl")),
        )),+])),*];
    };
}

swaps! {
    Form::COUNTER => "plain" "count";
    Family::DEPTH => "tile_threads" "tile_workgroup", "outer_threads" "outer_workgroup";
    Family::TEXELS => "left" "left_texels", "right" "right_texels";
}

/// How many of a kernel's first reads are textures, by its text.
pub fn textures(source: &str) -> usize {
    source.matches(": texture_2d<f32>;").count()
}

/// The whole text of a launch's kernel. Errors: no kernel of that name.
pub fn source(dispatch: &Dispatch) -> Result<String> {
    let (_, text) = KERNELS
        .iter()
        .find(|(name, _)| *name == dispatch.shader)
        .ok_or_else(|| Error::Graph(format!("there is no kernel {}", dispatch.shader)))?;
    let mut text = text.to_string();
    for (constant, files) in SWAPS {
        if dispatch.constants.iter().any(|(name, _)| name == constant) {
            files.iter().for_each(|(plain, other)| text = text.replace(plain, other));
        }
    }
    let mut source = String::with_capacity(text.len() + 256);
    for (name, value) in &dispatch.constants {
        let line = match value {
            Constant::U(x) => format!("const {name}: u32 = {x}u;"),
            Constant::F(x) => format!("const {name}: f32 = {x:?};"),
            Constant::B(x) => format!("const {name}: bool = {x};"),
        };
        let _ = writeln!(source, "{line}");
    }
    source.push_str(&repeat(&text, &dispatch.constants)?);
    Ok(source)
}
