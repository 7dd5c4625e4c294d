//! Ours beside the libraries that a browser user would pick instead, taken in turn so that the machine's moods
//! fall on all alike.

use super::{Page, Target, ours, shapes};
use anyhow::{Context, Result, ensure};
use gradus_bench::{Shape, What};
use gradus_core::device::timer::median;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A, B, or L,d,H,T,B,V; A and B unless given.
    #[arg(long)]
    shape: Vec<Shape>,
    /// Steps a round.
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Rounds; the ratio is that of the medians over them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where: wasm and webgpu, beside jax-js and tfjs; cpu or vulkan, beside PyTorch (one thread, or CUDA), which the
    /// interpreter in the variable PYTHON must have. wasm and webgpu unless named.
    #[arg(long)]
    device: Option<Target>,
    /// Peers: jax, tfjs; torch natively.
    #[arg(long)]
    peer: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let devices = args.device.map_or_else(|| vec![Target::Wasm, Target::Webgpu], |d| vec![d]);
    for shape in &shapes(&args.shape)? {
        for &device in &devices {
            let ratios = compare(args, shape, device)?;
            ratios.iter().for_each(|row| println!("{row}"));
        }
    }
    Ok(())
}

/// The rounds of one shape on one device; returns the ratios of medians.
fn compare(args: &Args, shape: &Shape, device: Target) -> Result<Vec<Value>> {
    let usual: &[&str] = if device.in_browser() { &["jax", "tfjs"] } else { &["torch"] };
    let peers =
        if args.peer.is_empty() { usual.iter().map(|p| p.to_string()).collect() } else { args.peer.clone() };
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut note = |name: String, row: &Value| -> Result<()> {
        println!("{row}");
        let ms = row["msPerStep"].as_f64().context("a row without msPerStep")?;
        times.entry(name).or_default().push(ms);
        Ok(())
    };
    for _ in 0..args.rounds {
        let request = device.request(What::Training, shape, args.steps);
        note("gradus".into(), &ours(&request, device.in_browser(), false)?[0])?;
        for peer in &peers {
            if !device.in_browser() {
                note(peer.clone(), &torch(shape, args.steps, device)?)?;
                continue;
            }
            // Threads help a peer on the processor or hinder it: each gets its better mode.
            let modes: &[bool] = if device == Target::Wasm { &[false, true] } else { &[false] };
            for &isolated in modes {
                let row = Page::open(isolated)?.peer(peer, &request.label, shape, args.steps)?;
                note(if isolated { format!("{peer}, isolated") } else { peer.clone() }, &row)?;
            }
        }
    }
    let medians: BTreeMap<_, _> = times.into_iter().map(|(name, t)| (name, median(t))).collect();
    let ours = medians["gradus"];
    let theirs = medians.iter().filter(|(name, _)| *name != "gradus");
    let ratio = |(name, &theirs): (&String, &f64)| {
        json!({ "shape": shape.name, "device": device.label(), "peer": name, "gradusMs": ours, "peerMs": theirs,
            "ratio": theirs / ours, "rounds": args.rounds })
    };
    Ok(theirs.map(ratio).collect())
}

/// PyTorch's row, from `peers/torch_step.py`.
fn torch(shape: &Shape, steps: usize, device: Target) -> Result<Value> {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let numbers = [shape.n_layer, shape.n_embd, shape.n_head, shape.context, shape.batch, shape.vocab];
    let output = Command::new(&python)
        .arg(xtask::root().join("bench/peers/torch_step.py"))
        .arg(numbers.map(|n| n.to_string()).join(","))
        .arg(steps.to_string())
        .arg(if device == Target::Cpu { "cpu" } else { "cuda" })
        .output()
        .with_context(|| format!("cannot start {}", python.display()))?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.success(),
        "PyTorch's step failed; PYTHON names an interpreter that has torch:\n{errors}"
    );
    let mut row: Value = serde_json::from_str(&answer).with_context(|| answer.clone())?;
    row["shape"] = shape.name.clone().into();
    Ok(row)
}
