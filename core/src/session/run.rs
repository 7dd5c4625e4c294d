//! One run: a trainer, a generator, and what is said about them.

use super::choose;
use crate::data::Loader;
use crate::device::{Data, Source};
use crate::generate::{Generator, Scorer};
use crate::graph::Spec;
use crate::model::{ModelFolder, same_shape};
use crate::protocol::{
    self, Attention, DeviceReport, Event, Fault, Progress, RunConfig, SampleConfig, Started,
};
use crate::text::Tokenizer;
use crate::train::{Measured, Trainer, Turns};
use crate::{Error, Result};

pub(super) struct Run {
    config: RunConfig,
    trainer: Trainer,
    generator: Generator,
    tokenizer: Tokenizer,
    report: DeviceReport,
    floor: Option<f64>,
    bigram: Option<f64>,
    tokens: Option<u64>,
    held_out: Vec<u32>,
    turns: Turns<Measured>,
    good: u64,
}

impl Run {
    /// Builds a run, from nothing or from a model folder (with its trainer's state, where it has one).
    pub(super) async fn new(
        mut config: RunConfig,
        folder: Option<ModelFolder>,
        loader: &mut dyn Loader,
        emit: &mut dyn FnMut(Event),
    ) -> Result<Self> {
        let context = config.model.n_positions;
        if context == 0 {
            return Err(Error::Config("n_positions is 0: it must be 1 to 1024".into()));
        }
        let mut progress = |what: &str, fraction: f32| emit(Event::Preparing { what: what.into(), fraction });
        let given = folder.as_ref().and_then(|f| f.tokenizer.as_ref());
        if folder.is_some() && given.is_none() {
            let message = "the model has no tokenizer.json: add it to the folder, so that text can be read";
            return Err(Error::Checkpoint(message.into()));
        }
        let mut material = loader.load(&config.source, context, given, &mut progress)?;
        if config.model.vocab_size == 0 {
            config.model.vocab_size = material.tokenizer.vocab_size();
        }
        crate::model::check_config(&config.model)?;
        check_vocabulary(&config, &material.tokenizer)?;
        if folder.as_ref().is_some_and(|f| !same_shape(&f.config, &config.model)) {
            let message = "config.json and trainer_state.json are of models of two shapes: open the file as a model, \
                           which leaves the run's state aside, or restore a checkpoint whose files belong together";
            return Err(Error::Checkpoint(message.into()));
        }
        progress("choosing the device", 0.0);
        let (device, report) = choose::open(config.device, &config.model, config.train.batch).await?;
        progress("building the model", 0.5);
        let tokens = match &material.training {
            crate::data::Training::Text(tokens) => Some(tokens.len() as u64),
            crate::data::Training::Rows(_) => None,
        };
        let tokenizer = material.tokenizer.clone();
        let (floor, bigram) = (material.floor.take(), material.bigram.take());
        let held_out = window(&material.validation, context);
        let mut trainer = Trainer::new(device, &config.model, &config.train, config.seed, material)?;
        match folder {
            None => trainer.init()?,
            Some(folder) => trainer.open(&folder)?,
        }
        let generator = Generator::new(&mut *trainer.device, &config.model, &trainer.params)?;
        progress("building the model", 1.0);
        let good = trainer.step();
        let turns = Turns::default();
        Ok(Self {
            config,
            trainer,
            generator,
            tokenizer,
            report,
            floor,
            bigram,
            tokens,
            held_out,
            turns,
            good,
        })
    }

    pub(super) fn config(&self) -> &RunConfig {
        &self.config
    }

    pub(super) fn report(&self) -> &DeviceReport {
        &self.report
    }

    pub(super) fn is_done(&self) -> bool {
        self.trainer.step() >= self.config.train.steps
    }

    pub(super) fn started(&self) -> Started {
        Started {
            config: self.config.clone(),
            parameters: self.config.model.parameters(),
            bytes: self.trainer.device.bytes(),
            step: self.trainer.step(),
            floor: self.floor,
            bigram: self.bigram,
            tokens: self.tokens,
            device: self.report.clone(),
        }
    }

    /// Back to the beginning, with this seed. Of the world it seeds the rows too: the run is then the one that a
    /// link with this seed leads to.
    pub(super) fn reset(&mut self, seed: u32, loader: &mut dyn Loader) -> Result<()> {
        let world = protocol::Source::World { seed };
        if matches!(self.config.source, protocol::Source::World { .. }) && self.config.source != world {
            let context = self.config.model.n_positions;
            let material = loader.load(&world, context, Some(&self.tokenizer), &mut |_, _| ())?;
            self.held_out = window(&material.validation, context);
            self.trainer.set_material(material)?;
            self.config.source = world;
        }
        self.config.seed = seed;
        self.trainer.set_seed(seed);
        self.trainer.init()?;
        self.good = 0;
        self.turns.forget();
        Ok(())
    }

    /// A turn of training. False when all steps are done.
    pub(super) async fn advance(
        &mut self,
        steps_per_second: u32,
        emit: &mut dyn FnMut(Event),
    ) -> Result<bool> {
        if self.is_done() {
            return Ok(false);
        }
        let steps = match self.turns.due(steps_per_second) {
            0 => return Ok(true),
            steps => steps,
        };
        // Who wants to see each step sees it when it is done.
        self.steps(steps, steps_per_second != 0, emit).await?;
        Ok(!self.is_done())
    }

    /// Trains at most `steps` steps: fewer where a validation, a checkpoint or the end comes first, so that
    /// these happen after the same steps however the run is cut into turns. With `rest` nothing is under way at the end.
    pub(super) async fn steps(&mut self, steps: u64, rest: bool, emit: &mut dyn FnMut(Event)) -> Result<()> {
        let now = self.trainer.step();
        let train = &self.config.train;
        let until = |every: u64| if every == 0 { u64::MAX } else { every - now % every };
        let limit = [until(train.validate_every), until(train.checkpoint_every), train.steps - now];
        let steps = limit.into_iter().fold(steps.min(self.trainer.most_steps()), u64::min).max(1);
        let step = now + steps;
        let at = |every: u64| step == train.steps || (every != 0 && step.is_multiple_of(every));
        let (validates, saves) = (at(train.validate_every), at(train.checkpoint_every));

        let turn = self.trainer.turn(steps)?;
        let measured = self.turns.follow(turn, rest || validates || saves).await?;
        self.tell(&measured, emit)?;
        if validates {
            emit(Event::Validation { step, loss: self.trainer.validate().await? });
        }
        if saves {
            emit(self.checkpoint().await?);
        }
        Ok(())
    }

    /// Waits for the turn under way, if there is one, and tells of it.
    pub(super) async fn settle(&mut self, emit: &mut dyn FnMut(Event)) -> Result<()> {
        let measured = self.turns.settle().await?;
        self.tell(&measured, emit)
    }

    fn tell(&self, measured: &[Measured], emit: &mut dyn FnMut(Event)) -> Result<()> {
        if let Some(bad) = measured.iter().find(|m| !m.loss.is_finite()) {
            let (step, loss, good) = (bad.step, bad.loss.to_string(), self.good);
            return Err(Error::Diverged { step, loss, good });
        }
        let Some(&Measured { step, grad_norm, .. }) = measured.last() else { return Ok(()) };
        emit(Event::Progress(Progress {
            step,
            grad_norm,
            losses: measured.iter().map(|m| (m.step, m.loss)).collect(),
            learning_rate: self.trainer.learning_rate_at(step),
            num_tokens: step * self.trainer.tokens_per_step(),
            tokens_per_second: self.turns.pace().tokens_per_second(),
        }));
        Ok(())
    }

    /// The model folder, with the run's state if `trainer`.
    pub(super) async fn folder(&mut self, trainer: bool) -> Result<ModelFolder> {
        let tokenizer = Some(self.tokenizer.clone());
        let folder = self.trainer.folder(trainer.then_some(&self.config), tokenizer).await?;
        let broken = folder.tensors.iter().flat_map(|t| &t.values).find(|x| !x.is_finite());
        if let Some(broken) = broken {
            return Err(Error::Diverged {
                step: self.trainer.step(),
                loss: broken.to_string(),
                good: self.good,
            });
        }
        Ok(folder)
    }

    pub(super) async fn checkpoint(&mut self) -> Result<Event> {
        let zip = self.folder(true).await?.to_zip()?;
        self.good = self.trainer.step();
        Ok(Event::Checkpoint { step: self.good, zip })
    }

    pub(super) async fn export(&mut self) -> Result<Event> {
        let zip = self.folder(false).await?.to_zip()?;
        let name = format!("gradus-{}-step-{}.zip", self.config.model.parameters(), self.trainer.step());
        Ok(Event::Exported { name, zip })
    }

    pub(super) async fn sample(&mut self, settings: &SampleConfig) -> Result<Event> {
        let prompt = self.tokenizer.prompt(&settings.prompt)?;
        let settings = SampleConfig { max_tokens: settings.max_tokens.min(4096), ..settings.clone() };
        let stop = self.tokenizer.eos();
        let device = &mut *self.trainer.device;
        let made = self.generator.generate(device, &prompt, &settings, stop).await?;
        Ok(Event::Sample {
            step: self.trainer.step(),
            prompt: settings.prompt,
            tokens: self.tokenizer.pieces(&made),
        })
    }

    /// One node of the forward pass over the first held-out window. Attention is materialised for this, so
    /// that its probabilities exist to be looked at: the weights and the mathematics are the same.
    pub(super) async fn probe(&mut self, node: &str) -> Result<Event> {
        let model =
            crate::protocol::ModelConfig { attention: Attention::Materialised, ..self.config.model.clone() };
        let device = &mut *self.trainer.device;
        let scorer = Scorer::new(device, &model, &self.trainer.params, 1, self.held_out.len() - 1)?;
        let result = async {
            let spec = device.node(scorer.program(), node).ok_or_else(|| {
                Error::Config(format!("there is no node {node}: try block.0.attn.probs, or logits"))
            })?;
            scorer.score(device, std::slice::from_ref(&self.held_out)).await?;
            let values = device.read(Source::Node(scorer.program(), node.into())).await?.floats();
            Ok(Event::Probe { node: node.into(), shape: spec.shape, values })
        }
        .await;
        scorer.release(device);
        result
    }

    pub(super) fn fault(&mut self, fault: Fault) -> Result<()> {
        let device = &mut self.trainer.device;
        match fault {
            Fault::Panic => Ok(()),
            Fault::DeviceLost => {
                device.lose();
                Ok(())
            }
            Fault::OutOfMemory => device.ensure("fault", &Spec::float([1 << 30])),
            Fault::Nan => device.write("params", 0, &Data::Float(vec![f32::NAN; self.trainer.params.len])),
        }
    }
}

/// The first window of a text: what a probe looks at.
fn window(text: &[u32], context: usize) -> Vec<u32> {
    text[..text.len().min(context + 1)].to_vec()
}

fn check_vocabulary(config: &RunConfig, tokenizer: &Tokenizer) -> Result<()> {
    let (model, text) = (config.model.vocab_size, tokenizer.vocab_size());
    if model < text {
        return Err(Error::Config(format!(
            "the model knows {model} tokens and the tokenizer {text}: set vocab_size to {text}, or leave it out"
        )));
    }
    Ok(())
}
