//! `gradus generate`: continues a prompt.

use super::{Device, Outcome, open};
use gradus_core::device::Data;
use gradus_core::generate::{Generator, Speculator, SpeculatorShape};
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
    /// A small model with the same tokenizer, which drafts for it: speculative decoding.
    #[arg(long, value_name = "DIR")]
    draft: Option<PathBuf>,
    /// Tokens it proposes a round (K).
    #[arg(long, value_name = "K", default_value_t = 4, requires = "draft")]
    speculate: usize,
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
    let weights = Data::Float(params.flatten(&folder.tensors)?);
    let settings = SampleConfig {
        prompt: args.prompt.clone(),
        max_tokens: args.max_tokens,
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        seed: args.seed,
    };
    let stop = tokenizer.eos();
    let mut out = serde_json::json!({ "prompt": args.prompt, "prompt_tokens": prompt });
    let made = if let Some(dir) = &args.draft {
        let draft = ModelFolder::read_dir(dir)?;
        if draft.tokenizer.as_ref() != Some(tokenizer) {
            return Err(format!(
                "the draft {} has another tokenizer than the model: choose a draft that was trained with the model's",
                dir.display()
            )
            .into());
        }
        let drafted = Params::new(&draft.config);
        let shape = SpeculatorShape { batch: 1, proposals: args.speculate, residual: true };
        let models = [(&folder.config, &params), (&draft.config, &drafted)];
        let speculator = Speculator::new(&mut *device, models[0], models[1], shape)?;
        device.write("params", 0, &weights)?;
        device.write("draft.params", 0, &Data::Float(drafted.flatten(&draft.tensors)?))?;
        let made = pollster::block_on(speculator.generate(&mut *device, &prompt, &settings, stop))?;
        let tally = made.tally;
        out["calls"] = tally.calls.into();
        out["attempted"] = tally.tried.iter().sum::<u64>().into();
        out["accepted"] = tally.accepted.iter().sum::<u64>().into();
        out["acceptance"] = tally.acceptance().into();
        out["tokens_per_call"] = tally.tokens_per_call().into();
        out["accepted_by_position"] = tally.accepted.into();
        out["attempted_by_position"] = tally.tried.into();
        out["overlap_by_position"] = tally.overlap.into();
        made.answers.into_iter().flatten().collect()
    } else {
        let generator = Generator::new(&mut *device, &folder.config, &params)?;
        device.write("params", 0, &weights)?;
        pollster::block_on(generator.generate(&mut *device, &prompt, &settings, stop))?
    };
    out["text"] = tokenizer.decode(&made).into();
    out["tokens"] = made.into();
    println!("{out}");
    Ok(())
}
