//! `gradus flops`: what a training step costs.

use super::Outcome;
use clap::builder::RangedU64ValueParser;
use gradus_core::protocol::ModelConfig;
use gradus_core::train::step_cost;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A model's config.json.
    #[arg(long)]
    config: PathBuf,
    /// Rows of a step, 1 to 1024.
    #[arg(long, default_value_t = 32, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1024))]
    batch: usize,
    /// Tokens of a row; the model's own context if not given.
    #[arg(long)]
    context: Option<usize>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let file = args.config.display();
    let text = std::fs::read_to_string(&args.config).map_err(|e| format!("{file} cannot be read: {e}"))?;
    let model: ModelConfig =
        serde_json::from_str(&text).map_err(|e| format!("{file} is no model's configuration: {e}"))?;
    let cost = step_cost(&model, args.batch, args.context.unwrap_or(model.n_positions))?;
    let mut out = serde_json::to_value(cost)?;
    out["step"] = cost.step().into();
    out["flops_per_token"] = (cost.step() as f64 / cost.tokens.max(1) as f64).into();
    println!("{out}");
    Ok(())
}
