//! A finished run, whole enough to be looked at again: what the page keeps, and what is shipped with it.

use super::rollout::Rollout;
use super::{Lesson, Moment, Size};
use crate::check::Check;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A run that came to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which lesson.
    pub lesson: Lesson,
    /// Its seed.
    pub seed: u32,
    /// How much was run.
    pub size: Size,
    /// What was changed of the size's settings; null for nothing.
    #[serde(default)]
    pub patch: Value,
    /// The device's name.
    pub device: String,
    /// How long it took.
    pub seconds: f64,
    /// When each of its parts began, in seconds from its start, pauses left out; empty where nobody looked.
    #[serde(default)]
    pub timeline: Vec<f64>,
    /// What happened, thinned: [`thin`].
    pub moments: Vec<Moment>,
    /// The table "measured beside expected".
    pub checks: Vec<Check>,
    /// The recipe's `Figures`.
    pub figures: Value,
}

/// Steps that are kept of each run and kind of metric.
const KEPT: usize = 160;

/// Iterations of a run whose rollouts are kept, and how many of each.
const ROLLOUTS: (usize, usize) = (9, 2);
/// Lines of a data set that are kept.
const LINES: usize = 40;

/// What of the moments is worth keeping: no progress, and of each run's metrics about 160 steps spread evenly over
/// the logarithm and the line alike, the first and the last among them. Values are rounded to six digits. Of rollouts a
/// few iterations stay, of data a few lines.
pub fn thin(moments: Vec<Moment>) -> Vec<Moment> {
    let mut counts = BTreeMap::new();
    for moment in &moments {
        if let Some(key) = kind(moment) {
            *counts.entry(key).or_insert(0_usize) += 1;
        }
    }
    let mut seen = BTreeMap::new();
    let keep = |moment: &Moment| match (kind(moment), moment) {
        (_, Moment::Progress { .. }) => false,
        (Some(key), _) => {
            let of = counts.get(&key).copied().unwrap_or(0);
            let index = seen.entry(key).or_insert(0_usize);
            *index += 1;
            match moment {
                Moment::Rollouts { .. } => evenly(*index - 1, of, ROLLOUTS.0),
                _ => worth_keeping(*index - 1, of),
            }
        }
        _ => true,
    };
    let mut keep = keep;
    moments.into_iter().filter(|m| keep(m)).map(rounded).collect()
}

/// The run and the first metric's name: what makes up one curve.
fn kind(moment: &Moment) -> Option<(String, String)> {
    match moment {
        Moment::Metrics { run, values, .. } => Some((run.clone(), values.first()?.0.clone())),
        // No metric has this name.
        Moment::Rollouts { run, .. } => Some((run.clone(), "(rollouts)".into())),
        _ => None,
    }
}

/// Whether `index` of `of` is among the `kept` that are spread evenly, first and last included.
fn evenly(index: usize, of: usize, kept: usize) -> bool {
    let step = |i: usize| i * (kept - 1) / (of - 1).max(1);
    of <= kept || index == 0 || step(index) != step(index - 1)
}

/// Whether the curve's point `index` of `of` is kept: half of the points evenly, half by the logarithm.
fn worth_keeping(index: usize, of: usize) -> bool {
    if of <= KEPT || index == 0 || index + 1 == of {
        return true;
    }
    let half = (KEPT / 2) as f64;
    let line = |i: usize| (i as f64 / of as f64 * half) as usize;
    let log = |i: usize| ((i as f64).ln_1p() / (of as f64).ln_1p() * half) as usize;
    line(index) != line(index - 1) || log(index) != log(index - 1)
}

/// The figures with every number that is not whole cut to five digits: what a picture can show.
pub fn cut(value: Value) -> Value {
    match value {
        Value::Number(n) if n.is_f64() => {
            let x = n.as_f64().unwrap_or(f64::NAN);
            format!("{x:.4e}").parse::<f64>().map_or(Value::Number(n), Value::from)
        }
        Value::Array(all) => all.into_iter().map(cut).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, cut(value))).collect(),
        value => value,
    }
}

fn rounded(mut moment: Moment) -> Moment {
    match &mut moment {
        Moment::Metrics { values, .. } => {
            for (_, value) in values {
                *value = format!("{value:.5e}").parse().unwrap_or(*value);
            }
        }
        Moment::Rollouts { rollouts, .. } => {
            rollouts.truncate(ROLLOUTS.1);
            *rollouts = std::mem::take(rollouts).into_iter().map(Rollout::cut).collect();
        }
        Moment::Data { jsonl, .. } => {
            *jsonl = jsonl.lines().take(LINES).flat_map(|line| [line, "\n"]).collect();
        }
        _ => {}
    }
    moment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(run: &str, n: u64) -> impl Iterator<Item = Moment> {
        (1..=n).map(move |step| Moment::Metrics {
            run: run.into(),
            step,
            values: vec![("loss".into(), 1.0 / step as f64)],
        })
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        let mut moments: Vec<_> = curve("long", 5000).chain(curve("short", 30)).collect();
        moments.push(Moment::Progress { done: 1, of: 2 });
        let kept = thin(moments);
        let steps = |name: &str| -> Vec<u64> {
            let of = |m: &Moment| match m {
                Moment::Metrics { run, step, .. } if run == name => Some(*step),
                _ => None,
            };
            kept.iter().filter_map(of).collect()
        };
        let long = steps("long");
        assert!(long.len() > KEPT / 2 && long.len() <= KEPT + 2, "{}", long.len());
        assert_eq!((long[0], long[long.len() - 1]), (1, 5000));
        assert_eq!(steps("short").len(), 30);
        assert_eq!(kept.len(), long.len() + 30);
    }

    #[test]
    fn of_rollouts_and_data_a_few_stay() {
        let rollouts = |step| Moment::Rollouts {
            run: "ppo".into(),
            step,
            rollouts: vec![Rollout { score: 1.0 / 3.0, ..Rollout::default() }; 4],
        };
        let mut moments: Vec<_> = (1..=80).map(rollouts).collect();
        moments.push(Moment::Data { name: "pairs".into(), lines: 99, jsonl: "{}\n".repeat(99) });
        let kept = thin(moments);
        let steps = kept.iter().filter_map(|m| match m {
            Moment::Rollouts { step, rollouts, .. } => {
                assert_eq!((rollouts.len(), rollouts[0].score), (2, 0.333));
                Some(*step)
            }
            _ => None,
        });
        let steps: Vec<u64> = steps.collect();
        assert_eq!((steps.len(), steps[0], steps[8]), (9, 1, 80));
        let Some(Moment::Data { lines: 99, jsonl, .. }) = kept.last() else { panic!("{:?}", kept.last()) };
        assert_eq!(jsonl.lines().count(), LINES);
        assert!((0..5).all(|i| evenly(i, 5, 9)));
    }

    #[test]
    fn figures_are_cut_to_five_digits_and_counts_are_not() {
        let value = serde_json::json!({ "a": [0.123456789, 123456789, "x"], "b": null });
        assert_eq!(cut(value), serde_json::json!({ "a": [0.12346, 123456789, "x"], "b": null }));
    }

    #[test]
    fn values_keep_six_digits() {
        let moment = Moment::Metrics { run: "a".into(), step: 1, values: vec![("x".into(), 1.0 / 3.0)] };
        let Moment::Metrics { values, .. } = rounded(moment) else { unreachable!() };
        assert_eq!(values[0].1, 0.333_333);
    }
}
