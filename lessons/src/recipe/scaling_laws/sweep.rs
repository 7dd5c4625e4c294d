//! The runs of the sweep.

use super::Settings;
use crate::loader::{check_context, world_material};
use crate::material::WorldRows;
use crate::recipe::Course;
use crate::world::{Kind, Mix, Row};
use gradus_core::generate::Scorer;
use gradus_core::protocol::{Attention, Init, ModelConfig, Schedule, TrainConfig};
use gradus_core::train::{Trainer, Turns};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Rows of one forward pass.
const FORWARD: usize = 32;
/// Between the seeds of runs of one size.
const SEED_STEP: u32 = 1000;

/// One measurement: a size after so many tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// C.
    pub width: usize,
    /// Which of the runs of this size.
    pub seed: u32,
    /// N, parameters with embeddings.
    pub n: f64,
    /// D, tokens learned from.
    pub d: f64,
    /// Loss of the averaged weights on the held-out rows, nats a token.
    pub loss: f64,
    /// Loss less the rows' own surprisal, and its standard error over rows.
    pub excess: f64,
    /// See `excess`.
    pub se: f64,
    /// The excess by kind of document, with its standard error over rows that hold the kind.
    pub kinds: Vec<(Kind, f64, f64)>,
}

/// What all runs share: the held-out rows and their surprisal.
pub(super) struct Sweep {
    seed: u32,
    rows: Vec<Row>,
    tokens: Vec<Vec<u32>>,
    /// Mean surprisal of the held-out rows, nats a token: what no model of the world gets below on them.
    pub(super) floor: f64,
}

impl Sweep {
    pub(super) fn new(seed: u32, settings: &Settings) -> Result<Self> {
        let positive =
            settings.rows > 0 && settings.context > 0 && settings.batch > 0 && settings.checkpoints > 0;
        if !positive || settings.widths.len() < 3 || settings.seeds == 0 {
            return Err(Error::Config(
                "a sweep needs three widths or more, and rows, context, batch, checkpoints and seeds of 1 or more"
                    .into(),
            ));
        }
        check_context(settings.context)?;
        let world = WorldRows::held_out(Mix::PROSE, seed, settings.context);
        let rows: Vec<Row> = (0..settings.rows as u64).map(|i| world.row(i)).collect();
        let nats: f64 = rows.iter().flat_map(|r| &r.surprisal).map(|&s| f64::from(s)).sum();
        let floor = nats / (settings.rows * settings.context) as f64;
        let tokens = rows.iter().map(|r| r.tokens.clone()).collect();
        Ok(Self { seed, rows, tokens, floor })
    }

    fn model(settings: &Settings, width: usize, vocab: usize) -> ModelConfig {
        ModelConfig {
            n_layer: settings.layers,
            n_embd: width,
            n_head: (width / settings.head_width.max(1)).max(2),
            n_positions: settings.context,
            vocab_size: vocab,
            attention: Attention::Flash,
            scale_attn_weights: true,
            init: Init::World,
        }
    }

    /// Steps after which a run is measured, ascending.
    fn moments(settings: &Settings) -> Vec<u64> {
        let a_step = (settings.batch * settings.context) as f64;
        let tokens = |k: usize| settings.tokens as f64 / 2f64.powf(k as f64 / 2.0);
        let mut moments: Vec<u64> =
            (0..settings.checkpoints).map(|k| (tokens(k) / a_step) as u64).filter(|&s| s > 0).collect();
        moments.sort_unstable();
        moments.dedup();
        moments
    }

    /// N and D of the last measurement of this width.
    pub(super) fn end(&self, settings: &Settings, width: usize) -> (f64, f64) {
        let vocab = crate::world::vocabulary().len();
        let steps = Self::moments(settings).last().copied().unwrap_or(0);
        let n = Self::model(settings, width, vocab).parameters() as f64;
        (n, (steps * (settings.batch * settings.context) as u64) as f64)
    }

    /// Trains and measures all runs of this width.
    pub(super) async fn train(
        &self,
        course: &mut Course<'_>,
        settings: &Settings,
        width: usize,
    ) -> Result<Vec<Measured>> {
        let mut out = Vec::new();
        for run in 0..settings.seeds {
            out.extend(self.run(course, settings, width, run).await?);
        }
        Ok(out)
    }

    async fn run(
        &self,
        course: &mut Course<'_>,
        settings: &Settings,
        width: usize,
        run: u32,
    ) -> Result<Vec<Measured>> {
        let seed = self.seed.wrapping_add(run * SEED_STEP);
        let material = world_material(Mix::PROSE, seed, settings.context)?;
        let model = Self::model(settings, width, material.tokenizer.vocab_size());
        let moments = Self::moments(settings);
        let steps = moments.last().copied().unwrap_or(0);
        let train = TrainConfig {
            steps,
            batch: settings.batch,
            lr: settings.lr * (32.0 / width as f64).powf(settings.lr_exponent),
            warmup: settings.warmup_tokens / (settings.batch * settings.context) as u64,
            schedule: Schedule::Constant,
            ..TrainConfig::default()
        };
        let mut trainer = Trainer::new(course.take_device()?, &model, &train, seed, material)?;
        trainer.keep_average(settings.average)?;
        trainer.init()?;
        let (batch, context) = (FORWARD.min(settings.rows), settings.context);
        let scorer = Scorer::new(&mut *trainer.device, &model, &trainer.params, batch, context)?;
        let name = if run == 0 { format!("d{width}") } else { format!("d{width}-{run}") };
        let mut turns = Turns::default();
        let mut out = Vec::new();
        for moment in moments {
            while trainer.step() < moment {
                let steps = turns.due(0).min(moment - trainer.step()).min(trainer.most_steps());
                let turn = trainer.turn(steps)?;
                for m in turns.follow(turn, trainer.step() == moment).await? {
                    if !m.loss.is_finite() {
                        return Err(Error::Diverged { step: m.step, loss: m.loss.to_string(), good: 0 });
                    }
                    let tokens = (m.step * trainer.tokens_per_step()) as f64;
                    let values = [("loss", f64::from(m.loss)), ("num_tokens", tokens)];
                    course.metrics(&name, m.step, &values).await?;
                }
                course.progress(trainer.step(), train.steps).await?;
            }
            // Before the average's first update the weights themselves are measured.
            let averaged = moment >= settings.average.every;
            if averaged {
                trainer.swap_average().await?;
            }
            let mut logp = Vec::with_capacity(self.tokens.len());
            for rows in self.tokens.chunks(batch) {
                logp.extend(scorer.score(&mut *trainer.device, rows).await?);
                course.progress(trainer.step(), train.steps).await?;
            }
            if averaged {
                trainer.swap_average().await?;
            }
            let measured =
                self.measured(&logp, width, run, [model.parameters() as f64, trainer.num_tokens() as f64]);
            let values = [
                ("eval_loss", measured.loss),
                ("eval_excess", measured.excess),
                ("num_tokens", measured.d),
                ("num_parameters", measured.n),
            ];
            course.metrics(&name, moment, &values).await?;
            out.push(measured);
        }
        course.put_back(trainer.into_device());
        Ok(out)
    }

    fn measured(&self, logp: &[Vec<f32>], width: usize, seed: u32, [n, d]: [f64; 2]) -> Measured {
        let of = |kind: Option<Kind>| {
            let rows = self.rows.iter().zip(logp).filter_map(|(row, logp)| {
                let picked = (0..logp.len()).filter(|&t| kind.is_none_or(|k| row.kinds[t] == k));
                let (sum, count) = picked.fold((0.0, 0.0), |(sum, count), t| {
                    (sum - f64::from(logp[t]) - f64::from(row.surprisal[t]), count + 1.0)
                });
                (count > 0.0).then_some((sum, count))
            });
            ratio(&rows.collect::<Vec<_>>())
        };
        let (excess, se) = of(None).unwrap_or((f64::NAN, f64::NAN));
        let kinds = Kind::ALL.into_iter().filter_map(|k| of(Some(k)).map(|(x, se)| (k, x, se))).collect();
        Measured { width, seed, n, d, loss: self.floor + excess, excess, se, kinds }
    }
}

/// The mean of all tokens and its standard error, rows being what is independent: `(sum, count)` of each row. None
/// for fewer than two rows.
fn ratio(rows: &[(f64, f64)]) -> Option<(f64, f64)> {
    if rows.len() < 2 {
        return None;
    }
    let (sum, count) = rows.iter().fold((0.0, 0.0), |a, r| (a.0 + r.0, a.1 + r.1));
    let mean = sum / count;
    let squares: f64 = rows.iter().map(|r| (r.0 - mean * r.1).powi(2)).sum();
    let n = rows.len() as f64;
    Some((mean, (squares * n / (n - 1.0)).sqrt() / count))
}
