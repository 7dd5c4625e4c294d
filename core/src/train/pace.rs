//! How much work goes into one turn, so that whoever drives a run stays responsive.

use std::collections::VecDeque;
use std::time::Duration;

#[cfg(not(target_arch = "wasm32"))]
pub(super) use std::time::Instant;
#[cfg(target_arch = "wasm32")]
pub(super) use web_time::Instant;

/// How long a turn should take: short enough that a pause acts within 100 ms.
const TURN: Duration = Duration::from_millis(40);

/// How many steps a turn takes, and how fast it goes.
#[derive(Debug, Default)]
pub struct Pace {
    per_step: Option<Duration>,
    last: Option<Instant>,
    windows: VecDeque<(Instant, u64)>,
    total: (u64, Duration),
}

impl Pace {
    /// Steps to do now: as many as fit a turn, or what a limited speed has due.
    pub(super) fn due(&mut self, steps_per_second: u32) -> u64 {
        if steps_per_second == 0 {
            let Some(per_step) = self.per_step else { return 1 };
            return (TURN.as_nanos() / per_step.as_nanos().max(1)).clamp(1, 64) as u64;
        }
        let now = Instant::now();
        let wait = Duration::from_secs_f64(1.0 / f64::from(steps_per_second));
        match self.last {
            Some(last) if now - last < wait => 0,
            _ => {
                self.last = Some(now);
                1
            }
        }
    }

    /// Takes in that `steps` steps of `tokens` tokens together took `time`; or, where the host was elsewhere when they were
    /// done, at most `time`.
    pub(super) fn took(&mut self, steps: u64, tokens: u64, time: Duration, exact: bool) {
        let known = self.per_step.filter(|_| !exact).map(|known| known * steps as u32);
        let time = known.map_or(time, |known| known.min(time));
        self.per_step = Some(time / steps as u32);
        self.total = (self.total.0 + steps, self.total.1 + time);
        let now = Instant::now();
        if self.windows.is_empty() {
            self.windows.push_back((now - time.min(Duration::from_secs(1)), 0));
        }
        self.windows.push_back((now, tokens));
        while self.windows.len() > 2 && now - self.windows[1].0 > Duration::from_secs(1) {
            self.windows.pop_front();
        }
    }

    /// Tokens a second over the last second or so.
    pub fn tokens_per_second(&self) -> f64 {
        let (Some(first), Some(last)) = (self.windows.front(), self.windows.back()) else { return 0.0 };
        let tokens: u64 = self.windows.iter().skip(1).map(|w| w.1).sum();
        tokens as f64 / (last.0 - first.0).as_secs_f64().max(1e-9)
    }

    /// Mean seconds of a step, over all that were timed.
    pub fn seconds_per_step(&self) -> f64 {
        self.total.1.as_secs_f64() / self.total.0.max(1) as f64
    }

    /// Forgets the speed so far: the run begins anew.
    pub(super) fn forget(&mut self) {
        self.windows.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_was_elsewhere_does_not_make_steps_slow() {
        let mut pace = Pace::default();
        let ms = Duration::from_millis;
        // Nothing better is known of the first.
        pace.took(1, 10, ms(20), false);
        pace.took(2, 20, ms(8), true);
        assert_eq!(pace.due(0), 10);
        pace.took(10, 100, ms(5000), false);
        assert_eq!(pace.due(0), 10);
        assert!((pace.seconds_per_step() - 0.068 / 13.0).abs() < 1e-9, "{}", pace.seconds_per_step());
        // What is known for sure counts, be it slower or quicker.
        pace.took(10, 100, ms(80), true);
        assert_eq!(pace.due(0), 5);
        pace.took(5, 50, ms(10), false);
        assert_eq!(pace.due(0), 20);
    }
}
