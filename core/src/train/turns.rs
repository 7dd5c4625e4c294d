//! Turns: some steps in one submission, and the read-back of their metrics.
//!
//! The next turn is submitted before the last one's metrics are awaited, so that a card works on while the host hears of
//! what is done and records what comes. It costs nothing but a delay: what is told is a turn old.

use super::Pace;
use super::pace::Instant;
use crate::Result;
use crate::device::Reading;

/// A turn that was submitted.
pub struct Turn<M> {
    /// Its steps.
    pub(super) steps: u64,
    /// Tokens that they learn from.
    pub(super) tokens: u64,
    /// When its submission began.
    pub(super) begun: Instant,
    /// Whether its work was done when it had been submitted, as it is on the CPU: then waiting gains nothing.
    pub(super) done: bool,
    /// Its metrics, a step each.
    pub(super) metrics: Reading<'static, Vec<M>>,
}

/// The turns of a run: how much goes into one, and the one under way.
pub struct Turns<M> {
    pace: Pace,
    under_way: Option<Turn<M>>,
    /// When the last one was heard of.
    heard: Option<Instant>,
}

impl<M> Default for Turns<M> {
    fn default() -> Self {
        Self { pace: Pace::default(), under_way: None, heard: None }
    }
}

impl<M> Turns<M> {
    /// Steps to do now: as many as fit a turn, or what a limited speed has due.
    pub fn due(&mut self, steps_per_second: u32) -> u64 {
        self.pace.due(steps_per_second)
    }

    /// How fast it goes.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Takes in a turn that was just submitted, and gives the metrics of the one before it; with `rest` those of
    /// both, so that nothing is under way: for what looks at the weights, or says how far the run is.
    ///
    /// # Errors
    /// The device's.
    pub async fn follow(&mut self, turn: Turn<M>, rest: bool) -> Result<Vec<M>> {
        let rest = rest || turn.done;
        let mut metrics = self.settle().await?;
        self.under_way = Some(turn);
        if rest {
            metrics.extend(self.settle().await?);
        }
        Ok(metrics)
    }

    /// The metrics of the turn under way, if there is one.
    ///
    /// # Errors
    /// The device's.
    pub async fn settle(&mut self) -> Result<Vec<M>> {
        match self.under_way.take() {
            Some(turn) => self.hear(turn).await,
            None => Ok(Vec::new()),
        }
    }

    /// Forgets the turn under way, and the speed so far: the run begins anew.
    pub fn forget(&mut self) {
        self.under_way = None;
        self.pace.forget();
    }

    async fn hear(&mut self, turn: Turn<M>) -> Result<Vec<M>> {
        let asked = Instant::now();
        let metrics = turn.metrics.await?;
        let now = Instant::now();
        // The device took it up when it was submitted, or when the one before was done.
        let begun = self.heard.map_or(turn.begun, |heard| heard.max(turn.begun));
        let (took, waited) = (now - begun, now - asked);
        self.pace.took(turn.steps, turn.tokens, took, turn.done || waited * 10 > took);
        self.heard = Some(now);
        Ok(metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn turn(step: u64, done: bool) -> Turn<u64> {
        let metrics = Box::pin(std::future::ready(Ok(vec![step])));
        Turn { steps: 1, tokens: 10, begun: Instant::now(), done, metrics }
    }

    #[test]
    fn a_turn_is_told_when_the_next_one_is_under_way() -> Result<()> {
        let mut turns = Turns::default();
        let mut follow = |step, done, rest| pollster::block_on(turns.follow(turn(step, done), rest));
        let nothing = Vec::<u64>::new();
        assert_eq!(follow(1, false, false)?, nothing);
        assert_eq!(follow(2, false, false)?, [1]);
        assert_eq!(follow(3, false, true)?, [2, 3]);
        // What is done when it is submitted is told at once.
        assert_eq!(follow(4, true, false)?, [4]);
        assert_eq!(follow(5, false, false)?, nothing);
        assert_eq!(pollster::block_on(turns.settle())?, [5]);
        assert_eq!(pollster::block_on(turns.settle())?, nothing);
        Ok(())
    }

    #[test]
    fn a_fault_comes_out_and_a_run_begun_anew_forgets_its_turn() {
        let mut turns = Turns::default();
        let failed: Reading<'static, Vec<u64>> =
            Box::pin(std::future::ready(Err(Error::Device("gone".into()))));
        let broken = Turn { metrics: failed, ..turn(1, false) };
        assert!(pollster::block_on(turns.follow(broken, false)).is_ok_and(|m| m.is_empty()));
        assert!(pollster::block_on(turns.follow(turn(2, false), false)).is_err());
        assert!(pollster::block_on(turns.follow(turn(3, false), false)).is_ok());
        turns.forget();
        assert!(pollster::block_on(turns.settle()).is_ok_and(|m| m.is_empty()));
    }
}
