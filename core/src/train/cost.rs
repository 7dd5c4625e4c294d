//! What a training step costs: counted from the very plan that a trainer runs.

use super::plans::micro_plan;
use crate::data::Training;
use crate::graph::{Plan, PlanStep};
use crate::model::{Architecture, Params, check_config};
use crate::protocol::{Attention, ModelConfig, TrainConfig};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Bytes of a step's activations and their gradients, as the planner lays them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activations {
    /// With flash attention.
    pub flash: u64,
    /// With the attention matrix written out.
    pub materialised: u64,
}

/// Operations and bytes of a training step of one micro-batch. Operations are those of matrix products, a
/// multiplication and an addition each (Kaplan et al. 2020, section 2.1); attention counts the pairs that the causal
/// mask leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCost {
    /// N, trainable numbers, embeddings included.
    pub parameters: u64,
    /// Tokens of the step.
    pub tokens: u64,
    /// Operations of the forward pass.
    pub forward: u64,
    /// Operations of the backward pass. Flash attention computes scores anew there.
    pub backward: u64,
    /// The rule of thumb: 6·N a token.
    pub six_n: u64,
    /// Bytes of the weights, padding included.
    pub weight_bytes: u64,
    /// Bytes of their gradients.
    pub gradient_bytes: u64,
    /// Bytes of AdamW's two moments.
    pub moment_bytes: u64,
    /// Bytes of the activations.
    pub activation_bytes: Activations,
}

impl StepCost {
    /// Forward and backward.
    pub fn step(&self) -> u64 {
        self.forward + self.backward
    }
}

/// The cost of a step on `batch` rows of `context` tokens.
///
/// # Errors
/// [`Error::Config`] for a model that cannot be built or has no such context.
pub fn step_cost(model: &ModelConfig, batch: usize, context: usize) -> Result<StepCost> {
    check_config(model)?;
    if batch == 0 || context == 0 || context > model.n_positions {
        return Err(Error::Config(format!(
            "a step needs 1 row or more, of 1 to {} tokens (the model's n_positions)",
            model.n_positions
        )));
    }
    let parameters = model.parameters();
    let params = Params::new(model);
    let plan = |attention| {
        let model = ModelConfig { n_positions: context, attention, ..model.clone() };
        let train = TrainConfig { batch, ..TrainConfig::default() };
        let rows = Training::Text(vec![0; context + 1]);
        micro_plan(Architecture::Gpt2, &model, &train, &Params::new(&model), &rows, false)
    };
    let (flash, materialised) = (plan(Attention::Flash)?, plan(Attention::Materialised)?);
    let [forward, backward] = operations(match model.attention {
        Attention::Flash => &flash,
        Attention::Materialised => &materialised,
    });
    let (tokens, bytes) = (batch as u64 * context as u64, 4 * params.len as u64);
    Ok(StepCost {
        parameters,
        tokens,
        forward,
        backward,
        six_n: 6 * parameters * tokens,
        weight_bytes: bytes,
        gradient_bytes: bytes,
        moment_bytes: 2 * bytes,
        activation_bytes: Activations { flash: flash.slot_bytes(), materialised: materialised.slot_bytes() },
    })
}

/// Operations of a plan's matrix products: forward, and backward.
fn operations(plan: &Plan) -> [u64; 2] {
    let mut sums = [0; 2];
    for step in &plan.steps {
        let (backward, count) = products(step);
        sums[usize::from(backward)] += count;
    }
    sums
}

/// Whether a step belongs to the backward pass, and the operations of its matrix products.
fn products(step: &PlanStep) -> (bool, u64) {
    let [first, second] = [0, 1].map(|i| step.reads.get(i).map(|r| &r.1));
    let (Some(first), Some(second)) = (first, second.or(first)) else { return (false, 0) };
    // x [M, K] with w of K·N numbers, or x [M, K] with dy [M, N].
    let product = |sizes: &[usize]| sizes.iter().map(|&n| n as u64).product::<u64>();
    let with_weight = 2 * product(&[first.rows(), second.len()]);
    let of_rows = 2 * product(&[first.rows(), first.last(), second.last()]);
    // One product of attention: for every pair of positions that sees one another, C multiplications.
    let pairs = || {
        let (b, t, c) = (first.shape[0], first.shape[1], first.last() / 3);
        product(&[b, t, t + 1, c])
    };
    match step.step.op.name_dyn() {
        "linear" => (false, with_weight),
        "linear_grad_input" => (true, with_weight),
        "linear_grad_weight" => (true, of_rows),
        // Q·Kᵀ and P·V.
        "attention" | "flash_attention" => (false, 2 * pairs()),
        // dP.
        "attention_grad_scores" => (true, pairs()),
        // dQ, dK and dV.
        "attention_grad" => (true, 3 * pairs()),
        // Q·Kᵀ again, dP, dQ.
        "flash_attention_grad_q" => (true, 3 * pairs()),
        // Q·Kᵀ again, dP, dK, dV.
        "flash_attention_grad_kv" => (true, 4 * pairs()),
        _ => (false, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Init;

    fn model(attention: Attention) -> ModelConfig {
        ModelConfig {
            n_layer: 2,
            n_embd: 8,
            n_head: 2,
            n_positions: 4,
            vocab_size: 10,
            attention,
            scale_attn_weights: true,
            init: Init::World,
        }
    }

    #[test]
    fn counts_what_a_hand_counts() {
        // A token: each block 3·8² + 8² + 8·8² = 768 multiplications, the head 12·8 = 96 (V padded to 12). Attention,
        // a row of 4: 10 pairs of 8 channels, twice, in two blocks.
        let matrices = 2 * 768 + 96;
        let cost = step_cost(&model(Attention::Materialised), 3, 4).unwrap();
        let attention = 3 * 10 * 8 * 2;
        assert_eq!(cost.tokens, 12);
        assert_eq!(cost.forward, 2 * (12 * matrices + 2 * attention));
        assert_eq!(cost.backward, 2 * cost.forward);
        assert_eq!(cost.parameters, 10 * 8 + 4 * 8 + 2 * (12 * 64 + 13 * 8) + 16);
        assert_eq!(cost.six_n, 6 * 12 * cost.parameters);
        // Flash computes Q·Kᵀ twice and dP once more than need be: 7 products instead of 4.
        let flash = step_cost(&model(Attention::Flash), 3, 4).unwrap();
        assert_eq!(flash.forward, cost.forward);
        assert_eq!(flash.backward, cost.backward + 2 * 3 * attention);
    }

    #[test]
    fn written_out_attention_needs_more_memory_in_long_rows() {
        let long = step_cost(&ModelConfig { n_positions: 256, ..model(Attention::Flash) }, 1, 256).unwrap();
        assert!(long.activation_bytes.materialised > 2 * long.activation_bytes.flash);
        assert_eq!(long.moment_bytes, 2 * long.weight_bytes);
    }

    #[test]
    fn refuses_what_cannot_be_built() {
        assert!(step_cost(&ModelConfig { n_embd: 6, ..model(Attention::Flash) }, 1, 4).is_err());
        for (batch, context) in [(0, 4), (1, 0), (1, 5)] {
            assert!(step_cost(&model(Attention::Flash), batch, context).is_err());
        }
    }
}
