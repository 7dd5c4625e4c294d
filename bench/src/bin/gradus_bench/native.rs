//! The command line: which rows, on which device, natively or in the browser.

#[path = "compare.rs"]
mod compare;
#[path = "load.rs"]
mod load;
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
    /// Tokens a second with a cache, without, and speculatively; tokens a read-back.
    Decode(Decode),
    /// Attention with its matrix and without, over the length N.
    Attention(Attention),
    /// The page's start, and what the browser downloads after brotli.
    Load(load::Args),
}

#[derive(clap::Args)]
struct Decode {
    /// Where it runs; all four unless one is named.
    #[arg(long)]
    device: Option<Target>,
    /// A, B, or L,d,H,T,B,V; A and B unless given. One text is decoded, whatever B is.
    #[arg(long)]
    shape: Vec<Shape>,
    /// Samples of which the best is taken.
    #[arg(long, default_value_t = 5)]
    steps: usize,
}

#[derive(clap::Args)]
struct Attention {
    /// Where it runs; all four unless one is named.
    #[arg(long)]
    device: Option<Target>,
    /// N, tokens of the sequence.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 128, 256, 512, 1024, 2048])]
    lengths: Vec<usize>,
    /// Samples of which the median is taken.
    #[arg(long, default_value_t = 5)]
    steps: usize,
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
    /// Also where a step's time goes, kernel by kernel.
    #[arg(long)]
    profile: bool,
    /// Whether ops that may go together are one launch (webgpu and vulkan); as the page has it unless given.
    #[arg(long)]
    fused: Option<bool>,
    /// Await a turn before the next one is submitted, which the page does not do: what that would cost.
    #[arg(long)]
    waiting: bool,
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
    fn request(self, what: What, shape: &Shape, steps: usize) -> Request {
        let label = self.label();
        let gpu = matches!(self, Self::Webgpu | Self::Vulkan);
        Request {
            what,
            gpu,
            label,
            shape: shape.clone(),
            steps,
            lengths: Vec::new(),
            profile: false,
            fused: None,
            waiting: false,
        }
    }

    /// As the rows name it.
    fn label(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// The one that is named, or all.
    fn or_all(named: Option<Self>) -> Vec<Self> {
        named.map_or_else(|| Self::value_variants().to_vec(), |target| vec![target])
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
        Some(Command::Decode(args)) => decode(&args),
        Some(Command::Attention(args)) => attention(&args),
        Some(Command::Load(args)) => load::run(&args),
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
    for shape in &shapes(&args.shape)? {
        for target in Target::or_all(args.device) {
            let Training { profile, fused, waiting, .. } = *args;
            let request =
                Request { profile, fused, waiting, ..target.request(What::Training, shape, args.steps) };
            print(&ours(&request, target.in_browser(), args.simd128)?);
        }
    }
    Ok(())
}

fn decode(args: &Decode) -> Result<()> {
    for shape in &shapes(&args.shape)? {
        for target in Target::or_all(args.device) {
            print(&ours(&target.request(What::Decode, shape, args.steps), target.in_browser(), false)?);
        }
    }
    Ok(())
}

fn attention(args: &Attention) -> Result<()> {
    // Attention has sizes of its own.
    let shape = &shapes(&[])?[0];
    for target in Target::or_all(args.device) {
        let request =
            Request { lengths: args.lengths.clone(), ..target.request(What::Attention, shape, args.steps) };
        print(&ours(&request, target.in_browser(), false)?);
    }
    Ok(())
}

fn print(rows: &[Value]) {
    rows.iter().for_each(|row| println!("{row}"));
}

/// The shapes that were asked for, or the two published ones.
fn shapes(asked: &[Shape]) -> Result<Vec<Shape>> {
    if asked.is_empty() { default_shapes() } else { Ok(asked.to_vec()) }
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
