//! From a batch of examples to the value that the gradient pass starts from, and its seed.

use super::tuner::Objective;
use crate::Result;
use crate::graph::{Spec, Tape, Value};
use crate::model::Gpt;
use crate::ops::{self, DPO_METRICS, REWARD_METRICS, SFT_METRICS};

/// The metrics that an objective adds up on the device.
pub(super) fn names(objective: Objective) -> &'static [&'static str] {
    match objective {
        Objective::Sft => &SFT_METRICS,
        Objective::Reward => &REWARD_METRICS,
        Objective::Dpo { .. } => &DPO_METRICS,
    }
}

/// `parts` are the outputs of op `examples`: tokens, targets, weights, first, second.
pub(super) fn sft(tape: &mut Tape, gpt: &Gpt, parts: &[Value], metrics: Value) -> Result<(Value, Value)> {
    let (logp, stats) = predict(tape, gpt, parts)?;
    let seed = like(tape, logp);
    let reads = [logp, stats[0], stats[1], parts[2], parts[3], parts[4]];
    tape.push_into(ops::Sft, &reads, &[metrics, seed])?;
    Ok((logp, seed))
}

pub(super) fn reward(
    tape: &mut Tape,
    gpt: &Gpt,
    parts: &[Value],
    metrics: Value,
    scale: f64,
) -> Result<(Value, Value)> {
    let all = gpt.scores(tape, parts[0])?;
    let scores = tape.push1("score", ops::MaskedSum, &[all, parts[2]])?;
    let seed = like(tape, scores);
    tape.push_into(ops::RewardPair { scale }, &[scores], &[metrics, seed])?;
    Ok((scores, seed))
}

/// Without a `reference` its log-probabilities are the examples' `first`.
pub(super) fn dpo(
    tape: &mut Tape,
    gpt: &Gpt,
    reference: Option<&Gpt>,
    parts: &[Value],
    metrics: Value,
    op: ops::Dpo,
) -> Result<(Value, Value)> {
    // The reference first: its activations are gone before the policy's are kept for the gradient.
    let given = match reference {
        None => parts[3],
        Some(frozen) => {
            let logits = frozen.logits(tape, parts[0])?;
            let op = ops::LogProb { vocab: frozen.vocab().0 };
            let logp = tape.push("reference.logp", op, &[logits, parts[1]])?[0];
            tape.push1("reference.answer", ops::MaskedSum, &[logp, parts[2]])?
        }
    };
    let (logp, stats) = predict(tape, gpt, parts)?;
    let answer = tape.push1("answer", ops::MaskedSum, &[logp, parts[2]])?;
    let logits = tape.push1("answer.logits", ops::MaskedSum, &[stats[2], parts[2]])?;
    let seed = like(tape, answer);
    tape.push_into(op, &[answer, given, parts[4], logits], &[metrics, seed])?;
    Ok((answer, seed))
}

/// ln p of each target, and the token statistics.
fn predict(tape: &mut Tape, gpt: &Gpt, parts: &[Value]) -> Result<(Value, Vec<Value>)> {
    let vocab = gpt.vocab().0;
    let logits = gpt.logits(tape, parts[0])?;
    let logp = tape.push("logp", ops::LogProb { vocab }, &[logits, parts[1]])?;
    let stats = tape.push("stats", ops::TokenStats { vocab }, &[logits, logp[1], parts[1]])?;
    Ok((logp[0], stats))
}

fn like(tape: &mut Tape, value: Value) -> Value {
    let spec = Spec::float(tape.spec(value).shape.clone());
    tape.activation("seed".into(), spec)
}
