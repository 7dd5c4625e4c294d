//! The plans of pretraining, and the parts that every trainer's plans share.

use super::learning_rate;
use crate::Result;
use crate::data::{Material, Training};
use crate::graph::{Plan, Spec, Tape, Value};
use crate::model::{Architecture, Params};
use crate::ops::{self, Draw, RING, STATE_WORDS, State};
use crate::protocol::{ModelConfig, TrainConfig};

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

/// Scalars, batch, forward, loss, backward: gradients are added to `grads`. `probe` keeps every node.
pub(crate) fn micro_plan(
    architecture: Architecture,
    model: &ModelConfig,
    train: &TrainConfig,
    params: &Params,
    training: &Training,
    probe: bool,
) -> Result<Plan> {
    let mut tape = Tape::new();
    let network = architecture.network(&mut tape, model, params, true)?;
    let state = scalars(&mut tape)?;
    let context = model.n_positions;
    let (len, stride, draw) = match training {
        Training::Rows(_) => (TABLE * train.batch * (context + 1), context + 1, Draw::Sequential),
        Training::Text(tokens) => (tokens.len(), 1, Draw::Random),
    };
    let corpus = tape.buffer("corpus", Spec::u32([len]));
    let op = ops::Batch { batch: train.batch, context, stride, draw };
    let batch = tape.push("batch", op, &[corpus, state])?;
    let logits = network.logits(&mut tape, batch[0])?;
    let logp = tape.push("logp", ops::LogProb { vocab: network.vocab().0 }, &[logits, batch[1]])?[0];
    let loss = tape.buffer("metrics", Spec::float([1]));
    let seed = tape.activation("seed".into(), tape.spec(logp).clone());
    let scale = 1.0 / train.accumulate as f64;
    tape.push_into(ops::Pretrain { scale }, &[logp], &[loss, seed])?;
    tape.backward(&[(logp, seed)])?;
    Ok(if probe { Plan::probing("micro", &tape) } else { Plan::new("micro", &tape, &[]) })
}

/// Forward over `batch` held-out windows; their mean loss is added to `validation.loss`.
pub(crate) fn validation_plan(
    architecture: Architecture,
    model: &ModelConfig,
    params: &Params,
    material: &Material,
    batch: usize,
) -> Result<Plan> {
    let mut tape = Tape::new();
    let network = architecture.network(&mut tape, model, params, false)?;
    let state = scalars(&mut tape)?;
    let corpus = tape.buffer("validation", Spec::u32([material.validation.len()]));
    let op =
        ops::Batch { batch, context: model.n_positions, stride: material.stride, draw: Draw::Sequential };
    let batch = tape.push("batch", op, &[corpus, state])?;
    let logits = network.logits(&mut tape, batch[0])?;
    let logp = tape.push("logp", ops::LogProb { vocab: network.vocab().0 }, &[logits, batch[1]])?[0];
    let loss = tape.buffer("validation.loss", Spec::float([1]));
    let seed = tape.activation("seed".into(), tape.spec(logp).clone());
    tape.push_into(ops::Pretrain { scale: 1.0 }, &[logp], &[loss, seed])?;
    Ok(Plan::new("validate", &tape, &[]))
}
