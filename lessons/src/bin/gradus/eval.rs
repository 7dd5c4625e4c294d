//! `gradus eval`: ln p of every token of given rows.

use super::{Device, Outcome, open};
use gradus_core::device::Data;
use gradus_core::generate::Scorer;
use gradus_core::model::{ModelFolder, Params};
use std::path::PathBuf;

/// Rows scored at a time.
const BATCH: usize = 8;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Hugging Face GPT-2 folder.
    #[arg(long)]
    model: PathBuf,
    /// A JSON file of rows of token ids: [[int, …], …].
    #[arg(long)]
    tokens: PathBuf,
    /// Where to compute.
    #[arg(long)]
    device: Option<Device>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let folder = ModelFolder::read_dir(&args.model)?;
    let file = args.tokens.display();
    let text = std::fs::read_to_string(&args.tokens).map_err(|e| format!("{file} cannot be read: {e}"))?;
    let rows: Vec<Vec<u32>> = serde_json::from_str(&text)
        .map_err(|e| format!("{file} must be rows of token ids, [[int, …], …]: {e}"))?;
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    if longest < 2 {
        return Err(format!("{file} has no row of two tokens or more: there is nothing to predict").into());
    }
    let params = Params::new(&folder.config);
    let mut device = open(args.device, &folder.config, BATCH)?;
    let scorer = Scorer::new(&mut *device, &folder.config, &params, BATCH.min(rows.len()), longest - 1)?;
    device.write("params", 0, &Data::Float(params.flatten(&folder.tensors)?))?;
    let logprobs = pollster::block_on(scorer.score(&mut *device, &rows))?;
    let all: Vec<f64> = logprobs.iter().flatten().map(|&x| f64::from(x)).collect();
    let loss = -all.iter().sum::<f64>() / all.len() as f64;
    println!("{}", serde_json::json!({ "loss": loss, "logprobs": logprobs }));
    Ok(())
}
