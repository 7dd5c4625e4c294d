//! A host of a session, as the page's worker and the command line are: it gives commands and turns, and
//! keeps what the session says.

use gradus_core::data::Loader;
use gradus_core::model::ModelFolder;
use gradus_core::protocol::{
    Command, DeviceChoice, Event, ModelConfig, Phase, Progress, RunConfig, Source, Started, TrainConfig,
};
use gradus_core::session::Session;
use gradus_lessons::loader::CourseLoader;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A cumulative tale of eight floors: 4.5 kB that repeat themselves, as such tales do.
pub const TALE: &str = include_str!("../texts/stair.txt");

/// A session and what it said.
pub struct Host {
    session: Session,
    said: Rc<RefCell<Vec<Event>>>,
    /// How long each turn took.
    pub turns: Vec<Duration>,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A session without a run, with the course's loader.
    pub fn new() -> Self {
        Self::with(Box::new(CourseLoader))
    }

    /// A session without a run, with this loader.
    pub fn with(loader: Box<dyn Loader>) -> Self {
        let said = Rc::new(RefCell::new(Vec::new()));
        let hear = said.clone();
        let session = Session::new(loader, Box::new(move |event| hear.borrow_mut().push(event)));
        Self { session, said, turns: Vec::new() }
    }

    /// A session whose run has been started. Panics with what the session said if it was not.
    pub async fn started(config: &RunConfig) -> Self {
        let mut host = Self::new();
        let said = host.tell(Command::Start(Box::new(config.clone()))).await;
        assert!(said.iter().any(|e| matches!(e, Event::Started(_))), "{said:?}");
        host
    }

    /// A fresh session that goes on from a checkpoint.
    pub async fn restored(zip: Vec<u8>) -> Self {
        let mut host = Self::new();
        let said = host.tell(Command::Restore { zip, device: None }).await;
        assert!(said.iter().any(|e| matches!(e, Event::Started(_))), "{said:?}");
        host
    }

    /// Gives one command; what the session says to it.
    pub async fn tell(&mut self, command: Command) -> Vec<Event> {
        self.session.handle(command).await;
        self.said.take()
    }

    /// Gives one turn: whether there is more to do, and what the session says.
    pub async fn turn(&mut self) -> (bool, Vec<Event>) {
        let start = Instant::now();
        let more = self.session.turn().await;
        self.turns.push(start.elapsed());
        (more, self.said.take())
    }

    /// Runs to the end, or to whatever stops the run.
    pub async fn finish(&mut self) -> Vec<Event> {
        let mut said = self.tell(Command::Run).await;
        loop {
            let (more, now) = self.turn().await;
            said.extend(now);
            if !more {
                return said;
            }
        }
    }

    /// Trains `n` steps, one command each.
    pub async fn steps(&mut self, n: usize) -> Vec<Event> {
        let mut said = Vec::new();
        for _ in 0..n {
            said.extend(self.tell(Command::Step).await);
        }
        said
    }

    /// A checkpoint of the run as it stands.
    pub async fn checkpoint(&mut self) -> Vec<u8> {
        let said = self.tell(Command::Checkpoint).await;
        match said.as_slice() {
            [Event::Checkpoint { zip, .. }] => zip.clone(),
            other => panic!("no checkpoint: {other:?}"),
        }
    }

    /// The model's zip.
    pub async fn export(&mut self) -> Vec<u8> {
        let said = self.tell(Command::Export).await;
        match said.as_slice() {
            [Event::Exported { zip, .. }] => zip.clone(),
            other => panic!("nothing exported: {other:?}"),
        }
    }
}

/// A run of the smallest preset on the world, of `steps` steps.
pub fn small(device: DeviceChoice, steps: u64) -> RunConfig {
    let model = ModelConfig::preset("4k").unwrap_or_else(|| panic!("there is no preset 4k"));
    let train = TrainConfig {
        steps,
        batch: 4,
        warmup: 5,
        validate_every: 0,
        checkpoint_every: 0,
        ..TrainConfig::default()
    };
    RunConfig { source: Source::World { seed: 3 }, model, train, seed: 7, device }
}

/// The same run on [`TALE`].
pub fn small_text(device: DeviceChoice, steps: u64) -> RunConfig {
    RunConfig { source: Source::Text { text: TALE.into(), vocab: 300 }, ..small(device, steps) }
}

/// Every step's loss as bits: equal means equal to the bit.
pub fn losses(said: &[Event]) -> Vec<(u64, u32)> {
    progress(said).iter().flat_map(|p| &p.losses).map(|&(step, loss)| (step, loss.to_bits())).collect()
}

/// All progress reports.
pub fn progress(said: &[Event]) -> Vec<&Progress> {
    said.iter().filter_map(|e| if let Event::Progress(p) = e { Some(p) } else { None }).collect()
}

/// The phases that were entered.
pub fn phases(said: &[Event]) -> Vec<Phase> {
    said.iter().filter_map(|e| if let Event::Phase(p) = e { Some(*p) } else { None }).collect()
}

/// The runs that were started.
pub fn starts(said: &[Event]) -> Vec<&Started> {
    said.iter().filter_map(|e| if let Event::Started(s) = e { Some(&**s) } else { None }).collect()
}

/// Checkpoints: steps and zips.
pub fn checkpoints(said: &[Event]) -> Vec<(u64, &Vec<u8>)> {
    said.iter()
        .filter_map(|e| if let Event::Checkpoint { step, zip } = e { Some((*step, zip)) } else { None })
        .collect()
}

/// The one refusal among what was said. Panics if there is none, or more.
pub fn refusal(said: &[Event]) -> &str {
    let mut refusals = said
        .iter()
        .filter_map(|e| if let Event::Refused { message, .. } = e { Some(message.as_str()) } else { None });
    match (refusals.next(), refusals.next()) {
        (Some(message), None) => message,
        _ => panic!("not one refusal: {said:?}"),
    }
}

/// The one failure among what was said: message, recoverable, restart.
pub fn failure(said: &[Event]) -> (&str, bool, bool) {
    let mut failures = said.iter().filter_map(|e| match e {
        Event::Failed { message, recoverable, restart } => Some((message.as_str(), *recoverable, *restart)),
        _ => None,
    });
    match (failures.next(), failures.next()) {
        (Some(failure), None) => failure,
        _ => panic!("not one failure: {said:?}"),
    }
}

/// Opens a zip that the session made.
pub fn folder(zip: &[u8]) -> ModelFolder {
    ModelFolder::from_zip(zip).unwrap_or_else(|e| panic!("{e}"))
}
