//! What speculative decoding counts: calls, tokens, proposals looked at and accepted.

use crate::ops::Accept;
use serde::{Deserialize, Serialize};

/// What rounds came to, over all rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Calls of the target: rounds of rows that were not done.
    pub calls: u64,
    /// Tokens made, those beyond a row's end included: a round is never cut short.
    pub made: u64,
    /// Tokens drawn after all K proposals had been accepted.
    pub bonus: u64,
    /// How often the i-th proposal was looked at.
    pub tried: Vec<u64>,
    /// How often it was accepted.
    pub accepted: Vec<u64>,
    /// The sum of Σ min(p, q) where it was looked at.
    pub overlap: Vec<f64>,
}

impl Tally {
    /// α: proposals accepted of those looked at.
    pub fn acceptance(&self) -> f64 {
        self.accepted.iter().sum::<u64>() as f64 / self.tried.iter().sum::<u64>() as f64
    }

    /// Tokens a call of the target.
    pub fn tokens_per_call(&self) -> f64 {
        self.made as f64 / self.calls as f64
    }

    /// Adds what other rounds came to.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.made += other.made;
        self.bonus += other.bonus;
        let k = other.tried.len();
        self.resize(k);
        for i in 0..k {
            self.tried[i] += other.tried[i];
            self.accepted[i] += other.accepted[i];
            self.overlap[i] += other.overlap[i];
        }
    }

    fn resize(&mut self, k: usize) {
        self.tried.resize(k.max(self.tried.len()), 0);
        self.accepted.resize(k.max(self.accepted.len()), 0);
        self.overlap.resize(k.max(self.overlap.len()), 0.0);
    }

    pub(super) fn add(&mut self, counts: &[u32], overlap: &[f32]) {
        let k = overlap.len();
        self.calls += u64::from(counts[1]);
        self.made += u64::from(counts[2]);
        self.bonus += u64::from(counts[3]);
        self.resize(k);
        for i in 0..k {
            self.tried[i] += u64::from(counts[Accept::HEAD + i]);
            self.accepted[i] += u64::from(counts[Accept::HEAD + k + i]);
            self.overlap[i] += f64::from(overlap[i]);
        }
    }
}
