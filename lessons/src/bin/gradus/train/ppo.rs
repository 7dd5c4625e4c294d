//! `gradus train ppo`: a policy learns to earn a reward model's score on the user's prompts.

use super::{Common, Order, data};
use crate::{Outcome, open};
use clap::ValueEnum;
use gradus_core::model::ModelFolder;
use gradus_core::objective::ppo::KlEstimator;
use gradus_core::train::{Ppo, PpoConfig};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// A reward model: a Hugging Face GPT2ForSequenceClassification folder of one label.
    #[arg(long, value_name = "DIR")]
    reward_model: PathBuf,
    /// What a nat of KL to the reference costs.
    #[arg(long, default_value_t = 0.05)]
    kl_coef: f64,
    /// How it is estimated.
    #[arg(long, value_enum, default_value = "k1")]
    kl_estimator: Estimator,
    /// How far a ratio may move from 1.
    #[arg(long, default_value_t = 0.2)]
    cliprange: f64,
    /// How far a value may move from what it was.
    #[arg(long, default_value_t = 0.2)]
    cliprange_value: f64,
    /// Weight of the value loss.
    #[arg(long, default_value_t = 0.1)]
    vf_coef: f64,
    /// Passes over the answers of an iteration.
    #[arg(long, default_value_t = 4)]
    num_ppo_epochs: usize,
    /// Minibatches of a pass; must divide the batch.
    #[arg(long, default_value_t = 1)]
    num_mini_batches: usize,
    /// Discount.
    #[arg(long, default_value_t = 1.0)]
    gamma: f64,
    /// λ of generalised advantage estimation.
    #[arg(long, default_value_t = 0.95)]
    lam: f64,
    /// Scale rewards to variance 1.
    #[arg(long)]
    whiten_rewards: bool,
    /// What an answer without an end costs.
    #[arg(long)]
    missing_eos_penalty: Option<f64>,
    /// What logits are divided by.
    #[arg(long, default_value_t = 0.7)]
    temperature: f32,
    /// Tokens of the longest answer.
    #[arg(long, default_value_t = 53)]
    response_length: usize,
    /// Id of the token that ends an answer; by default the tokenizer's end of text.
    #[arg(long, value_name = "ID")]
    stop_token: Option<u32>,
    /// Ids of tokens that no answer may hold.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    forbid: Vec<u32>,
    /// Bring scores to mean 0 and deviation 1 by those of the first iteration.
    #[arg(long)]
    standardise: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Estimator {
    K1,
    K3,
}

/// Trains. Each iteration is one step of the log, under TRL's names.
pub(super) async fn train(args: &Args) -> Outcome {
    let common = &args.common;
    let policy = ModelFolder::read_dir(&common.model)?;
    let reward = ModelFolder::read_dir(&args.reward_model)?;
    let lines = data::read(&common.data, &[], policy.tokenizer.as_ref(), policy.config.vocab_size)?;
    let longest = lines.iter().map(|l| l.prompt.len()).max().unwrap_or(1);
    let eos = policy.tokenizer.as_ref().and_then(|t| t.eos());
    let stop = args
        .stop_token
        .or(eos)
        .ok_or("the model folder has no tokenizer.json that names an end: give --stop-token")?;
    let steps = common.steps.unwrap_or(lines.len().div_ceil(common.batch.max(1)) as u64);
    let config = PpoConfig {
        train: common.optimizer(steps, common.batch, 3e-6),
        num_ppo_epochs: args.num_ppo_epochs,
        num_mini_batches: args.num_mini_batches,
        kl_coef: args.kl_coef,
        kl_estimator: match args.kl_estimator {
            Estimator::K1 => KlEstimator::K1,
            Estimator::K3 => KlEstimator::K3,
        },
        cliprange: args.cliprange,
        cliprange_value: args.cliprange_value,
        vf_coef: args.vf_coef,
        gamma: args.gamma,
        lam: args.lam,
        whiten_rewards: args.whiten_rewards,
        missing_eos_penalty: args.missing_eos_penalty,
        temperature: args.temperature,
        response_length: args.response_length,
        prompt_length: longest,
        stop,
        forbidden: args.forbid.clone(),
        standardise: args.standardise,
    };
    let device = open(common.device, &policy.config, common.batch)?;
    let name = device.name();
    let mut ppo = Ppo::new(device, &policy, &reward, &config, common.seed)?;
    let mut log = common.outputs()?;
    let start = std::time::Instant::now();
    let mut order = Order::new(lines.len(), !common.no_shuffle, common.seed);
    let mut last = Value::Null;
    for step in 1..=steps {
        let prompts: Vec<Vec<u32>> = (0..common.batch).map(|_| lines[order.next()].prompt.clone()).collect();
        let metrics = ppo.iterate(&prompts).await?.metrics();
        let mut line = Map::from_iter([("step".to_owned(), json!(step))]);
        line.extend(metrics.iter().map(|&(name, value)| (name.to_owned(), json!(value))));
        last = Value::Object(line);
        if let Some(log) = &mut log {
            writeln!(log, "{last}")?;
        }
        eprintln!("iteration {step}/{steps} rlhf_reward {}", last["objective/rlhf_reward"]);
    }
    if let Some(log) = &mut log {
        log.flush()?;
    }
    if let Some(dir) = &common.out {
        ppo.folder().await?.write_dir(dir)?;
        eprintln!("wrote {}", dir.display());
    }
    let report = json!({
        "device": name, "seconds": start.elapsed().as_secs_f64(), "models": ppo.models(), "last": last,
    });
    println!("{report}");
    Ok(())
}
