//! One round of speculative decoding, with everything that decides it.

use super::Speculator;
use crate::device::{Data, Device, Program};
use crate::objective::speculative::{acceptance, overlap, residual};
use crate::ops::Accept;
use crate::rng::{Stream, threefry, unit};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is part of the text.
    Accepted,
    /// Another token was drawn in its place.
    Rejected,
    /// One before it was rejected, or ended the text.
    NotReached,
}

/// A proposed token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The token x.
    pub token: u32,
    /// The draft's distribution here `[V]`.
    pub q: Vec<f32>,
    /// The target's `[V]`.
    pub p: Vec<f32>,
    /// min(1, p(x)/q(x)).
    pub acceptance: f32,
    /// Σ min(p, q).
    pub overlap: f32,
    /// The coin in [0, 1): below the acceptance it is accepted.
    pub coin: f32,
    /// What became of it.
    pub verdict: Verdict,
}

/// The token that the target added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// The token.
    pub token: u32,
    /// True after K acceptances, false after a rejection.
    pub bonus: bool,
    /// What it was drawn from `[V]`: norm(max(0, p − q)), or p for a bonus.
    pub law: Vec<f32>,
    /// The uniform number of the draw.
    pub uniform: f32,
}

/// One round of one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Index of the first proposed token in the row.
    pub index: usize,
    /// The proposals, K of them or as many as the context has room for.
    pub proposals: Vec<Proposal>,
    /// The token that the target added; none where the context is full or an accepted token ended the text.
    pub drawn: Option<Drawn>,
    /// The tokens that the round added to the row.
    pub added: Vec<u32>,
    /// Seconds that the draft's K calls, the target's call and the verdict took, waiting included. They are of
    /// all rows together.
    pub seconds: [f64; 3],
}

impl Speculator {
    /// Runs one round (after [`begin`](Self::begin)) and says everything that decided row `row`; none if it was
    /// done before.
    ///
    /// # Errors
    /// [`Error::Config`] for a row that is not there, and the device's errors.
    pub async fn round(&self, device: &mut dyn Device, row: usize) -> Result<Option<Round>> {
        let (batch, k) = (self.shape.batch, self.shape.proposals);
        if row >= batch {
            return Err(Error::Config(format!("row {row} of a batch of {batch}: count from 0")));
        }
        let words = Accept::counts(k);
        let of_row = |counts: Data| counts.integers()[row * words..][..words].to_vec();
        let parts = [("settings", 5), ("counts", batch * words), ("positions", batch)];
        let [settings, before, positions] = self.read(device, parts).await?;
        let (settings, before) = (settings.integers(), of_row(before));
        let position = positions.integers()[row] as usize;
        let draft = self.timed(device, self.draft).await?;
        let [proposed] = self.read(device, [("tokens", batch * self.positions)]).await?;
        let proposed = proposed.integers();
        let target = self.timed(device, self.target).await?;
        let accept = self.timed(device, self.accept).await?;
        if before[0] != 0 {
            return Ok(None);
        }
        let slab = Accept::slab(batch, self.width);
        let parts = [
            ("q", k * slab),
            ("p", batch * (k + 1) * self.width),
            ("counts", batch * words),
            ("tokens", batch * self.positions),
        ];
        let [q, p, after, tokens] = self.read(device, parts).await?;
        let (q, p, after, tokens) = (q.floats(), p.floats(), of_row(after), tokens.integers());
        let q = |i: usize| &q[i * slab + row * self.width..][..self.vocab];
        let p = |i: usize| &p[(row * (k + 1) + i) * self.width..][..self.vocab];
        let index = position + 1;
        let made = (after[2] - before[2]) as usize;
        let added = tokens[row * self.positions + index..][..made].to_vec();
        let gone_up = |at: usize| after[at] > before[at];
        let numbers = |i: usize| {
            threefry([settings[3], Stream::Accept as u32], [(index + i) as u32, row as u32]).map(unit)
        };
        let proposals: Vec<Proposal> = (0..k.min(self.positions - index))
            .map(|i| {
                let token = proposed[row * self.positions + index + i];
                let (p, q) = (p(i), q(i));
                let verdict = match (gone_up(Accept::HEAD + i), gone_up(Accept::HEAD + k + i)) {
                    (true, true) if i < made => Verdict::Accepted,
                    (true, false) => Verdict::Rejected,
                    _ => Verdict::NotReached,
                };
                Proposal {
                    token,
                    acceptance: acceptance(p[token as usize], q[token as usize]),
                    overlap: overlap(p, q),
                    coin: numbers(i)[0],
                    p: p.to_vec(),
                    q: q.to_vec(),
                    verdict,
                }
            })
            .collect();
        let accepted = proposals.iter().filter(|x| x.verdict == Verdict::Accepted).count();
        let drawn = (made > accepted).then(|| {
            let bonus = gone_up(3);
            let mut law = p(accepted).to_vec();
            if !bonus && self.shape.residual {
                law = residual(&law, q(accepted));
            }
            let total: f32 = law.iter().sum();
            law.iter_mut().for_each(|x| *x /= total.max(f32::MIN_POSITIVE));
            Drawn { token: added[accepted], bonus, law, uniform: numbers(accepted)[1] }
        });
        Ok(Some(Round { index, proposals, drawn, added, seconds: [draft, target, accept] }))
    }

    /// Seconds that `program` takes, until its work can be read.
    async fn timed(&self, device: &mut dyn Device, program: Program) -> Result<f64> {
        let start = Instant::now();
        device.submit(&[program])?;
        self.read(device, [("positions", 1)]).await?;
        Ok(start.elapsed().as_secs_f64())
    }
}
