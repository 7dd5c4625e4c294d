//! `gradus`: the engine without a browser. Results on standard output (JSON, or tables to be read), progress on
//! standard error.

#[path = "gradus/eval.rs"]
mod eval;
#[path = "gradus/flops.rs"]
mod flops;
#[path = "gradus/generate.rs"]
mod generate;
#[path = "gradus/measure.rs"]
mod measure;
#[path = "gradus/output.rs"]
mod output;
#[path = "gradus/pretrain.rs"]
mod pretrain;
#[path = "gradus/results.rs"]
mod results;
#[path = "gradus/run.rs"]
mod run;
#[path = "gradus/train/mod.rs"]
mod train;

use clap::{Parser, Subcommand, ValueEnum};
use gradus_core::protocol::{DeviceChoice, Schedule};
use std::process::ExitCode;

/// Train, evaluate and sample small GPT-2 models, on the CPU or the GPU.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print what the models of a course are worth, on rows and questions that are always the same.
    Measure(measure::Args),
    /// Train a model from nothing (or go on with a saved one).
    Pretrain(pretrain::Args),
    /// Print ln p of every token of given rows.
    Eval(eval::Args),
    /// Print parameters, operations and bytes of a training step.
    Flops(flops::Args),
    /// Continue a prompt.
    Generate(generate::Args),
    /// Print the table of seeds and measured values, from what `run --json` printed.
    Results(results::Args),
    /// Run a lesson's recipe and print its checks.
    Run(run::Args),
    /// Fine-tune a model on your own data.
    Train(train::Args),
}

/// Where to compute. Without the option, a short measurement chooses.
#[derive(Clone, Copy, ValueEnum)]
enum Device {
    /// SIMD on the processor.
    Cpu,
    /// Vulkan, Metal or DirectX 12; an error where there is none.
    Gpu,
}

/// What follows the warm-up.
#[derive(Clone, Copy, ValueEnum)]
enum ScheduleArg {
    Constant,
    Cosine,
    Linear,
}

impl From<ScheduleArg> for Schedule {
    fn from(arg: ScheduleArg) -> Self {
        match arg {
            ScheduleArg::Constant => Self::Constant,
            ScheduleArg::Cosine => Self::Cosine,
            ScheduleArg::Linear => Self::Linear,
        }
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Opens the device, and says which on standard error. `--device gpu` is never replaced by the CPU.
fn open(
    device: Option<Device>,
    model: &gradus_core::protocol::ModelConfig,
    batch: usize,
) -> Result<Box<dyn gradus_core::device::Device>, Box<dyn std::error::Error>> {
    let choice = match device {
        None => DeviceChoice::Auto,
        Some(Device::Cpu) => DeviceChoice::Cpu,
        Some(Device::Gpu) => DeviceChoice::Gpu,
    };
    let (opened, report) = pollster::block_on(gradus_core::session::open_device(choice, model, batch))?;
    if matches!(device, Some(Device::Gpu)) && !report.gpu {
        return Err(format!("no GPU could be used: {}", report.reason).into());
    }
    eprintln!("device: {} ({})", report.name, report.reason);
    Ok(opened)
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Pretrain(args) => pretrain::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Flops(args) => flops::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Measure(args) => measure::run(args),
        Command::Results(args) => results::run(args),
        Command::Run(args) => run::run(args),
        Command::Train(args) => train::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
