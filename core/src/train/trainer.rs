//! The training loop: everything a step needs lies on the device before it starts.
//!
//! A step is `accumulate` runs of program `micro` (scalars, batch, forward, backward) and one of `update`
//! (norm, AdamW, record). Many steps go into one submission; losses come back through a ring.

use super::average::Average;
use super::check::check_train;
use super::learning_rate;
use super::pace::Instant;
use super::plans::{TABLE, micro_plan, step_state, update_plan, validation_plan};
use super::turns::Turn;
use crate::data::{Material, Training};
use crate::device::profile::Launched;
use crate::device::{Data, Device, Program, Reading, Source};
use crate::model::{Architecture, ModelFolder, Params, TrainerState, check_config};
use crate::ops::{RING, STATE_WORDS, State};
use crate::protocol::{ModelConfig, RunConfig, TrainConfig};
use crate::text::Tokenizer;
use crate::{Error, Result};

/// Numbers of a step in the ring: loss, gradient norm.
const RING_WORDS: usize = 2;
/// Most held-out windows that a validation reads.
const VALIDATION_WINDOWS: usize = 256;

/// A finished step's metrics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The step, from 1.
    pub step: u64,
    /// Its training loss in nats a token.
    pub loss: f32,
    /// Global gradient norm before clipping.
    pub grad_norm: f32,
}

/// The flat buffers that a checkpoint keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerTensors {
    /// Weights.
    pub params: Vec<f32>,
    /// AdamW's first moments.
    pub m: Vec<f32>,
    /// AdamW's second moments.
    pub v: Vec<f32>,
}

/// A model in training on one device.
pub struct Trainer {
    /// The device; generation shares it.
    pub device: Box<dyn Device>,
    /// The model's shape.
    pub model: ModelConfig,
    /// Where its parameters lie.
    pub params: Params,
    architecture: Architecture,
    train: TrainConfig,
    seed: u32,
    training: Training,
    step: u64,
    rows_ready: u64,
    recorded: u64,
    micro: Program,
    update: Program,
    validate: Program,
    validation: (usize, usize),
    average: Option<Averaging>,
}

/// The average that a trainer keeps.
struct Averaging {
    rule: Average,
    program: Program,
    /// The step it began after.
    from: u64,
}

impl Trainer {
    /// Builds the plans and compiles them. The weights are still zero: see [`init`](Self::init).
    ///
    /// # Errors
    /// [`Error::Config`] for settings out of range, and the device's errors.
    pub fn new(
        device: Box<dyn Device>,
        model: &ModelConfig,
        train: &TrainConfig,
        seed: u32,
        material: Material,
    ) -> Result<Self> {
        Self::of(Architecture::Gpt2, device, model, train, seed, material)
    }

    /// As [`new`](Self::new), for a model of either kind.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(
        architecture: Architecture,
        mut device: Box<dyn Device>,
        model: &ModelConfig,
        train: &TrainConfig,
        seed: u32,
        material: Material,
    ) -> Result<Self> {
        check_config(model)?;
        check_train(train)?;
        let params = architecture.params(model);
        let windows = 1 + (material.validation.len().saturating_sub(model.n_positions + 1)) / material.stride;
        let windows = windows.min(VALIDATION_WINDOWS);
        let batch = train.batch.min(windows);
        let micro = micro_plan(architecture, model, train, &params, &material.training, false)?;
        let update = update_plan("", train, &params, 1)?;
        let (micro, update) = (device.compile(micro)?, device.compile(update)?);
        let validate = device.compile(validation_plan(architecture, model, &params, &material, batch)?)?;
        device.write("validation", 0, &Data::U32(material.validation))?;
        if let Training::Text(tokens) = &material.training {
            device.write("corpus", 0, &Data::U32(tokens.clone()))?;
        }
        Ok(Self {
            device,
            model: model.clone(),
            params,
            architecture,
            train: train.clone(),
            seed,
            training: material.training,
            step: 0,
            rows_ready: 0,
            recorded: 0,
            micro,
            update,
            validate,
            validation: (batch, windows / batch),
            average: None,
        })
    }

    /// Sets the initial weights of the run's seed.
    pub fn init(&mut self) -> Result<()> {
        let params = self.params.init(&self.model, self.seed);
        let zeros = vec![0.0; self.params.len];
        self.restore(0, TrainerTensors { params, m: zeros.clone(), v: zeros })
    }

    /// Continues from the state after `step` steps.
    pub fn restore(&mut self, step: u64, tensors: TrainerTensors) -> Result<()> {
        let zeros = vec![0.0; self.params.len];
        for (name, data) in [("params", tensors.params), ("m", tensors.m), ("v", tensors.v), ("grads", zeros)]
        {
            self.device.write(name, 0, &Data::Float(data))?;
        }
        self.device.write("metrics", 0, &Data::Float(vec![0.0]))?;
        self.step = step;
        self.recorded = step;
        self.rows_ready = step * (self.train.accumulate * self.train.batch) as u64;
        self.begin_average()
    }

    /// Continues from a model folder: from its run's state where it has one, else from its weights alone.
    pub fn open(&mut self, folder: &ModelFolder) -> Result<()> {
        let params = self.params.flatten(&folder.tensors)?;
        let zeros = || vec![0.0; params.len()];
        let (step, m, v) = match &folder.trainer {
            Some(state) => {
                (state.step, self.params.flatten(&state.exp_avg)?, self.params.flatten(&state.exp_avg_sq)?)
            }
            None => (0, zeros(), zeros()),
        };
        self.restore(step, TrainerTensors { params, m, v })
    }

    /// The model folder as it stands, with the state of the run if `run` is given.
    pub async fn folder(
        &mut self,
        run: Option<&RunConfig>,
        tokenizer: Option<Tokenizer>,
    ) -> Result<ModelFolder> {
        if self.architecture != Architecture::Gpt2 {
            return Err(Error::Config(
                "only a GPT-2 can be saved: the recurrent model is for comparison".into(),
            ));
        }
        let flat = self.tensors().await?;
        let trainer = run.map(|run| TrainerState {
            run: run.clone(),
            step: self.step,
            num_tokens: self.num_tokens(),
            exp_avg: self.params.tensors(&flat.m),
            exp_avg_sq: self.params.tensors(&flat.v),
        });
        let tensors = self.params.tensors(&flat.params);
        Ok(ModelFolder { config: self.model.clone(), tensors, tokenizer, trainer })
    }

    /// Reads back what a checkpoint keeps.
    pub async fn tensors(&mut self) -> Result<TrainerTensors> {
        let n = self.params.len;
        let mut out = Vec::with_capacity(3);
        for name in ["params", "m", "v"] {
            out.push(self.device.read(Source::Buffer(name.into(), 0..n)).await?.floats());
        }
        let [params, m, v] = <[Vec<f32>; 3]>::try_from(out).unwrap_or_default();
        Ok(TrainerTensors { params, m, v })
    }

    /// Keeps an average of the weights from here on, and begins it anew where a state is restored or another
    /// average is asked for.
    ///
    /// # Errors
    /// [`Error::Config`] for a rule out of range, and the device's errors.
    pub fn keep_average(&mut self, rule: Average) -> Result<()> {
        let program = rule.compile(&mut *self.device, self.params.len)?;
        if let Some(old) = self.average.replace(Averaging { rule, program, from: self.step }) {
            self.device.release(old.program);
        }
        self.begin_average()
    }

    /// Begins the average after the step that was done last, if one is kept.
    fn begin_average(&mut self) -> Result<()> {
        let Some(average) = &mut self.average else { return Ok(()) };
        average.from = self.step;
        // From zero, the first update is the weights to the bit, whatever was averaged before (a NaN, say).
        self.device.write("average", 0, &Data::Float(vec![0.0; self.params.len]))
    }

    /// Exchanges the weights and their average, to look at the average with whatever looks at the weights. A
    /// second call changes them back; train no step in between.
    ///
    /// # Errors
    /// [`Error::Config`] if no average is kept or it has no update yet.
    pub async fn swap_average(&mut self) -> Result<()> {
        if self.average.as_ref().is_none_or(|a| self.step < a.from + a.rule.every) {
            return Err(Error::Config(
                "there is no average of the weights yet: train some steps first".into(),
            ));
        }
        let read = |name: &str| Source::Buffer(name.into(), 0..self.params.len);
        let sources = [("params", read("average")), ("average", read("params"))];
        let mut swapped = Vec::with_capacity(2);
        for (name, source) in sources {
            swapped.push((name, self.device.read(source).await?));
        }
        for (name, values) in swapped {
            self.device.write(name, 0, &values)?;
        }
        Ok(())
    }

    /// Steps submitted so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Tokens learned from so far.
    pub fn num_tokens(&self) -> u64 {
        self.step * self.tokens_per_step()
    }

    /// Tokens a step learns from.
    pub fn tokens_per_step(&self) -> u64 {
        (self.train.accumulate * self.train.batch * self.model.n_positions) as u64
    }

    /// How many steps can go into one submission.
    pub fn most_steps(&self) -> u64 {
        (TABLE / self.train.accumulate) as u64
    }

    /// Submits `steps` steps (at most [`most_steps`](Self::most_steps)); does not wait for them.
    pub fn submit(&mut self, steps: u64) -> Result<()> {
        let steps = steps.clamp(1, self.most_steps());
        let programs = self.prepare(steps)?;
        self.device.submit(&programs)?;
        self.step += steps;
        Ok(())
    }

    /// Submits `steps` steps (at most [`most_steps`](Self::most_steps)) as a turn, for [`Turns`](super::Turns) to follow.
    ///
    /// # Errors
    /// The device's.
    pub fn turn(&mut self, steps: u64) -> Result<Turn<Measured>> {
        let (begun, before) = (Instant::now(), self.step);
        self.submit(steps)?;
        let steps = self.step - before;
        let tokens = steps * self.tokens_per_step();
        Ok(Turn { steps, tokens, begun, done: !self.device.is_gpu(), metrics: self.collect() })
    }

    /// Trains one step, and says of each of its launches how long it took.
    pub async fn profile(&mut self) -> Result<Vec<Launched>> {
        let mut launched = Vec::new();
        for program in self.prepare(1)? {
            launched.extend(self.device.profile(program).await?);
        }
        self.step += 1;
        Ok(launched)
    }

    /// Writes what the next `steps` steps need to the device, and says what they run.
    fn prepare(&mut self, steps: u64) -> Result<Vec<Program>> {
        self.supply(steps)?;
        let mut table = Vec::with_capacity(TABLE * STATE_WORDS);
        let mut programs = Vec::new();
        for step in self.step + 1..=self.step + steps {
            for i in 0..self.train.accumulate as u64 {
                table.extend(self.state(step, i).words());
                programs.push(self.micro);
            }
            programs.push(self.update);
            programs.extend(self.averages_at(step).map(|(program, _)| program));
        }
        self.device.write("table", 0, &Data::U32(table))?;
        self.device.write("cursor", 0, &Data::U32(vec![0]))?;
        Ok(programs)
    }

    /// The metrics of steps that were submitted and not yet collected: to be awaited until they are done, while more may
    /// be submitted.
    pub fn collect(&mut self) -> Reading<'static, Vec<Measured>> {
        let reading = self.device.read(Source::Buffer("ring".into(), 0..RING * RING_WORDS));
        let steps = self.recorded.max(self.step.saturating_sub(RING as u64)) + 1..=self.step;
        self.recorded = self.step;
        Box::pin(async move {
            let ring = reading.await?.floats();
            let at = |step: u64| (step as usize % RING) * RING_WORDS;
            Ok(steps
                .map(|step| Measured { step, loss: ring[at(step)], grad_norm: ring[at(step) + 1] })
                .collect())
        })
    }

    /// Mean loss on the held-out text, in nats a token.
    pub async fn validate(&mut self) -> Result<f64> {
        let (batch, batches) = self.validation;
        self.device.write("validation.loss", 0, &Data::Float(vec![0.0]))?;
        let mut done = 0;
        while done < batches {
            let now = (batches - done).min(TABLE);
            let rows = (done..done + now).map(|i| State { row: (i * batch) as u32, ..State::default() });
            let table: Vec<u32> = rows.flat_map(|s| s.words()).collect();
            self.device.write("table", 0, &Data::U32(table))?;
            self.device.write("cursor", 0, &Data::U32(vec![0]))?;
            self.device.submit(&vec![self.validate; now])?;
            done += now;
        }
        let sum = self.device.read(Source::Buffer("validation.loss".into(), 0..1)).await?.floats();
        Ok(f64::from(sum[0]) / batches as f64)
    }

    /// Learning rate of a step, counted from 1.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        learning_rate(&self.train, step)
    }

    /// Takes the device out, everything on it freed.
    pub fn into_device(mut self) -> Box<dyn Device> {
        self.device.clear();
        self.device
    }

    /// Another seed, for the next [`init`](Self::init).
    pub fn set_seed(&mut self, seed: u32) {
        self.seed = seed;
    }

    /// Another text of the same measures (rows of the world with another seed), for the next [`init`](Self::init).
    ///
    /// # Errors
    /// The device's.
    pub fn set_material(&mut self, material: Material) -> Result<()> {
        self.device.write("validation", 0, &Data::U32(material.validation))?;
        if let Training::Text(tokens) = &material.training {
            self.device.write("corpus", 0, &Data::U32(tokens.clone()))?;
        }
        self.training = material.training;
        Ok(())
    }

    fn state(&self, step: u64, micro: u64) -> State {
        let draw = (step - 1) * self.train.accumulate as u64 + micro;
        let row = draw * self.train.batch as u64 % self.ring_rows();
        State {
            seed: self.seed,
            row: row as u32,
            draw: draw as u32,
            average: self.averages_at(step).map_or(0.0, |(_, rate)| rate),
            ..step_state(&self.train, step)
        }
    }

    /// The program and the rate of the average's update after `step`, if there is one.
    fn averages_at(&self, step: u64) -> Option<(Program, f32)> {
        let Averaging { rule, program, from } = self.average.as_ref()?;
        let since = step - from;
        since.is_multiple_of(rule.every).then(|| (*program, rule.rate(since / rule.every) as f32))
    }

    fn ring_rows(&self) -> u64 {
        (TABLE * self.train.batch) as u64
    }

    /// Generates and uploads the rows that the next `steps` steps read.
    fn supply(&mut self, steps: u64) -> Result<()> {
        let Training::Rows(source) = &self.training else { return Ok(()) };
        let width = self.model.n_positions + 1;
        let ring = self.ring_rows();
        let end = (self.step + steps) * (self.train.accumulate * self.train.batch) as u64;
        while self.rows_ready < end {
            let at = self.rows_ready % ring;
            let count = (ring - at).min(end - self.rows_ready);
            let mut rows = vec![0; count as usize * width];
            for (row, out) in (self.rows_ready..).zip(rows.chunks_exact_mut(width)) {
                source.fill(row, out);
            }
            self.device.write("corpus", at as usize * width, &Data::U32(rows))?;
            self.rows_ready += count;
        }
        Ok(())
    }
}
