//! The plans of an iteration: what the four models say of the answers, and an update of the two that learn.

use super::PpoConfig;
use super::report::RARE;
use crate::Result;
use crate::graph::{Plan, Spec, Tape, Value};
use crate::model::{Gpt, Params};
use crate::ops::{self, Draw, POLICY_METRICS, STATE_WORDS, VALUE_METRICS};
use crate::protocol::ModelConfig;
use crate::train::plans::scalars;

/// Prefixes of the four models' buffers.
pub(super) const POLICY: &str = "policy.";
pub(super) const VALUE: &str = "value.";
pub(super) const REFERENCE: &str = "reference.";
pub(super) const REWARD: &str = "reward.";

/// Sizes that the plans share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// B, answers an iteration.
    pub batch: usize,
    /// T, tokens of the longest prompt and the longest answer together.
    pub row: usize,
}

/// The models and their layouts.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub policy: ModelConfig,
    pub critic: ModelConfig,
    pub policy_params: Params,
    pub critic_params: Params,
}

/// Forward passes of all four models over the answers, then rewards, advantages and their whitening. Buffers:
/// in `ppo.tokens`, `ppo.targets`, `ppo.mask`, `ppo.norm`, `ppo.bias`; out `ppo.logp`, `ppo.values`,
/// `ppo.advantages`, `ppo.returns`. The kept nodes are [`KEPT`].
pub(super) fn score_plan(config: &PpoConfig, layout: &Layout, sizes: Sizes) -> Result<Plan> {
    let mut tape = Tape::new();
    let shape = [sizes.batch, sizes.row];
    let tokens = tape.buffer("ppo.tokens", Spec::u32(shape));
    let targets = tape.buffer("ppo.targets", Spec::u32(shape));
    let norm = tape.buffer("ppo.norm", Spec::float([2]));
    let old = Old::declare(&mut tape, shape);
    let policy = language(&mut tape, POLICY, layout, false)?;
    let reference = language(&mut tape, REFERENCE, layout, false)?;
    let value = Gpt::named(&mut tape, VALUE, &layout.critic, &layout.critic_params, false)?;
    let reward = Gpt::named(&mut tape, REWARD, &layout.critic, &layout.critic_params, false)?;

    let vocab = policy.vocab().0;
    let policy = tempered(&mut tape, POLICY, &policy, tokens, config)?;
    let lse = tape.activation("lse".into(), Spec::float(shape));
    tape.push_into(ops::LogProb { vocab }, &[policy, targets], &[old.logp, lse])?;
    tape.push1("entropy", ops::Entropy { vocab }, &[policy])?;
    let reference = tempered(&mut tape, REFERENCE, &reference, tokens, config)?;
    let ref_logp = tape.push("ref_logp", ops::LogProb { vocab }, &[reference, targets])?[0];
    tape.push("kl", ops::Kl { vocab, rare: RARE }, &[policy, reference])?;
    let scores = reward.scores(&mut tape, tokens)?;
    let values = value.scores(&mut tape, tokens)?;

    let op = ops::TokenRewards {
        kl_coef: config.kl_coef,
        estimator: config.kl_estimator,
        missing_eos_penalty: config.missing_eos_penalty.unwrap_or(0.0),
        stop: config.stop,
    };
    let mut rewards = tape.push("told", op, &[old.logp, ref_logp, old.mask, targets, scores, norm])?[0];
    if config.whiten_rewards {
        rewards = tape.push1("whitened", ops::Whiten { shift: false }, &[rewards, old.mask])?;
    }
    let raw = tape.activation("advantages".into(), Spec::float(shape));
    let gae = ops::Gae { gamma: config.gamma, lambda: config.lam };
    tape.push_into(gae, &[rewards, values, old.mask], &[raw, old.returns, old.values])?;
    tape.push_into(ops::Whiten { shift: true }, &[raw, old.mask], &[old.advantages])?;
    Ok(Plan::new("ppo.score", &tape, &KEPT))
}

/// Nodes of the score plan that can be read after a run, beside its buffers.
pub(super) const KEPT: [&str; 10] = [
    "ref_logp",
    "kl.exact",
    "kl.k1_variance",
    "kl.k3_mean",
    "kl.k3_variance",
    "entropy",
    "reward.scores",
    "told.rewards",
    "told.score",
    "advantages",
];

/// The next scalars, a minibatch, and the policy's gradients on it.
pub(super) fn policy_plan(config: &PpoConfig, layout: &Layout, sizes: Sizes) -> Result<Plan> {
    let mut tape = Tape::new();
    let state = scalars(&mut tape)?;
    let [tokens, targets, old] = minibatch(&mut tape, config, sizes, state)?;
    let policy = language(&mut tape, POLICY, layout, true)?;
    let vocab = policy.vocab().0;
    let logits = tempered(&mut tape, POLICY, &policy, tokens, config)?;
    let logp = tape.push("logp", ops::LogProb { vocab }, &[logits, targets])?[0];
    let entropy = tape.push1("entropy", ops::Entropy { vocab }, &[logits])?;
    let metrics = tape.buffer("policy.metrics", Spec::float([POLICY_METRICS]));
    let seed = tape.activation("seed".into(), tape.spec(logp).clone());
    tape.push_into(ops::PpoPolicy { clip: config.cliprange }, &[logp, entropy, old], &[metrics, seed])?;
    tape.backward(&[(logp, seed)])?;
    Ok(Plan::new("ppo.policy", &tape, &[]))
}

/// The value model's gradients on the minibatch that the policy has just had.
pub(super) fn value_plan(config: &PpoConfig, layout: &Layout, sizes: Sizes) -> Result<Plan> {
    let mut tape = Tape::new();
    let state = tape.buffer("state", Spec::u32([STATE_WORDS]));
    let [tokens, _, old] = minibatch(&mut tape, config, sizes, state)?;
    let value = Gpt::named(&mut tape, VALUE, &layout.critic, &layout.critic_params, true)?;
    let values = value.scores(&mut tape, tokens)?;
    let metrics = tape.buffer("value.metrics", Spec::float([VALUE_METRICS]));
    let seed = tape.activation("seed".into(), tape.spec(values).clone());
    let op = ops::PpoValue { clip: config.cliprange_value, coef: config.vf_coef };
    tape.push_into(op, &[values, old], &[metrics, seed])?;
    tape.backward(&[(values, seed)])?;
    Ok(Plan::new("ppo.value", &tape, &[]))
}

/// What the updates need of the answers as they were drawn: five buffers `[B, T]`.
struct Old {
    mask: Value,
    logp: Value,
    values: Value,
    advantages: Value,
    returns: Value,
}

impl Old {
    fn declare(tape: &mut Tape, shape: [usize; 2]) -> Self {
        let [mask, logp, values, advantages, returns] = ["mask", "logp", "values", "advantages", "returns"]
            .map(|name| tape.buffer(&format!("ppo.{name}"), Spec::float(shape)));
        Self { mask, logp, values, advantages, returns }
    }
}

/// tokens and targets `[M, T]` of the minibatch at `state.row`, and the old numbers `[5, M, T]`.
fn minibatch(tape: &mut Tape, config: &PpoConfig, sizes: Sizes, state: Value) -> Result<[Value; 3]> {
    let rows = sizes.batch / config.num_mini_batches;
    let drawn = sizes.batch * config.num_ppo_epochs;
    let stride = sizes.row + 1;
    let corpus = tape.buffer("ppo.corpus", Spec::u32([drawn * stride]));
    let op = ops::Batch { batch: rows, context: sizes.row, stride, draw: Draw::Sequential };
    let batch = tape.push("batch", op, &[corpus, state])?;
    let order = tape.buffer("ppo.order", Spec::u32([drawn]));
    let old = Old::declare(tape, [sizes.batch, sizes.row]);
    let reads = [old.mask, old.logp, old.values, old.advantages, old.returns, order, state];
    let old = tape.push1("old", ops::Minibatch { rows }, &reads)?;
    Ok([batch[0], batch[1], old])
}

/// A model of answers: forbidden tokens have no probability.
fn language(tape: &mut Tape, prefix: &str, layout: &Layout, train: bool) -> Result<Gpt> {
    let gpt = Gpt::named(tape, prefix, &layout.policy, &layout.policy_params, train)?;
    let bias = tape.buffer("ppo.bias", Spec::float([gpt.vocab().1]));
    Ok(gpt.with_logit_bias(bias))
}

/// Logits at the temperature that answers are drawn at.
fn tempered(tape: &mut Tape, prefix: &str, gpt: &Gpt, tokens: Value, config: &PpoConfig) -> Result<Value> {
    let logits = gpt.logits(tape, tokens)?;
    if config.temperature == 1.0 {
        return Ok(logits);
    }
    tape.push1(
        &format!("{prefix}tempered"),
        ops::Scale { by: 1.0 / f64::from(config.temperature) },
        &[logits],
    )
}
