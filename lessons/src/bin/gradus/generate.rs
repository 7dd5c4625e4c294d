//! `gradus generate`: continues a prompt.

use super::{Device, Outcome, open};
use gradus_core::device::Data;
use gradus_core::generate::Generator;
use gradus_core::model::{ModelFolder, Params};
use gradus_core::protocol::SampleConfig;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A Hugging Face GPT-2 folder with its tokenizer.
    #[arg(long)]
    model: PathBuf,
    /// Text to continue; empty begins a fresh document.
    #[arg(long, default_value = "")]
    prompt: String,
    /// New tokens at most.
    #[arg(long, default_value_t = 48)]
    max_tokens: usize,
    /// 0 is greedy.
    #[arg(long, default_value_t = 1.0)]
    temperature: f32,
    /// Keep the k likeliest tokens; 0 keeps all.
    #[arg(long, default_value_t = 0)]
    top_k: u32,
    /// Keep the likeliest tokens up to this much probability; 1 keeps all.
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Seed of the draws.
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Where to compute.
    #[arg(long)]
    device: Option<Device>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let folder = ModelFolder::read_dir(&args.model)?;
    let tokenizer =
        folder.tokenizer.as_ref().ok_or("the folder has no tokenizer.json: add it to read text")?;
    let prompt = tokenizer.prompt(&args.prompt)?;
    let params = Params::new(&folder.config);
    let mut device = open(args.device, &folder.config, 1)?;
    let generator = Generator::new(&mut *device, &folder.config, &params)?;
    device.write("params", 0, &Data::Float(params.flatten(&folder.tensors)))?;
    let settings = SampleConfig {
        prompt: args.prompt.clone(),
        max_tokens: args.max_tokens,
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        seed: args.seed,
    };
    let made = pollster::block_on(generator.generate(&mut *device, &prompt, &settings, tokenizer.eos()))?;
    let out = serde_json::json!({
        "prompt": args.prompt,
        "prompt_tokens": prompt,
        "tokens": made,
        "text": tokenizer.decode(&made),
    });
    println!("{out}");
    Ok(())
}
