//! A check: something measured beside what theory, or known truth, expects of it.

use crate::null;
use serde::{Deserialize, Serialize};
use std::fmt;

/// [`Check::source`] of a bound that was set from measured runs.
pub(crate) const SPREAD: &str = "spread over seeds: docs/RESULTS.md in the repository";
/// [`Check::source`] of a bound that was set before this engine ran.
pub(crate) const PROTOTYPE: &str = "set from two seeds of a prototype in PyTorch; how often it holds here: docs/RESULTS.md in the repository";

/// What a measured number should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// This number and no other: counts and identities.
    Exactly(f64),
    /// This number, give or take `tolerance` (in the number's own unit).
    Near {
        /// What theory says.
        value: f64,
        /// How far from it still passes.
        tolerance: f64,
    },
    /// A number of this range, ends included.
    Between(f64, f64),
    /// This number or more.
    AtLeast(f64),
    /// This number or less.
    AtMost(f64),
}

/// Whether a check holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It does.
    Pass,
    /// It does not.
    Fail,
}

/// One line of the table "measured beside expected".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Short and stable, in kebab case, one of its kind in its lesson: `held-out-loss`.
    pub name: String,
    /// What is measured, as a learner would say it: "loss of the largest run, which the fit never saw".
    pub what: String,
    /// The measured number.
    #[serde(deserialize_with = "null::number")]
    pub measured: f64,
    /// Its unit: "nats/token", "%", "elements"; empty for a plain number.
    pub unit: String,
    /// What it should be.
    pub expected: Expected,
    /// Where the expectation comes from: a paper and its section, the world's exact entropy, an identity, or runs of
    /// several seeds.
    pub source: String,
    /// Whether it is.
    pub verdict: Verdict,
}

impl Expected {
    /// Whether `measured` is as expected. Not-a-number never is.
    pub fn holds(self, measured: f64) -> bool {
        match self {
            Self::Exactly(value) => measured == value,
            Self::Near { value, tolerance } => (measured - value).abs() <= tolerance,
            Self::Between(low, high) => (low..=high).contains(&measured),
            Self::AtLeast(low) => measured >= low,
            Self::AtMost(high) => measured <= high,
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exactly(value) => write!(f, "= {}", Number(value)),
            Self::Near { value, tolerance } => write!(f, "{} ± {}", Number(value), Number(tolerance)),
            Self::Between(low, high) => write!(f, "{} … {}", Number(low), Number(high)),
            Self::AtLeast(low) => write!(f, "≥ {}", Number(low)),
            Self::AtMost(high) => write!(f, "≤ {}", Number(high)),
        }
    }
}

/// A number as a table shows it: counts in full, others to four digits.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let x = self.0;
        if x == 0.0 || (x.fract() == 0.0 && x.abs() < 1e15) {
            write!(f, "{x}")
        } else if x.abs() < 1e-3 || x.abs() >= 1e6 {
            write!(f, "{x:.2e}")
        } else {
            let digits = (3 - x.abs().log10().floor() as i32).clamp(0, 6) as usize;
            write!(f, "{x:.digits$}")
        }
    }
}

impl Check {
    /// A check with its verdict.
    pub fn new(name: &str, what: &str, measured: f64, unit: &str, expected: Expected, source: &str) -> Self {
        let verdict = if expected.holds(measured) { Verdict::Pass } else { Verdict::Fail };
        Self {
            name: name.into(),
            what: what.into(),
            measured,
            unit: unit.into(),
            expected,
            source: source.into(),
            verdict,
        }
    }

    /// True if it holds.
    pub fn passes(&self) -> bool {
        self.verdict == Verdict::Pass
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.passes() { "pass" } else { "FAIL" };
        let unit = if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) };
        let measured = Number(self.measured);
        write!(
            f,
            "{mark}  {}: {measured}{unit}, expected {}{unit} ({})",
            self.name, self.expected, self.source
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_hold_at_their_ends_and_never_for_nan() {
        let near = Expected::Near { value: 2.0, tolerance: 0.5 };
        assert!(near.holds(2.5) && near.holds(1.5) && !near.holds(2.6));
        assert!(Expected::Between(1.0, 2.0).holds(2.0) && !Expected::Between(1.0, 2.0).holds(2.1));
        assert!(Expected::Exactly(3.0).holds(3.0) && !Expected::Exactly(3.0).holds(3.000_001));
        assert!(Expected::AtLeast(1.0).holds(1.0) && !Expected::AtMost(1.0).holds(1.1));
        for expected in [near, Expected::Exactly(0.0), Expected::AtLeast(0.0), Expected::AtMost(0.0)] {
            assert!(!expected.holds(f64::NAN));
        }
    }

    #[test]
    fn numbers_are_short_and_counts_are_whole() {
        let show = |x| Number(x).to_string();
        assert_eq!(show(1_048_576.0), "1048576");
        assert_eq!(show(1.286_84), "1.287");
        assert_eq!(show(0.051_23), "0.05123");
        assert_eq!(show(0.000_012), "1.20e-5");
        assert_eq!(show(123.456), "123.5");
    }
}
