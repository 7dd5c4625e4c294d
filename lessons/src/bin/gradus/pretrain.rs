//! `gradus pretrain`: trains a model and writes its folder and a log.

use super::{Device, Outcome, ScheduleArg, open, output};
use clap::ValueEnum;
use gradus_core::data::Loader;
use gradus_core::model::{ModelFolder, check_config};
use gradus_core::protocol::{Attention, DeviceChoice, Init, ModelConfig, RunConfig, Source, TrainConfig};
use gradus_core::train::Trainer;
use gradus_lessons::loader::CourseLoader;
use serde_json::json;
use std::fs::File;
use std::io::{LineWriter, Write};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("source").required(true).args(["world", "text"])))]
pub(crate) struct Args {
    /// Learn the built-in world.
    #[arg(long)]
    world: bool,
    /// Learn this text file.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// A named size: 4k, 10k, 40k, 127k, 177k, 856k, 10m.
    #[arg(long, conflicts_with = "config", required_unless_present_any = ["config", "resume"])]
    preset: Option<String>,
    /// The model's shape: a JSON object {"n_layer", "n_embd", "n_head", "n_positions"}, or a file of one.
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// Vocabulary of the byte-level BPE that --text trains, 128 to 1024.
    #[arg(long, default_value_t = 512)]
    vocab: u32,
    /// Steps of the whole run; with --resume those already done are among them.
    #[arg(long, default_value_t = 2000)]
    steps: u64,
    /// Rows of a micro-batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Micro-batches of a step.
    #[arg(long, default_value_t = 1)]
    accumulate: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 8.5e-3)]
    lr: f64,
    /// Warm-up steps; by default a twentieth of all.
    #[arg(long)]
    warmup: Option<u64>,
    /// What follows the warm-up.
    #[arg(long, value_enum, default_value = "cosine")]
    lr_schedule: ScheduleArg,
    /// Decoupled weight decay, on matrices.
    #[arg(long, default_value_t = 0.01)]
    weight_decay: f64,
    /// Global gradient norm above which gradients are scaled down; 0 means never.
    #[arg(long, default_value_t = 1.0)]
    max_grad_norm: f64,
    /// AdamW's beta 1.
    #[arg(long, default_value_t = 0.9)]
    beta1: f64,
    /// AdamW's beta 2.
    #[arg(long, default_value_t = 0.98)]
    beta2: f64,
    /// How attention is computed.
    #[arg(long, value_enum, default_value = "flash")]
    attention: AttentionArg,
    /// How weights begin.
    #[arg(long, value_enum, default_value = "world")]
    init: InitArg,
    /// Steps between held-out losses.
    #[arg(long, default_value_t = 100)]
    validate_every: u64,
    /// Seed of weights and batches (and of the world's documents).
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Go on with this folder's weights, and with its run where it holds one. Its model needs no --preset.
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
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

#[derive(Clone, Copy, ValueEnum)]
enum AttentionArg {
    Flash,
    Materialised,
}

#[derive(Clone, Copy, ValueEnum)]
enum InitArg {
    World,
    Gpt2,
}

pub(crate) fn run(args: Args) -> Outcome {
    let resumed = args.resume.as_deref().map(ModelFolder::read_dir).transpose()?;
    let mut config = run_config(&args, resumed.as_ref())?;
    let context = config.model.n_positions;
    let tokenizer = resumed.as_ref().and_then(|f| f.tokenizer.as_ref());
    let material =
        CourseLoader.load(&config.source, context, tokenizer, &mut |what, _| eprintln!("{what} …"))?;
    let tokenizer = material.tokenizer.clone();
    let (floor, bigram) = (material.floor, material.bigram);
    let known = tokenizer.vocab_size();
    if config.model.vocab_size == 0 {
        config.model.vocab_size = known;
    } else if config.model.vocab_size < known {
        let model = config.model.vocab_size;
        return Err(format!(
            "the model knows {model} tokens and the tokenizer {known}: set vocab_size to {known}, or leave it out"
        )
        .into());
    }
    check_config(&config.model)?;
    let device = open(args.device, &config.model, config.train.batch)?;
    let name = device.name();
    let mut trainer = Trainer::new(device, &config.model, &config.train, config.seed, material)?;
    match &resumed {
        None => trainer.init()?,
        Some(folder) => trainer.open(folder)?,
    }
    let parameters = config.model.parameters();
    eprintln!("{parameters} parameters, {} bytes on {name}", trainer.device.bytes());
    args.out.as_deref().map_or(Ok(()), output::make_folder)?;
    let mut log = args.log.as_deref().map(output::create).transpose()?;
    let start = std::time::Instant::now();
    let first = trainer.step();
    let validation = pollster::block_on(train(&mut trainer, &config.train, &mut log))?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(dir) = &args.out {
        pollster::block_on(trainer.folder(Some(&config), Some(tokenizer)))?.write_dir(dir)?;
        eprintln!("wrote {}", dir.display());
    }
    let tokens = (trainer.step() - first) * trainer.tokens_per_step();
    println!(
        "{}",
        json!({
            "steps": trainer.step(),
            "num_tokens": trainer.num_tokens(),
            "parameters": parameters,
            "eval_loss": validation,
            "floor": floor,
            "bigram": bigram,
            "device": name,
            "seconds": seconds,
            "tokens_per_second": tokens as f64 / seconds,
        })
    );
    Ok(())
}

async fn train(
    trainer: &mut Trainer,
    train: &TrainConfig,
    log: &mut Option<LineWriter<File>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut validation = f64::NAN;
    while trainer.step() < train.steps {
        let now = trainer.step();
        let until = |every: u64| if every == 0 { u64::MAX } else { every - now % every };
        trainer.submit(trainer.most_steps().min(until(train.validate_every)).min(train.steps - now))?;
        let measured = trainer.collect().await?;
        if let Some(bad) = measured.iter().find(|m| !m.loss.is_finite()) {
            return Err(format!(
                "the loss became {} at step {}: the learning rate is probably too high, try a lower --lr",
                bad.loss, bad.step
            )
            .into());
        }
        let step = trainer.step();
        let validate =
            (train.validate_every != 0 && step.is_multiple_of(train.validate_every)) || step == train.steps;
        if validate {
            validation = trainer.validate().await?;
            let last = measured.last().map_or(f32::NAN, |m| m.loss);
            eprintln!("step {step}/{} loss {last:.4} eval_loss {validation:.4}", train.steps);
        }
        if let Some(log) = log {
            for m in &measured {
                let mut line = json!({
                    "step": m.step,
                    "loss": m.loss,
                    "grad_norm": m.grad_norm,
                    "learning_rate": gradus_core::train::learning_rate(train, m.step),
                    "num_tokens": m.step * trainer.tokens_per_step(),
                });
                if validate && m.step == step {
                    line["eval_loss"] = validation.into();
                }
                writeln!(log, "{line}")?;
            }
        }
    }
    if let Some(log) = log {
        log.flush()?;
    }
    Ok(validation)
}

fn run_config(args: &Args, resumed: Option<&ModelFolder>) -> Result<RunConfig, Box<dyn std::error::Error>> {
    let model = model(args, resumed)?;
    let run = resumed.and_then(|folder| folder.trainer.as_ref());
    let seed = run.map_or(args.seed, |t| t.run.seed);
    if let Some(run) = run.filter(|t| t.step >= args.steps) {
        return Err(format!(
            "the run to go on with has done {} steps, and --steps {} counts them: give more",
            run.step, args.steps
        )
        .into());
    }
    let source = match &args.text {
        None => Source::World { seed },
        Some(path) => Source::Text { text: read_text(path)?, vocab: args.vocab },
    };
    let train = TrainConfig {
        steps: args.steps,
        batch: args.batch,
        accumulate: args.accumulate,
        lr: args.lr,
        warmup: args.warmup.unwrap_or(args.steps / 20),
        schedule: args.lr_schedule.into(),
        beta1: args.beta1,
        beta2: args.beta2,
        eps: 1e-8,
        weight_decay: args.weight_decay,
        max_grad_norm: args.max_grad_norm,
        validate_every: args.validate_every,
        checkpoint_every: 0,
    };
    Ok(RunConfig { source, model, train, seed, device: DeviceChoice::Auto })
}

/// The model that was asked for, or the one to go on with.
fn model(args: &Args, resumed: Option<&ModelFolder>) -> Result<ModelConfig, Box<dyn std::error::Error>> {
    let attention = match args.attention {
        AttentionArg::Flash => Attention::Flash,
        AttentionArg::Materialised => Attention::Materialised,
    };
    let init = match args.init {
        InitArg::World => Init::World,
        InitArg::Gpt2 => Init::Gpt2,
    };
    let asked = match (&args.preset, &args.config) {
        (Some(name), _) => Some(ModelConfig::preset(name).ok_or_else(|| {
            let names: Vec<&str> = ModelConfig::PRESETS.iter().map(|p| p.0).collect();
            format!("there is no preset {name}: choose one of {}", names.join(", "))
        })?),
        (None, Some(config)) => Some(read_config(config)?),
        (None, None) => None,
    };
    let Some(ModelFolder { config, .. }) = resumed else {
        let asked = asked.ok_or("give --preset or --config, or --resume a model")?;
        return Ok(ModelConfig { attention, init, ..asked });
    };
    // How attention is computed and how weights began is no part of a model's shape, nor is a vocabulary left open.
    let shape = |asked: ModelConfig| ModelConfig {
        vocab_size: if asked.vocab_size == 0 { config.vocab_size } else { asked.vocab_size },
        attention: config.attention,
        init: config.init,
        ..asked
    };
    if asked.is_some_and(|asked| shape(asked) != *config) {
        return Err("--preset or --config is another model than the one to go on with: leave it out".into());
    }
    Ok(ModelConfig { attention, ..config.clone() })
}

fn read_config(config: &str) -> Result<ModelConfig, Box<dyn std::error::Error>> {
    let text = if config.trim_start().starts_with('{') {
        config.to_string()
    } else {
        std::fs::read_to_string(config).map_err(|e| format!("{config} cannot be read: {e}"))?
    };
    Ok(serde_json::from_str(&text).map_err(|e| format!("--config is no model configuration: {e}"))?)
}

fn read_text(path: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    Ok(gradus_core::text::prepare_text(&bytes)?.to_string())
}
