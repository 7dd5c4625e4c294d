//! The learning rate over a run.

use crate::protocol::{Schedule, TrainConfig};
use std::f64::consts::PI;

/// Learning rate of optimizer step `step` (from 1): linear warm-up, then the schedule.
pub fn learning_rate(train: &TrainConfig, step: u64) -> f64 {
    if step <= train.warmup {
        return train.lr * step as f64 / train.warmup as f64;
    }
    let rest = train.steps.saturating_sub(train.warmup).max(1);
    let done = ((step - train.warmup) as f64 / rest as f64).min(1.0);
    train.lr
        * match train.schedule {
            Schedule::Constant => 1.0,
            Schedule::Cosine => 0.1 + 0.9 * 0.5 * (1.0 + (PI * done).cos()),
            Schedule::Linear => 1.0 - done,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_then_falls() {
        let train = TrainConfig { lr: 2.0, warmup: 10, steps: 110, ..TrainConfig::default() };
        let at = |schedule, step| learning_rate(&TrainConfig { schedule, ..train.clone() }, step);
        assert_eq!(at(Schedule::Cosine, 5), 1.0);
        assert_eq!(at(Schedule::Constant, 110), 2.0);
        assert!((at(Schedule::Cosine, 60) - 1.1).abs() < 1e-12);
        assert!((at(Schedule::Cosine, 110) - 0.2).abs() < 1e-12);
        assert!((at(Schedule::Linear, 60) - 1.0).abs() < 1e-12);
        assert_eq!(at(Schedule::Linear, 500), 0.0);
    }
}
