//! How a run outlives its worker: what to tell a fresh one, so that it goes on where the last one fell.
//!
//! Pure bookkeeping over what was sent and heard; `link` owns the worker and does what is decided here.
//! `B` is the zip beside a message: bytes outside this memory on the page, a number in the tests.

use gradus_core::protocol::{Command, DeviceChoice, Event, Phase};

/// A command and the zip beside it.
pub type Letter<B> = (Command, Option<B>);

/// After so many falls without a checkpoint between them, the supervisor stops trying.
pub const MAX_FALLS: u32 = 3;

/// Watches the conversation with a worker and can repeat what matters of it.
#[derive(Debug)]
pub struct Supervisor<B> {
    /// What brings a fresh worker to the run in hand.
    base: Option<Letter<B>>,
    /// A start, import or restore that was sent and not answered yet.
    pending: Option<Letter<B>>,
    /// The step that `base` leads to, once it was reached.
    checkpoint: Option<u64>,
    /// Whether the run should be going.
    running: bool,
    speed: Option<u32>,
    device: Option<DeviceChoice>,
    falls: u32,
}

/// What follows a fall.
#[derive(Debug, PartialEq)]
pub enum Revival<B> {
    /// Start a worker and send it these.
    Restart {
        /// The commands, in order.
        letters: Vec<Letter<B>>,
        /// The step that it takes up.
        step: u64,
        /// Whether the run goes on by itself.
        running: bool,
    },
    /// It fell too often in a row.
    GiveUp,
}

impl<B> Default for Supervisor<B> {
    fn default() -> Self {
        Self {
            base: None,
            pending: None,
            checkpoint: None,
            running: false,
            speed: None,
            device: None,
            falls: 0,
        }
    }
}

impl<B: Clone> Supervisor<B> {
    /// Notes a command on its way to the worker.
    pub fn sent(&mut self, command: &Command, blob: Option<&B>) {
        match command {
            Command::Start(_) | Command::Import { .. } | Command::Restore { .. } => {
                self.pending = Some((command.clone(), blob.cloned()));
            }
            Command::Run => self.running = true,
            Command::Pause | Command::Step | Command::Reset { .. } => self.running = false,
            Command::Speed { steps_per_second } => self.speed = Some(*steps_per_second),
            Command::Device(choice) => self.device = Some(*choice),
            _ => {}
        }
    }

    /// Notes an event. Returns true where the worker must be replaced.
    pub fn heard(&mut self, event: &Event, blob: Option<&B>) -> bool {
        match event {
            Event::Started(started) => {
                if let Some(letter) = self.pending.take() {
                    self.base = Some(letter);
                    self.checkpoint = Some(started.step);
                } else if started.step == 0 {
                    // Reset: the same run from its beginning, with the seed it now has.
                    self.base = Some((Command::Start(Box::new(started.config.clone())), None));
                    self.checkpoint = Some(0);
                }
            }
            Event::Checkpoint { step, .. } => {
                // A fresh worker repeats the checkpoint that it was given: only a later one is progress.
                if self.checkpoint.is_some_and(|last| last < *step) {
                    self.falls = 0;
                }
                self.base = Some((Command::Restore { zip: Vec::new() }, blob.cloned()));
                self.checkpoint = Some(*step);
                self.device = None;
            }
            Event::Refused { .. } => (self.pending, self.device) = (None, None),
            Event::Phase(Phase::Done) => self.running = false,
            Event::Failed { restart, .. } => {
                if *restart {
                    return true;
                }
                self.running = false;
            }
            _ => {}
        }
        false
    }

    /// The worker fell. A start that was under way when it fell is not tried again.
    pub fn fell(&mut self) -> Revival<B> {
        self.falls += 1;
        let had_base = self.base.is_some();
        let pending = self.pending.take();
        if self.falls > MAX_FALLS {
            self.running = false;
            return Revival::GiveUp;
        }
        // The very first start has nothing to fall back on: it is tried again.
        let first = if had_base { self.base.clone() } else { pending };
        self.pending = first.clone();
        let mut letters: Vec<Letter<B>> = first.into_iter().collect();
        if !letters.is_empty() {
            letters.extend(self.device.map(|d| (Command::Device(d), None)));
            letters.extend(self.speed.map(|s| (Command::Speed { steps_per_second: s }, None)));
            letters.extend(self.running.then_some((Command::Run, None)));
        }
        Revival::Restart { letters, step: self.checkpoint.unwrap_or(0), running: self.running }
    }

    /// What takes the run back to its last checkpoint, or to its beginning; `None` where none was started.
    pub fn last_good(&self) -> Option<Letter<B>> {
        self.base.clone()
    }

    /// Whether the run should be going.
    pub fn running(&self) -> bool {
        self.running
    }

    /// A person asks for a new try: earlier falls no longer count.
    pub fn forgive(&mut self) {
        self.falls = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use gradus_core::protocol::Started;

    fn start() -> Command {
        Command::Start(Box::new(Settings::default().world()))
    }

    fn started(step: u64) -> Event {
        Event::Started(Box::new(Started {
            config: Settings::default().world(),
            parameters: 1,
            bytes: 1,
            step,
            floor: None,
            bigram: None,
            tokens: None,
            device: Default::default(),
        }))
    }

    fn checkpoint(step: u64) -> Event {
        Event::Checkpoint { step, zip: vec![] }
    }

    fn going() -> Supervisor<u8> {
        let mut s = Supervisor::default();
        s.sent(&start(), None);
        s.heard(&started(0), None);
        s.sent(&Command::Run, None);
        s
    }

    #[test]
    fn before_the_first_checkpoint_it_begins_again() {
        let letters = vec![(start(), None), (Command::Run, None)];
        assert_eq!(going().fell(), Revival::Restart { letters, step: 0, running: true });
    }

    #[test]
    fn it_goes_on_from_the_last_checkpoint_at_the_same_speed() {
        let mut s = going();
        s.sent(&Command::Speed { steps_per_second: 5 }, None);
        s.heard(&checkpoint(200), Some(&1));
        s.heard(&checkpoint(400), Some(&2));
        let letters = vec![
            (Command::Restore { zip: vec![] }, Some(2)),
            (Command::Speed { steps_per_second: 5 }, None),
            (Command::Run, None),
        ];
        assert_eq!(s.fell(), Revival::Restart { letters, step: 400, running: true });
    }

    #[test]
    fn a_paused_run_stays_paused() {
        let mut s = going();
        s.heard(&checkpoint(200), Some(&1));
        s.sent(&Command::Pause, None);
        let letters = vec![(Command::Restore { zip: vec![] }, Some(1))];
        assert_eq!(s.fell(), Revival::Restart { letters, step: 200, running: false });
    }

    #[test]
    fn a_start_that_kills_the_worker_leaves_the_run_in_hand() {
        let mut s = going();
        s.heard(&checkpoint(200), Some(&1));
        s.sent(&start(), None);
        match s.fell() {
            Revival::Restart { letters, .. } => assert_eq!(letters[0].1, Some(1)),
            Revival::GiveUp => panic!("gave up at the first fall"),
        }
    }

    #[test]
    fn a_refused_start_leaves_the_run_in_hand() {
        let mut s = going();
        s.heard(&checkpoint(200), Some(&1));
        s.sent(&start(), None);
        s.heard(&Event::Refused { what: String::new(), message: String::new() }, None);
        s.heard(&started(200), None);
        assert_eq!(s.last_good(), Some((Command::Restore { zip: vec![] }, Some(1))));
    }

    #[test]
    fn starting_over_forgets_the_checkpoint() {
        let mut s = going();
        s.heard(&checkpoint(200), Some(&1));
        s.sent(&Command::Reset { seed: 1 }, None);
        s.heard(&started(0), None);
        assert_eq!(s.last_good(), Some((start(), None)));
        let letters = vec![(start(), None)];
        assert_eq!(s.fell(), Revival::Restart { letters, step: 0, running: false });
    }

    #[test]
    fn it_gives_up_when_it_falls_again_and_again() {
        let mut s = going();
        for _ in 0..MAX_FALLS {
            assert!(matches!(s.fell(), Revival::Restart { .. }));
            s.heard(&started(0), None);
            s.heard(&checkpoint(0), Some(&0));
        }
        assert_eq!(s.fell(), Revival::GiveUp);
        s.forgive();
        assert!(matches!(s.fell(), Revival::Restart { .. }));
    }

    #[test]
    fn a_checkpoint_between_falls_makes_them_count_anew() {
        let mut s = going();
        for step in 1..20 {
            assert!(matches!(s.fell(), Revival::Restart { .. }));
            s.heard(&started(0), None);
            s.heard(&checkpoint(step), Some(&0));
        }
    }

    #[test]
    fn a_nan_stops_the_run_and_keeps_the_worker() {
        let mut s = going();
        s.heard(&checkpoint(200), Some(&1));
        let nan = Event::Failed { message: String::new(), recoverable: true, restart: false };
        assert!(!s.heard(&nan, None));
        assert!(!s.running());
        assert!(s.last_good().is_some());
        let lost = Event::Failed { message: String::new(), recoverable: true, restart: true };
        assert!(s.heard(&lost, None));
    }
}
