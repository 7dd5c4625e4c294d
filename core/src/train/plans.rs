//! The parts that every trainer's plans share.

use super::learning_rate;
use crate::Result;
use crate::graph::{Plan, Spec, Tape, Value};
use crate::model::Params;
use crate::ops::{self, RING, STATE_WORDS, State};
use crate::protocol::TrainConfig;

/// Micro-batches whose scalars fit the table of one submission.
pub(crate) const TABLE: usize = 64;

/// Declares the table of scalars and records the step to the next of them.
pub(crate) fn scalars(tape: &mut Tape) -> Result<Value> {
    let table = tape.buffer("table", Spec::u32([TABLE * STATE_WORDS]));
    let cursor = tape.buffer("cursor", Spec::u32([1]));
    let state = tape.buffer("state", Spec::u32([STATE_WORDS]));
    tape.push_into(ops::Advance, &[table], &[state, cursor])?;
    Ok(state)
}

/// The scalars of optimizer step `step` (from 1) that do not depend on its rows.
pub(crate) fn step_state(train: &TrainConfig, step: u64) -> State {
    let t = step.min(i32::MAX as u64) as i32;
    State {
        step: step as u32,
        lr: learning_rate(train, step) as f32,
        correction1: (1.0 - train.beta1.powi(t)) as f32,
        correction2: (1.0 - train.beta2.powi(t)).sqrt() as f32,
        ..State::default()
    }
}

/// Norm, record, AdamW, for the model whose buffers begin with `prefix`. The step's `metrics` numbers are in
/// buffer `{prefix}metrics`; they and the gradient norm go to `{prefix}ring` `[256, metrics + 1]`.
pub(crate) fn update_plan(
    prefix: &str,
    train: &TrainConfig,
    params: &Params,
    metrics: usize,
) -> Result<Plan> {
    let mut tape = Tape::new();
    let whole = Spec::float([params.len]);
    let [p, g, m, v] =
        ["params", "grads", "m", "v"].map(|name| tape.buffer(&format!("{prefix}{name}"), whole.clone()));
    let state = tape.buffer("state", Spec::u32([STATE_WORDS]));
    let sums = tape.buffer(&format!("{prefix}metrics"), Spec::float([metrics]));
    let ring = tape.buffer(&format!("{prefix}ring"), Spec::float([RING * (metrics + 1)]));
    let parts = tape.push1("grad_norm", ops::GradNorm, &[g])?;
    tape.push_into(ops::Record { metrics }, &[state, parts], &[ring, sums])?;
    let adamw = ops::AdamW {
        len: params.len,
        decayed: params.decayed,
        beta1: train.beta1,
        beta2: train.beta2,
        eps: train.eps,
        weight_decay: train.weight_decay,
        max_grad_norm: train.max_grad_norm,
    };
    tape.push_into(adamw, &[state, parts], &[p, m, v, g])?;
    Ok(Plan::new("update", &tape, &[]))
}
