//! Where a program's time goes, launch by launch.

use crate::graph::PlanStep;

/// A kernel's launch (on the CPU: an op's run), and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Launched {
    /// The kernel's name, or the op's; of several in one launch, with "and" between.
    pub name: String,
    /// Seconds; none where the device has no clock.
    pub seconds: Option<f64>,
    /// Multiplications and additions of its matrix products; 0 where it has none.
    pub flops: f64,
}

/// Twice the multiplications of a step's products: rows × K × N, each of which is the size of one of a linear layer's
/// operands. Attention is counted as if nothing were masked.
pub(super) fn flops(step: &PlanStep) -> f64 {
    let spec = |i: usize| &step.reads[i].1;
    let product = |rows: usize, k: usize, n: usize| 2.0 * rows as f64 * k as f64 * n as f64;
    match step.step.op.name_dyn() {
        "linear" | "linear_grad_input" => product(spec(0).rows(), spec(1).rows(), spec(1).last()),
        "linear_grad_weight" => product(spec(0).rows(), spec(0).last(), spec(1).last()),
        name => {
            let products = match name {
                "attention" | "flash_attention" => 2.0,
                "attention_grad_scores" => 1.0,
                "attention_grad" | "flash_attention_grad_q" => 3.0,
                "flash_attention_grad_kv" => 4.0,
                _ => return 0.0,
            };
            products * product(spec(0).rows(), spec(0).shape[1], spec(0).last() / 3)
        }
    }
}
