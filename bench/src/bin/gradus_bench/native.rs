//! The command line: which rows, on which device, natively or in the browser.

#[path = "compare.rs"]
mod compare;
#[path = "page.rs"]
mod page;

use anyhow::{Result, anyhow};
use clap::{Parser, Subcommand, ValueEnum};
use gradus_bench::{Request, Shape, What, measure};
use page::Page;
use serde_json::Value;
use std::process::ExitCode;

/// Prints one JSON object a line.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    training: Training,
}

#[derive(Subcommand)]
enum Command {
    /// Ours beside jax-js and tfjs, interleaved; prints every row and the ratios of medians.
    Compare(compare::Args),
}

#[derive(clap::Args)]
struct Training {
    /// Where it runs; all four unless one is named.
    #[arg(long)]
    device: Option<Target>,
    /// A, B, or L,d,H,T,B,V; A and B unless given.
    #[arg(long)]
    shape: Vec<Shape>,
    /// Samples of which the median is taken.
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Also where a step's time goes, op by op (wasm and cpu).
    #[arg(long)]
    profile: bool,
    /// In the browser: the build without fused multiply-adds, as browsers without relaxed SIMD get it.
    #[arg(long)]
    simd128: bool,
}

/// Where our engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The processor, in Chromium.
    Wasm,
    /// WebGPU, in Chromium.
    Webgpu,
    /// The processor, natively.
    Cpu,
    /// The native GPU: Vulkan, Metal or DirectX 12.
    Vulkan,
}

impl Target {
    fn request(self, shape: &Shape, steps: usize, profile: bool) -> Request {
        let label = format!("{self:?}").to_lowercase();
        let gpu = matches!(self, Self::Webgpu | Self::Vulkan);
        Request { what: What::Training, gpu, label, shape: shape.clone(), steps, profile }
    }

    fn in_browser(self) -> bool {
        matches!(self, Self::Wasm | Self::Webgpu)
    }
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => training(&arguments.training),
        Some(Command::Compare(args)) => compare::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn training(args: &Training) -> Result<()> {
    let targets = args.device.map_or_else(|| Target::value_variants().to_vec(), |d| vec![d]);
    let shapes = if args.shape.is_empty() { default_shapes()? } else { args.shape.clone() };
    for shape in &shapes {
        for &target in &targets {
            for row in
                ours(&target.request(shape, args.steps, args.profile), target.in_browser(), args.simd128)?
            {
                println!("{row}");
            }
        }
    }
    Ok(())
}

fn default_shapes() -> Result<Vec<Shape>> {
    ["A", "B"].into_iter().map(|s| s.parse::<Shape>().map_err(|e| anyhow!(e))).collect()
}

/// Our rows, each browser measurement in a fresh browser.
fn ours(request: &Request, browser: bool, simd128: bool) -> Result<Vec<Value>> {
    if browser {
        return Page::open(false)?.ours(request, simd128);
    }
    pollster::block_on(measure(request)).map_err(|e| anyhow!("{e}"))
}
