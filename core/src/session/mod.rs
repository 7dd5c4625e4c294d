//! A session: one run at a time, driven by [`Command`]s, reporting [`Event`]s. It knows no transport: the
//! page's worker and the command line host the same one.

mod choose;
mod run;

pub use choose::{open as open_device, self_test};

use crate::data::Loader;
use crate::model::ModelFolder;
use crate::protocol::{Command, DeviceChoice, Event, Fault, Phase, RunConfig};
use crate::{Error, Result};
use run::Run;

/// See the module.
pub struct Session {
    loader: Box<dyn Loader>,
    emit: Box<dyn FnMut(Event)>,
    run: Option<Run>,
    phase: Phase,
    steps_per_second: u32,
}

impl Session {
    /// A session with no run yet.
    pub fn new(loader: Box<dyn Loader>, emit: Box<dyn FnMut(Event)>) -> Self {
        Self { loader, emit, run: None, phase: Phase::Idle, steps_per_second: 0 }
    }

    /// Carries out one command. A command that cannot be carried out leaves the run in hand as it was and is
    /// answered by [`Event::Refused`]; a run that breaks is answered by [`Event::Failed`].
    pub async fn handle(&mut self, command: Command) {
        let what = name(&command);
        let before = self.phase;
        let result = match command {
            Command::Start(config) => self.start(*config).await,
            Command::Import { zip } => self.import(&zip).await,
            Command::Restore { zip, device } => self.restore(&zip, device).await,
            other => self.direct(other).await,
        };
        let Err(error) = result else { return };
        // A run that cannot be built is dropped with its device: the one in hand knows nothing of it.
        let building = self.phase == Phase::Preparing;
        if fatal(&error) && !building {
            self.fail(&error);
        } else {
            self.enter(before);
            (self.emit)(Event::Refused { what: what.into(), message: error.to_string() });
        }
    }

    /// Does at most some 50 ms of training; true while there is more to do.
    pub async fn turn(&mut self) -> bool {
        let (Phase::Running, Some(run)) = (self.phase, self.run.as_mut()) else { return false };
        match run.advance(self.steps_per_second, &mut *self.emit).await {
            Ok(true) => true,
            Ok(false) => {
                self.enter(Phase::Done);
                false
            }
            Err(error) => {
                self.fail(&error);
                false
            }
        }
    }

    async fn start(&mut self, config: RunConfig) -> Result<()> {
        self.enter(Phase::Preparing);
        let run = Run::new(config, None, &mut *self.loader, &mut *self.emit).await?;
        self.adopt(run).await
    }

    async fn import(&mut self, zip: &[u8]) -> Result<()> {
        // Step and moments of another run mean nothing under the settings of this one.
        let folder = ModelFolder { trainer: None, ..ModelFolder::from_zip(zip)? };
        let Some(current) = &self.run else {
            return Err(Error::Checkpoint(
                "start a run first: the model goes on learning from its text".into(),
            ));
        };
        let mut config = current.config().clone();
        config.model = folder.config.clone();
        self.enter(Phase::Preparing);
        let run = Run::new(config, Some(folder), &mut *self.loader, &mut *self.emit).await?;
        self.adopt(run).await
    }

    async fn restore(&mut self, zip: &[u8], device: Option<DeviceChoice>) -> Result<()> {
        let folder = ModelFolder::from_zip(zip)?;
        let Some(trainer) = &folder.trainer else {
            return Err(Error::Checkpoint(
                "this is a model without the state of a run: open it as a model".into(),
            ));
        };
        let mut config = trainer.run.clone();
        config.device = device.unwrap_or(config.device);
        self.enter(Phase::Preparing);
        let run = Run::new(config, Some(folder), &mut *self.loader, &mut *self.emit).await?;
        self.adopt(run).await
    }

    async fn adopt(&mut self, mut run: Run) -> Result<()> {
        // First what may fail: a run that was announced is there.
        let checkpoint = run.checkpoint().await?;
        (self.emit)(Event::Started(Box::new(run.started())));
        self.run = Some(run);
        (self.emit)(checkpoint);
        self.enter(Phase::Paused);
        Ok(())
    }

    /// Commands that act on the run in hand.
    async fn direct(&mut self, command: Command) -> Result<()> {
        if let Command::Speed { steps_per_second } = command {
            self.steps_per_second = steps_per_second;
            return Ok(());
        }
        if command == Command::Fault(Fault::Panic) {
            panic!("a test asked for this panic");
        }
        let Some(run) = self.run.as_mut() else {
            return Err(Error::Config("there is no run yet: start one first".into()));
        };
        // A command meets a run of which all is known that it has done.
        run.settle(&mut *self.emit).await?;
        match command {
            Command::Run if run.is_done() => {
                return Err(Error::Config("all steps are done: start over, or with more steps".into()));
            }
            Command::Run if self.phase == Phase::Failed => {
                return Err(Error::Config("this run has failed: start over or restore a checkpoint".into()));
            }
            Command::Run => self.enter(Phase::Running),
            Command::Pause if self.phase == Phase::Running => self.enter(Phase::Paused),
            Command::Pause => {}
            Command::Step => {
                if run.is_done() {
                    return Err(Error::Config("all steps are done: start over, or with more steps".into()));
                }
                run.steps(1, true, &mut *self.emit).await?;
                let phase = if run.is_done() { Phase::Done } else { Phase::Paused };
                self.enter(phase);
            }
            Command::Reset { seed } => {
                run.reset(seed, &mut *self.loader)?;
                (self.emit)(Event::Started(Box::new(run.started())));
                self.enter(Phase::Paused);
            }
            Command::Device(choice) => {
                let was = self.phase;
                let checkpoint = run.folder(true).await?;
                let mut config = run.config().clone();
                config.device = choice;
                self.enter(Phase::Preparing);
                let mut moved =
                    Run::new(config, Some(checkpoint), &mut *self.loader, &mut *self.emit).await?;
                let checkpoint = moved.checkpoint().await?;
                (self.emit)(Event::Device { choice, report: moved.report().clone() });
                (self.emit)(checkpoint);
                self.run = Some(moved);
                self.enter(was);
            }
            Command::Sample(settings) => {
                let event = run.sample(&settings).await?;
                (self.emit)(event);
            }
            Command::Probe { node } => {
                let event = run.probe(&node).await?;
                (self.emit)(event);
            }
            Command::Export => {
                let event = run.export().await?;
                (self.emit)(event);
            }
            Command::Checkpoint => {
                let event = run.checkpoint().await?;
                (self.emit)(event);
            }
            Command::Fault(fault) => run.fault(fault)?,
            Command::Start(_) | Command::Import { .. } | Command::Restore { .. } | Command::Speed { .. } => {}
        }
        Ok(())
    }

    fn fail(&mut self, error: &Error) {
        (self.emit)(Event::failed(error));
        self.enter(Phase::Failed);
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            (self.emit)(Event::Phase(phase));
        }
    }
}

/// Errors after which the run in hand cannot go on as it is.
fn fatal(error: &Error) -> bool {
    matches!(error, Error::DeviceLost(_) | Error::Diverged { .. } | Error::OutOfMemory { .. })
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Start(_) => "start",
        Command::Run => "run",
        Command::Pause => "pause",
        Command::Step => "step",
        Command::Reset { .. } => "start over",
        Command::Device(_) => "change the device",
        Command::Speed { .. } => "change the speed",
        Command::Sample(_) => "write text",
        Command::Probe { .. } => "look inside",
        Command::Export => "download the model",
        Command::Import { .. } => "open a model",
        Command::Restore { .. } => "restore the run",
        Command::Checkpoint => "save the run",
        Command::Fault(_) => "fail on purpose",
    }
}
