//! `gradus train`: fine-tunes a model on the user's own data, under TRL's names.

mod data;
mod ppo;

use super::{Device, Outcome, ScheduleArg, open, output};
use clap::Subcommand;
use data::Line;
use gradus_core::generate::{Judge, JudgeShape};
use gradus_core::model::{Lora, ModelFolder, Params};
use gradus_core::objective::dpo;
use gradus_core::protocol::TrainConfig;
use gradus_core::rng::{Rng, Stream};
use gradus_core::train::{Example, Objective, Reference, Tuner, Tuning, sft_step};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{LineWriter, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    /// Supervised fine-tuning on lines of {"prompt", "completion"}.
    Sft(Sft),
    /// A reward model from lines of {"prompt", "chosen", "rejected"}.
    Reward(Reward),
    /// Direct preference optimisation on lines of {"prompt", "chosen", "rejected"}.
    Dpo(Dpo),
    /// PPO against a reward model on lines of {"prompt"}.
    Ppo(ppo::Args),
}

#[derive(clap::Args)]
struct Sft {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    adapters: Adapters,
    /// Learn the prompt's tokens too.
    #[arg(long)]
    no_mask: bool,
}

#[derive(clap::Args)]
struct Reward {
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Dpo {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    adapters: Adapters,
    /// β.
    #[arg(long, default_value_t = 0.1)]
    beta: f64,
    /// Share of labels taken to be wrong.
    #[arg(long, default_value_t = 0.0)]
    label_smoothing: f64,
    /// Weight of the chosen answer's mean NLL.
    #[arg(long, default_value_t = 0.0)]
    nll: f64,
}

#[derive(clap::Args)]
struct Adapters {
    /// Learn LoRA adapters of this rank (on c_attn and c_proj), merged into the model that is written.
    #[arg(long)]
    lora_rank: Option<usize>,
    /// LoRA's alpha; by default twice the rank.
    #[arg(long, requires = "lora_rank")]
    lora_alpha: Option<f64>,
}

impl Adapters {
    fn lora(&self) -> Option<Lora> {
        let rank = self.lora_rank?;
        Some(Lora { rank, alpha: self.lora_alpha.unwrap_or(2.0 * rank as f64), ..Lora::default() })
    }
}

#[derive(clap::Args)]
struct Common {
    /// A Hugging Face GPT-2 folder.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// One JSON object a line; each text is a string or an array of token ids.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Take the lines in their order: batch i is lines i·N ….
    #[arg(long)]
    no_shuffle: bool,
    /// Lines of a step.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Peak learning rate; by default TRL's for this kind of training.
    #[arg(long)]
    lr: Option<f64>,
    /// What follows the warm-up.
    #[arg(long, value_enum, default_value = "constant")]
    lr_schedule: ScheduleArg,
    /// Warm-up steps.
    #[arg(long, default_value_t = 0)]
    warmup: u64,
    /// Steps; by default once through the data.
    #[arg(long)]
    steps: Option<u64>,
    /// Decoupled weight decay, on matrices.
    #[arg(long, default_value_t = 0.0)]
    weight_decay: f64,
    /// Global gradient norm above which gradients are scaled down; 0 means never.
    #[arg(long, default_value_t = 1.0)]
    max_grad_norm: f64,
    /// AdamW's beta 1.
    #[arg(long, default_value_t = 0.9)]
    beta1: f64,
    /// AdamW's beta 2.
    #[arg(long, default_value_t = 0.999)]
    beta2: f64,
    /// AdamW's epsilon.
    #[arg(long, default_value_t = 1e-8)]
    eps: f64,
    /// Seed of the order, and of LoRA's first weights.
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Where the model folder goes.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// One JSON object a step.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Where to compute.
    #[arg(long)]
    device: Option<Device>,
}

impl Common {
    fn optimizer(&self, steps: u64, batch: usize, lr: f64) -> TrainConfig {
        TrainConfig {
            steps,
            batch,
            accumulate: 1,
            lr: self.lr.unwrap_or(lr),
            warmup: self.warmup,
            schedule: self.lr_schedule.into(),
            beta1: self.beta1,
            beta2: self.beta2,
            eps: self.eps,
            weight_decay: self.weight_decay,
            max_grad_norm: self.max_grad_norm,
            validate_every: 0,
            checkpoint_every: 0,
        }
    }

    /// Makes sure that the model can be written, and opens the file of one JSON object a step, if one was asked for.
    fn outputs(&self) -> Result<Option<LineWriter<File>>, String> {
        self.out.as_deref().map_or(Ok(()), output::make_folder)?;
        self.log.as_deref().map(output::create).transpose()
    }
}

/// What distinguishes the kinds.
struct Job {
    objective: Objective,
    fields: &'static [&'static str],
    lr: f64,
    lora: Option<Lora>,
    /// A line's rows.
    rows: fn(&Line) -> Vec<Example>,
}

pub(crate) fn run(args: Args) -> Outcome {
    const PAIR: &[&str] = &["chosen", "rejected"];
    // Learning rates are TRL's defaults.
    let (common, job) = match args.kind {
        Kind::Sft(Sft { common, adapters, no_mask }) => {
            let rows: fn(&Line) -> Vec<Example> = match no_mask {
                false => |line| vec![Example::answer(&line.prompt, &line.answers[0])],
                true => |line| vec![Example::whole(&[&line.prompt[..], &line.answers[0]].concat())],
            };
            let fields = &["completion"];
            (common, Job { objective: Objective::Sft, fields, lr: 2e-5, lora: adapters.lora(), rows })
        }
        Kind::Reward(Reward { common }) => {
            let rows = |line: &Line| {
                let row = |answer: &Vec<u32>| Example::scored(&[&line.prompt[..], answer].concat());
                line.answers.iter().map(row).collect()
            };
            (common, Job { objective: Objective::Reward, fields: PAIR, lr: 1e-4, lora: None, rows })
        }
        Kind::Ppo(args) => return pollster::block_on(ppo::train(&args)),
        Kind::Dpo(Dpo { common, adapters, beta, label_smoothing, nll }) => {
            let loss = dpo::Dpo { beta, label_smoothing, nll };
            let rows = |line: &Line| line.answers.iter().map(|a| Example::answer(&line.prompt, a)).collect();
            let objective = Objective::Dpo { loss, reference: Reference::Cached };
            (common, Job { objective, fields: PAIR, lr: 1e-6, lora: adapters.lora(), rows })
        }
    };
    pollster::block_on(train(&common, &job))
}

async fn train(args: &Common, job: &Job) -> Outcome {
    if !(1..=512).contains(&args.batch) {
        return Err("--batch must be 1 to 512 lines".into());
    }
    let folder = ModelFolder::read_dir(&args.model)?;
    let lines = data::read(&args.data, job.fields, folder.tokenizer.as_ref(), folder.config.vocab_size)?;
    let mut groups: Vec<Vec<Example>> = lines.iter().map(job.rows).collect();
    let context = context(args, job, &folder, &lines)?;
    let rows = args.batch * groups[0].len();
    let steps = args.steps.unwrap_or(groups.len().div_ceil(args.batch) as u64);
    let train = args.optimizer(steps, rows, job.lr);
    let tuning = Tuning { objective: job.objective, train, context, lora: job.lora, forbidden: Vec::new() };
    let device = open(args.device, &folder.config, rows)?;
    let name = device.name();
    let mut tuner = Tuner::new(device, &folder.config, &tuning)?;
    tuner.open(&folder, args.seed)?;
    let mut log = args.outputs()?;
    if let Objective::Dpo { .. } = job.objective {
        reference(&mut tuner, &mut groups, rows, context).await?;
    }
    let start = std::time::Instant::now();
    let mut order = Order::new(groups.len(), !args.no_shuffle, args.seed);
    let mut last = Value::Null;
    while tuner.step() < steps {
        let now = (steps - tuner.step()).min(tuner.most_steps() as u64);
        let step = |_| {
            let rows = (0..args.batch).flat_map(|_| groups[order.next()].clone()).collect();
            if job.objective == Objective::Sft { sft_step(rows, Vec::new(), 0.0) } else { rows }
        };
        let examples: Vec<Vec<Example>> = (0..now).map(step).collect();
        tuner.submit(&examples)?;
        for done in tuner.collect().await? {
            let mut line = Map::from_iter([("step".to_owned(), json!(done.step))]);
            line.extend(done.metrics.iter().map(|&(name, value)| (name.to_owned(), json!(value))));
            if !done.get("loss").is_finite() {
                return Err(format!(
                    "the loss became {} at step {}: the learning rate is probably too high, try a lower --lr",
                    done.get("loss"),
                    done.step
                )
                .into());
            }
            last = Value::Object(line);
            if let Some(log) = &mut log {
                writeln!(log, "{last}")?;
            }
        }
        eprintln!("step {}/{steps} loss {}", tuner.step(), last["loss"]);
    }
    if let Some(log) = &mut log {
        log.flush()?;
    }
    if let Some(dir) = &args.out {
        tuner.folder(folder.tokenizer.clone()).await?.write_dir(dir)?;
        eprintln!("wrote {}", dir.display());
    }
    println!("{}", json!({ "device": name, "seconds": start.elapsed().as_secs_f64(), "last": last }));
    Ok(())
}

/// Positions of the longest row.
fn context(args: &Common, job: &Job, folder: &ModelFolder, lines: &[Line]) -> Result<usize, String> {
    let spare = usize::from(job.objective != Objective::Reward);
    let most = folder.config.n_positions + spare;
    let mut longest = 2;
    for line in lines {
        let length = line.prompt.len() + line.answers.iter().map(Vec::len).max().unwrap_or(0);
        if length > most {
            return Err(format!(
                "{}, line {}: prompt and answer have {length} tokens, and the model takes {most}: shorten them",
                args.data.display(),
                line.number
            ));
        }
        longest = longest.max(length);
    }
    Ok(longest - spare)
}

/// Gives each example its log-probability under the model as it was opened.
async fn reference(
    tuner: &mut Tuner,
    groups: &mut [Vec<Example>],
    rows: usize,
    context: usize,
) -> gradus_core::Result<()> {
    let (model, params) = (tuner.model.clone(), Params::new(&tuner.model));
    let shape = JudgeShape { prefix: "", batch: rows, context, forbidden: &[] };
    let judge = Judge::log_probs(&mut *tuner.device, &model, &params, shape)?;
    let flat: Vec<Example> = groups.iter().flatten().cloned().collect();
    let given = judge.judge(&mut *tuner.device, &flat).await?;
    groups.iter_mut().flatten().zip(given).for_each(|(example, logp)| example.first = logp);
    judge.release(&mut *tuner.device);
    Ok(())
}

/// Lines in their order or shuffled anew for each pass through them.
struct Order {
    lines: Vec<usize>,
    at: usize,
    shuffle: Option<Rng>,
}

impl Order {
    fn new(count: usize, shuffle: bool, seed: u32) -> Self {
        let shuffle = shuffle.then(|| Rng::new(seed, Stream::Batch));
        Self { lines: (0..count).collect(), at: 0, shuffle }
    }

    fn next(&mut self) -> usize {
        if self.at.is_multiple_of(self.lines.len())
            && let Some(rng) = &mut self.shuffle
        {
            rng.shuffle(&mut self.lines);
        }
        self.at += 1;
        self.lines[(self.at - 1) % self.lines.len()]
    }
}
