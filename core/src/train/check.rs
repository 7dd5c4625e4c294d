//! What a training run may be set to.

use super::plans::TABLE;
use crate::protocol::TrainConfig;
use crate::{Error, Result};

/// Checks the settings that all trainers share.
///
/// # Errors
/// [`Error::Config`] names the first that is out of range, and its range.
pub(super) fn check_train(train: &TrainConfig) -> Result<()> {
    let refuse = |message: &str| Err(Error::Config(message.to_string()));
    if train.steps == 0 {
        return refuse("steps must be 1 or more");
    }
    if !(1..=1024).contains(&train.batch) {
        return refuse("batch must be 1 to 1024 rows");
    }
    if !(1..=TABLE).contains(&train.accumulate) {
        return refuse("accumulate must be 1 to 64 micro-batches");
    }
    // Devices compute in f32: what is no number there, or 0 where it must not be, is of no use to them.
    let number = |x: f64| (x as f32).is_finite();
    let above = |x: f64| x > 0.0 && (x as f32).is_normal();
    if !(number(train.lr) && train.lr >= 0.0) {
        return refuse("lr must be a number, 0 or more, at most 3e38");
    }
    if !((0.0..1.0).contains(&train.beta1) && (0.0..1.0).contains(&train.beta2)) {
        return refuse("beta1 and beta2 must be 0 or more and below 1");
    }
    if !above(train.eps) {
        return refuse("eps must be a number above 0: 2e-38 to 3e38");
    }
    if !number(train.weight_decay) {
        return refuse("weight_decay must be a number, at most 3e38 (0 is none)");
    }
    if !(train.max_grad_norm == 0.0 || above(train.max_grad_norm)) {
        return refuse("max_grad_norm must be 0 (gradients are never scaled down) or 2e-38 to 3e38");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_are_none_in_f32_are_refused_by_name() {
        let usual = TrainConfig::default();
        for train in [
            TrainConfig { max_grad_norm: 0.0, ..usual.clone() },
            TrainConfig { weight_decay: 0.0, eps: 1e-30, ..usual.clone() },
        ] {
            assert_eq!(check_train(&train), Ok(()));
        }
        for (train, named) in [
            (TrainConfig { max_grad_norm: -1.0, ..usual.clone() }, "max_grad_norm"),
            (TrainConfig { max_grad_norm: f64::INFINITY, ..usual.clone() }, "max_grad_norm"),
            (TrainConfig { max_grad_norm: 1e39, ..usual.clone() }, "max_grad_norm"),
            // 0 on the device, where that means never.
            (TrainConfig { max_grad_norm: 1e-50, ..usual.clone() }, "max_grad_norm"),
            (TrainConfig { eps: 1e-50, ..usual.clone() }, "eps"),
            (TrainConfig { eps: f64::NAN, ..usual.clone() }, "eps"),
            (TrainConfig { weight_decay: 1e39, ..usual.clone() }, "weight_decay"),
            (TrainConfig { weight_decay: f64::NEG_INFINITY, ..usual.clone() }, "weight_decay"),
            (TrainConfig { lr: 1e39, ..usual }, "lr"),
        ] {
            let refused = check_train(&train).map_err(|e| e.to_string());
            assert!(refused.as_ref().is_err_and(|e| e.contains(named)), "{named}: {refused:?}");
        }
    }
}
