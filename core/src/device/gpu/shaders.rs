//! The kernels' texts, embedded: a missing file does not compile. A kernel is its constants, then the
//! library files it needs, then its own file, with repetitions written out (`repeat.rs`). Those that can count what
//! they move are listed twice, with another first library: what is counted is what runs. So are products, for
//! each family of kernels.

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

kernels! {
    /// The kernels that can count the elements they move, with the library that does.
    COUNTING
    "attention": ["count" "index" "attention" "reduce"],
    "attention_grad": ["count" "index" "attention"],
    "attention_grad_scores": ["count" "index" "attention" "reduce"],
    "flash_attention": ["count" "attention" "flash" "flash_keys"],
    "flash_attention_delta": ["count" "index"],
    "flash_attention_grad_kv": ["count" "attention" "flash" "flash_grad"],
    "flash_attention_grad_q": ["count" "attention" "flash" "flash_keys" "flash_grad"],
}

kernels! {
    /// Those that read textures, and what copies these from buffers.
    TEXELS
    "flash_attention_grad_kv_threads": ["index" "left_texels" "right_texels" "flash_threads"],
    "flash_attention_grad_q_threads": ["index" "left_texels" "right_texels" "flash_threads"],
    "flash_attention_threads": ["index" "left_texels" "flash_threads"],
    "linear": ["index" "left_texels" "right_texels" "plus" "tile_threads"],
    "linear_gelu": ["index" "left_texels" "right_texels" "plus" "tile_threads" "gelu"],
    "linear_grad_weight": ["index" "left_texels" "right_texels" "plus" "outer_threads"],
    "linear_grad_weight_plain": ["index" "left_texels" "right_texels" "plus" "outer_threads"],
    "linear_plain": ["index" "left_texels" "right_texels" "plus" "tile_threads"],
    "linear_residual": ["index" "left_texels" "right_texels" "plus" "tile_threads"],
    "linear_scaled": ["index" "left_texels" "right_texels" "plus" "tile_threads"],
    "texels": ["index"],
}

kernels! {
    /// The products, as the other family has them: through workgroup memory.
    WORKGROUPS
    "linear": ["index" "left" "right" "tile_workgroup"],
    "linear_gelu": ["index" "left" "right" "tile_workgroup" "gelu"],
    "linear_grad_weight": ["index" "left" "right" "outer_workgroup"],
    "linear_grad_weight_plain": ["index" "left" "right" "outer_workgroup"],
    "linear_plain": ["index" "left" "right" "tile_workgroup"],
    "linear_residual": ["index" "left" "right" "tile_workgroup"],
    "linear_scaled": ["index" "left" "right" "tile_workgroup"],
}

/// How many of a kernel's first reads are textures, by its text.
pub fn textures(source: &str) -> usize {
    source.matches(": texture_2d<f32>;").count()
}

/// The whole text of a launch's kernel. Errors: no kernel of that name.
pub fn source(dispatch: &Dispatch) -> Result<String> {
    let has = |constant: &str| dispatch.constants.iter().any(|(name, _)| *name == constant);
    let list = match () {
        () if has(Form::COUNTER) => COUNTING,
        () if has(Family::DEPTH) => WORKGROUPS,
        () if has(Family::TEXELS) => TEXELS,
        () => KERNELS,
    };
    let (_, text) = list
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
    source.push_str(&repeat(text, &dispatch.constants)?);
    Ok(source)
}
