//! Lesson 2: attention. A model of two layers is trained with its weights kept along the way; beside it, the
//! same model with one head, and a recurrent network of as many parameters. Then the heads are measured, cut
//! out one by one, and all models asked to recall over growing distances.

mod ablation;
mod checks;
mod recall;

pub use ablation::Ablation;
pub use recall::Recall;

use super::pretrain::advance;
use super::{Course, Report, Size};
use crate::instruments::theory::{self, Width};
use crate::instruments::{HeadScore, HeadTrace, Lens, Probe, Repeated};
use crate::loader::world_material;
use crate::material::WorldRows;
use crate::world::{EOS, MADE_UP, Mix, word};
use gradus_core::data::Material;
use gradus_core::generate::Scorer;
use gradus_core::model::{Architecture, rnn_like, rnn_parameters};
use gradus_core::protocol::{Attention, Init, ModelConfig, Schedule, TrainConfig};
use gradus_core::text::bigram_loss;
use gradus_core::train::{Trainer, Turns};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Rows of one forward pass of the instruments.
const BATCH: usize = 16;
/// Digits after the point of what is kept of a moment that is not the last.
const DIGITS: i32 = 2;
/// Training rows whose word pairs are counted for the bigram baseline.
const BIGRAM_ROWS: u64 = 4_000;

/// What a learner can turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The model with attention.
    pub model: ModelConfig,
    /// The training of all models.
    pub train: TrainConfig,
    /// Train the same model with one head as wide as all.
    pub one_head: bool,
    /// Train the same model with one layer, in which induction cannot form.
    pub one_layer: bool,
    /// Layers of the recurrent network; its width follows from the number of parameters.
    pub rnn_layers: usize,
    /// The recurrent network's peak learning rate.
    pub rnn_lr: f64,
    /// How often the weights are kept, the untrained ones included.
    pub snapshots: u64,
    /// Lines of the repeated dictionaries on which heads are measured; six times this and one must fit the context.
    pub lines: usize,
    /// Held-out rows on which a head's ablation is measured.
    pub ablation_rows: u64,
    /// Lines of the dictionaries on which recall is measured, and how many for each distance.
    pub recall: (usize, usize),
    /// Head sizes at which scores are measured: multiples of 4.
    pub widths: Vec<usize>,
}

impl Settings {
    /// Those of this size.
    pub fn of(size: Size) -> Self {
        let (n_embd, n_head, steps, batch) = match size {
            Size::Smoke => (32, 2, 250, 16),
            Size::Default => (64, 4, 3_000, 32),
            Size::Full => (64, 4, 4_000, 32),
        };
        let model = ModelConfig {
            n_layer: 2,
            n_embd,
            n_head,
            n_positions: 64,
            vocab_size: 0,
            attention: Attention::Flash,
            scale_attn_weights: true,
            init: Init::World,
        };
        let train = TrainConfig {
            steps,
            batch,
            lr: 0.012 * (32.0 / n_embd as f64).sqrt(),
            warmup: steps / 20,
            schedule: Schedule::Linear,
            validate_every: 250,
            checkpoint_every: 0,
            ..TrainConfig::default()
        };
        Self {
            model,
            train,
            one_head: size == Size::Full,
            one_layer: size == Size::Full,
            rnn_layers: 1,
            rnn_lr: 0.004,
            snapshots: if size == Size::Smoke { 3 } else { 8 },
            lines: 10,
            ablation_rows: if size == Size::Smoke { 32 } else { 128 },
            recall: (10, if size == Size::Smoke { 32 } else { 128 }),
            widths: vec![4, 8, 16, 32, 64, 128, 256],
        }
    }
}

/// What the lesson's pictures need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Scores of random queries and keys, with and without √d.
    pub widths: Vec<Width>,
    /// The models beside each other: `attention`, `one-head`, `one-layer`, `gru`.
    pub runs: Vec<Run>,
    /// The model with attention as it learned.
    pub snapshots: Vec<Snapshot>,
    /// The tokens of the maps.
    pub example: Vec<u32>,
    /// Every number of the strongest induction head at the example's last position.
    pub trace: HeadTrace,
    /// What each head's ablation costs.
    pub ablations: Vec<Ablation>,
    /// Loss of the bigram baseline on the held-out rows, in nats a token.
    pub bigram: f64,
    /// Entropy of the text, in nats a token.
    pub floor: f64,
}

/// One model of the comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// Trainable numbers.
    pub parameters: u64,
    /// Its shape (of the recurrent network, width and layers count).
    pub model: ModelConfig,
    /// Loss on held-out rows, in nats a token.
    pub eval_loss: f64,
    /// Measured seconds of a training step.
    pub seconds_per_step: f64,
    /// Layer applications that must wait for one another in a row of T tokens: L, or L·T (Vaswani et al. 2017,
    /// table 1).
    pub sequential_steps: usize,
    /// Its heads, measured; none for the recurrent network.
    pub heads: Vec<HeadScore>,
    /// Recall against distance.
    pub recall: Vec<Recall>,
}

/// The model with attention at one moment of its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Steps done.
    pub step: u64,
    /// Tokens learned from.
    pub num_tokens: u64,
    /// Loss on held-out rows, in nats a token.
    pub eval_loss: f64,
    /// Its heads, measured.
    pub heads: Vec<HeadScore>,
    /// The example under the lens: the last moment whole, the others thinned. None in older records, which have maps.
    #[serde(default)]
    pub probe: Option<Probe>,
    /// In older records: the example's maps `[L][H]`, each `[n, n]`, n being the example's length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<Vec<Vec<f32>>>,
    /// The weights, laid out by [`Params`](gradus_core::model::Params); not written out.
    #[serde(skip)]
    pub weights: Vec<f32>,
}

/// A song sung twice, but for its last word: the model should look back to what followed "fen".
fn example() -> Vec<u32> {
    let line: Vec<u32> = [1, 7, 12, 3, 20].map(|w| MADE_UP.token(w)).to_vec();
    let once = [vec![word::LA], line, vec![word::REFRAIN]].concat();
    let twice = [vec![EOS], once.clone(), once].concat();
    twice[..twice.len() - 2].to_vec()
}

/// What the model with attention leaves for the checks, beside the figures.
struct Trained {
    run: Run,
    snapshots: Vec<Snapshot>,
    trace: HeadTrace,
    ablations: Vec<Ablation>,
    faults: (f64, f64),
}

/// Runs the lesson.
///
/// # Errors
/// Those of [`pretrain`](super::pretrain()), and [`Error::Config`] for settings out of range.
pub async fn run(course: &mut Course<'_>, settings: &Settings) -> Result<Report<Figures>> {
    let context = settings.model.n_positions;
    if settings.lines == 0 || 6 * settings.lines + 1 > context || context < example().len() {
        return Err(Error::Config(format!("{} lines, twice, do not fit the context", settings.lines)));
    }
    if settings.recall.0 == 0 || settings.recall.0 > 20 || 3 * settings.recall.0 + 2 > context {
        return Err(Error::Config(format!("{} lines do not fit the context", settings.recall.0)));
    }
    if !(1..=48).contains(&settings.rnn_layers) {
        return Err(Error::Config("give the recurrent network 1 to 48 layers (rnn_layers)".into()));
    }
    course.stage("scores of random queries and keys").await?;
    let mut device = course.take_device()?;
    let widths = theory::widths(&mut *device, course.seed, &settings.widths).await?;
    course.put_back(device);

    let material = world_material(Mix::FULL, course.seed, context)?;
    let bigram = bigram(&material, course.seed, context);
    let floor = material.floor.unwrap_or(f64::NAN);
    let model = ModelConfig { vocab_size: material.tokenizer.vocab_size(), ..settings.model.clone() };

    let Trained { run, snapshots, trace, ablations, faults } = attention(course, settings, &model).await?;
    let mut runs = vec![run];
    if settings.one_head {
        runs.push(plain(course, settings, "one-head", &ModelConfig { n_head: 1, ..model.clone() }).await?);
    }
    if settings.one_layer {
        runs.push(plain(course, settings, "one-layer", &ModelConfig { n_layer: 1, ..model.clone() }).await?);
    }
    runs.push(recurrent(course, settings, &rnn_like(&model, settings.rnn_layers)).await?);

    let figures = Figures { widths, runs, snapshots, example: example(), trace, ablations, bigram, floor };
    Ok(Report { checks: checks::checks(&figures, faults, course.size), figures })
}

/// Cross-entropy of word pairs counted in training rows, on the held-out rows.
fn bigram(material: &Material, seed: u32, context: usize) -> f64 {
    let rows = WorldRows::training(Mix::FULL, seed, context);
    let mut train = vec![0; BIGRAM_ROWS as usize * (context + 1)];
    for (row, out) in (0..).zip(train.chunks_exact_mut(context + 1)) {
        rows.fill(row, out);
    }
    bigram_loss(&train, &material.validation, material.tokenizer.vocab_size())
}

/// A trainer on the course's device, at its initial weights.
fn start(
    course: &mut Course<'_>,
    architecture: Architecture,
    model: &ModelConfig,
    train: &TrainConfig,
) -> Result<Trainer> {
    let material = world_material(Mix::FULL, course.seed, model.n_positions)?;
    let mut trainer = Trainer::of(architecture, course.take_device()?, model, train, course.seed, material)?;
    trainer.init()?;
    Ok(trainer)
}

async fn attention(course: &mut Course<'_>, settings: &Settings, model: &ModelConfig) -> Result<Trained> {
    course.stage("training the model with attention").await?;
    let (train, context) = (&settings.train, model.n_positions);
    let mut trainer = start(course, Architecture::Gpt2, model, train)?;
    let lens = Lens::new(&mut *trainer.device, model, &trainer.params, BATCH, context)?;
    let repeated = Repeated::dictionary(course.seed, BATCH, settings.lines);
    let (mut turns, mut snapshots) = (Turns::default(), Vec::new());
    let last = settings.snapshots.max(2) - 1;
    for mark in 0..=last {
        advance(course, "attention", &mut trainer, &mut turns, train, mark * train.steps / last).await?;
        let mut snapshot = snapshot(&mut trainer, &lens, &repeated).await?;
        if mark < last {
            snapshot.probe = snapshot.probe.map(|p| p.thinned(DIGITS));
        }
        snapshots.push(snapshot);
    }
    course.stage("measuring its heads").await?;
    let device = &mut *trainer.device;
    let faults = lens.look(device, &repeated.rows).await?.faults();
    let (weights, heads, eval_loss) = snapshots
        .last()
        .map(|s| (s.weights.clone(), s.heads.clone(), s.eval_loss))
        .ok_or_else(|| Error::Graph("no snapshot was kept".into()))?;
    let look = lens.look(device, &[example()]).await?;
    let best = strongest(&heads).unwrap_or(heads[0]);
    let trace = look.trace(0, &example(), best.layer, best.head, example().len() - 1);
    let ablations =
        ablation::ablate(course, &mut trainer, &lens, &weights, &repeated, settings.ablation_rows).await?;
    lens.release(&mut *trainer.device);
    let mut run = Run {
        name: "attention".into(),
        parameters: model.parameters(),
        model: model.clone(),
        eval_loss,
        seconds_per_step: turns.pace().seconds_per_step(),
        sequential_steps: model.n_layer,
        heads,
        recall: Vec::new(),
    };
    run.recall = ask(course, settings, Architecture::Gpt2, trainer, model).await?;
    Ok(Trained { run, snapshots, trace, ablations, faults })
}

/// The head with the highest induction score, of a layer that has one below it.
fn strongest(heads: &[HeadScore]) -> Option<HeadScore> {
    let later = heads.iter().filter(|h| h.layer > 0);
    later.max_by(|a, b| a.induction.total_cmp(&b.induction)).copied()
}

async fn snapshot(trainer: &mut Trainer, lens: &Lens, repeated: &Repeated) -> Result<Snapshot> {
    let eval_loss = trainer.validate().await?;
    let heads = lens.look(&mut *trainer.device, &repeated.rows).await?.scores(repeated);
    let look = lens.look(&mut *trainer.device, &[example()]).await?;
    let weights = trainer.tensors().await?.params;
    let (step, num_tokens) = (trainer.step(), trainer.num_tokens());
    let probe = Some(Probe::of(&look, 0, &example()));
    Ok(Snapshot { step, num_tokens, eval_loss, heads, probe, maps: Vec::new(), weights })
}

/// A model with attention of another shape, trained alike.
async fn plain(course: &mut Course<'_>, settings: &Settings, name: &str, model: &ModelConfig) -> Result<Run> {
    course.stage(&format!("training the same model with {}", name.replace('-', " "))).await?;
    let train = &settings.train;
    let mut trainer = start(course, Architecture::Gpt2, model, train)?;
    let mut turns = Turns::default();
    advance(course, name, &mut trainer, &mut turns, train, train.steps).await?;
    let lens = Lens::new(&mut *trainer.device, model, &trainer.params, BATCH, model.n_positions)?;
    let repeated = Repeated::dictionary(course.seed, BATCH, settings.lines);
    let heads = lens.look(&mut *trainer.device, &repeated.rows).await?.scores(&repeated);
    lens.release(&mut *trainer.device);
    let eval_loss = trainer.validate().await?;
    Ok(Run {
        name: name.into(),
        parameters: model.parameters(),
        model: model.clone(),
        eval_loss,
        seconds_per_step: turns.pace().seconds_per_step(),
        sequential_steps: model.n_layer,
        heads,
        recall: ask(course, settings, Architecture::Gpt2, trainer, model).await?,
    })
}

async fn recurrent(course: &mut Course<'_>, settings: &Settings, model: &ModelConfig) -> Result<Run> {
    course.stage("training a recurrent network of as many parameters").await?;
    let train = TrainConfig { lr: settings.rnn_lr, ..settings.train.clone() };
    let mut trainer = start(course, Architecture::Gru, model, &train)?;
    let mut turns = Turns::default();
    advance(course, "gru", &mut trainer, &mut turns, &train, train.steps).await?;
    let eval_loss = trainer.validate().await?;
    Ok(Run {
        name: "gru".into(),
        parameters: rnn_parameters(model),
        model: model.clone(),
        eval_loss,
        seconds_per_step: turns.pace().seconds_per_step(),
        sequential_steps: model.n_layer * model.n_positions,
        heads: Vec::new(),
        recall: ask(course, settings, Architecture::Gru, trainer, model).await?,
    })
}

/// Recall against distance; gives the device back.
async fn ask(
    course: &mut Course<'_>,
    settings: &Settings,
    architecture: Architecture,
    mut trainer: Trainer,
    model: &ModelConfig,
) -> Result<Vec<Recall>> {
    let (device, params) = (&mut *trainer.device, architecture.params(model));
    let sizes = (BATCH, model.n_positions, model.vocab_size);
    let scorer = Scorer::of(architecture, device, model, &params, BATCH, model.n_positions)?;
    let recall = recall::recall(&scorer, device, sizes, course.seed, settings.recall).await?;
    course.put_back(trainer.into_device());
    Ok(recall)
}
