//! Where a step's time goes on the CPU device, op by op.

use crate::graph::PlanStep;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
#[cfg(not(target_arch = "wasm32"))]
use std::time::{Duration, Instant};
#[cfg(target_arch = "wasm32")]
use web_time::{Duration, Instant};

/// Times of the ops a device has run since [`Profile::reset`]. Clones share their records.
#[derive(Clone, Debug, Default)]
pub struct Profile(Arc<Mutex<BTreeMap<&'static str, Spent>>>);

/// What one kind of op has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Times it ran.
    pub calls: u64,
    /// Time it took.
    pub time: Duration,
    /// Multiplications and additions of its matrix products; 0 where it has none.
    pub flops: f64,
}

impl Profile {
    /// Forgets everything recorded so far.
    pub fn reset(&self) {
        if let Ok(mut spent) = self.0.lock() {
            spent.clear();
        }
    }

    /// The records, the most expensive op first.
    pub fn spent(&self) -> Vec<(&'static str, Spent)> {
        let mut all: Vec<_> = match self.0.lock() {
            Ok(spent) => spent.iter().map(|(&name, &s)| (name, s)).collect(),
            Err(_) => Vec::new(),
        };
        all.sort_by_key(|(_, s)| std::cmp::Reverse(s.time));
        all
    }

    pub(super) fn timed<T>(&self, step: &PlanStep, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = run();
        let time = start.elapsed();
        if let Ok(mut spent) = self.0.lock() {
            let entry = spent.entry(step.step.op.name_dyn()).or_default();
            entry.calls += 1;
            entry.time += time;
            entry.flops += flops(step);
        }
        result
    }
}

/// Twice the multiplications of a linear layer's products: rows × K × N, each of which is the size of one
/// of its operands. Attention is counted as if nothing were masked.
fn flops(step: &PlanStep) -> f64 {
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
