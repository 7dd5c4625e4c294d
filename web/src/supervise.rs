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
    /// A start or restore that was sent and not answered yet; after a fall, what a fresh worker is told first.
    pending: Option<Letter<B>>,
    /// The step that `base` leads to, once it was reached.
    checkpoint: Option<u64>,
    /// Whether the run should be going.
    running: bool,
    speed: Option<u32>,
    /// A choice of device that no checkpoint knows of yet.
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
            Command::Start(_) | Command::Restore { .. } => {
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
                    // Reset: the same run from its beginning, with the seed it now has. (A model that was opened
                    // sends its checkpoint at once.)
                    self.base = Some((Command::Start(Box::new(started.config.clone())), None));
                    self.checkpoint = Some(0);
                }
            }
            Event::Checkpoint { step, .. } => {
                // A fresh worker repeats the checkpoint that it was given: only a later one is progress.
                if self.checkpoint.is_some_and(|last| last < *step) {
                    self.falls = 0;
                }
                self.base = Some((Command::Restore { zip: Vec::new(), device: None }, blob.cloned()));
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
        // The very first start has nothing to fall back on: it is tried again.
        if self.base.is_some() {
            self.pending = self.base.clone();
        }
        if self.falls > MAX_FALLS {
            self.running = false;
            return Revival::GiveUp;
        }
        self.again()
    }

    /// A person asks for a new try: earlier falls no longer count.
    pub fn retry(&mut self) -> Revival<B> {
        self.falls = 0;
        self.again()
    }

    /// What brings up a worker in place of one that was given up, after this command was [`sent`](Self::sent) to
    /// nobody, so that it is carried out all the same. `None` where no one waits for it.
    pub fn wake(&mut self, command: &Command, blob: Option<&B>) -> Option<Revival<B>> {
        let then = match command {
            // Noted as they were sent: they are among what is repeated.
            Command::Start(_) | Command::Restore { .. } | Command::Run | Command::Device(_) => None,
            Command::Step | Command::Reset { .. } | Command::Import { .. } | Command::Export => {
                Some((command.clone(), blob.cloned()))
            }
            Command::Pause
            | Command::Speed { .. }
            | Command::Sample(_)
            | Command::Probe { .. }
            | Command::Checkpoint
            | Command::Fault(_) => return None,
        };
        let mut revival = self.retry();
        if let Revival::Restart { letters, .. } = &mut revival {
            letters.extend(then);
        }
        Some(revival)
    }

    /// Repeats to a fresh worker what matters of the conversation.
    fn again(&mut self) -> Revival<B> {
        if self.pending.is_none() {
            self.pending = self.base.clone();
        }
        let mut letters: Vec<Letter<B>> = self.pending.clone().into_iter().collect();
        // Not moved there later: the device that it was on may be what fails.
        match (self.device, letters.first_mut().map(|letter| &mut letter.0)) {
            (Some(choice), Some(Command::Start(config))) => config.device = choice,
            (Some(choice), Some(Command::Restore { device, .. })) => *device = Some(choice),
            _ => {}
        }
        letters.extend(self.speed.map(|s| (Command::Speed { steps_per_second: s }, None)));
        letters.extend(self.running.then_some((Command::Run, None)));
        Revival::Restart { letters, step: self.checkpoint.unwrap_or(0), running: self.running }
    }

    /// Whether a start or restore is under way, or will be as soon as there is a worker.
    pub fn starting(&self) -> bool {
        self.pending.is_some()
    }

    /// What takes the run back to its last checkpoint, or to its beginning; `None` where none was started.
    pub fn last_good(&self) -> Option<Letter<B>> {
        self.base.clone()
    }

    /// Whether the run should be going.
    pub fn running(&self) -> bool {
        self.running
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
            (Command::Restore { zip: vec![], device: None }, Some(2)),
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
        let letters = vec![(Command::Restore { zip: vec![], device: None }, Some(1))];
        assert_eq!(s.fell(), Revival::Restart { letters, step: 200, running: false });
    }

    #[test]
    fn a_device_that_was_chosen_is_kept_through_a_fall() {
        let mut s = going();
        s.heard(&checkpoint(200), Some(&1));
        s.sent(&Command::Device(DeviceChoice::Cpu), None);
        let restore = Command::Restore { zip: vec![], device: Some(DeviceChoice::Cpu) };
        let letters = vec![(restore, Some(1)), (Command::Run, None)];
        assert_eq!(s.fell(), Revival::Restart { letters, step: 200, running: true });
        // From its next checkpoint on it is a setting of the run.
        s.heard(&started(200), None);
        s.heard(&checkpoint(200), Some(&2));
        let letters = vec![(Command::Restore { zip: vec![], device: None }, Some(2)), (Command::Run, None)];
        assert_eq!(s.fell(), Revival::Restart { letters, step: 200, running: true });
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
        assert_eq!(s.last_good(), Some((Command::Restore { zip: vec![], device: None }, Some(1))));
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
        assert!(matches!(s.retry(), Revival::Restart { .. }));
        assert!(matches!(s.fell(), Revival::Restart { .. }));
    }

    /// Fell until it was given up, with a checkpoint of step 200 in hand.
    fn given_up() -> Supervisor<u8> {
        let mut s = going();
        s.heard(&checkpoint(200), Some(&1));
        while s.fell() != Revival::GiveUp {}
        s
    }

    /// What a fresh worker is told where this command finds none.
    fn told(s: &mut Supervisor<u8>, command: Command, zip: Option<u8>) -> Option<Vec<Letter<u8>>> {
        s.sent(&command, zip.as_ref());
        match s.wake(&command, zip.as_ref())? {
            Revival::Restart { letters, .. } => Some(letters),
            Revival::GiveUp => panic!("a command gave up"),
        }
    }

    #[test]
    fn a_command_after_it_gave_up_wakes_a_worker() {
        let restore = |device| (Command::Restore { zip: vec![], device }, Some(1));
        let (run, step) = ((Command::Run, None), (Command::Step, None));
        assert_eq!(told(&mut given_up(), Command::Run, None), Some(vec![restore(None), run]));
        assert_eq!(told(&mut given_up(), Command::Step, None), Some(vec![restore(None), step]));
        // The run that may be what is too large is not built for another.
        assert_eq!(told(&mut given_up(), start(), None), Some(vec![(start(), None)]));
        // On the other device at once: the one it was on may be what fails.
        let cpu = DeviceChoice::Cpu;
        assert_eq!(told(&mut given_up(), Command::Device(cpu), None), Some(vec![restore(Some(cpu))]));
        // A model is opened into the run in hand.
        let import = Command::Import { zip: vec![] };
        let letters = vec![restore(None), (import.clone(), Some(9))];
        assert_eq!(told(&mut given_up(), import, Some(9)), Some(letters));
        // What no one waits for wakes nobody; a speed holds for the next worker.
        let mut s = given_up();
        let slow = Command::Speed { steps_per_second: 5 };
        assert_eq!(told(&mut s, slow.clone(), None), None);
        assert_eq!(told(&mut s, Command::Pause, None), None);
        assert_eq!(told(&mut s, start(), None), Some(vec![(start(), None), (slow, None)]));
    }

    #[test]
    fn after_it_gave_up_falls_count_anew_and_the_run_in_hand_stays() {
        let mut s = given_up();
        told(&mut s, start(), None);
        let letters = vec![(Command::Restore { zip: vec![], device: None }, Some(1))];
        assert_eq!(s.fell(), Revival::Restart { letters, step: 200, running: false });
    }

    #[test]
    fn a_first_start_that_was_given_up_is_tried_again() {
        let mut s = Supervisor::<u8>::default();
        s.sent(&start(), None);
        while s.fell() != Revival::GiveUp {}
        assert!(s.starting());
        let letters = vec![(start(), None)];
        assert_eq!(s.retry(), Revival::Restart { letters, step: 0, running: false });
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
