//! Ours beside the libraries that a browser user would pick instead, taken in turn so that the machine's moods
//! fall on all alike.

use super::{Page, Target, default_shapes, ours};
use anyhow::{Context, Result};
use gradus_bench::{Shape, median};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
    /// Only the processor, or only WebGPU; both unless named.
    #[arg(long)]
    device: Option<Target>,
    /// Peers: jax, tfjs.
    #[arg(long, default_values = ["jax", "tfjs"])]
    peer: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let shapes = if args.shape.is_empty() { default_shapes()? } else { args.shape.clone() };
    let devices = args.device.map_or_else(|| vec![Target::Wasm, Target::Webgpu], |d| vec![d]);
    for shape in &shapes {
        for &device in &devices {
            let label = if device == Target::Wasm { "wasm" } else { "webgpu" };
            let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            let mut note = |name: String, row: &Value| -> Result<()> {
                println!("{row}");
                let ms = row["msPerStep"].as_f64().context("a row without msPerStep")?;
                times.entry(name).or_default().push(ms);
                Ok(())
            };
            for _ in 0..args.rounds {
                let request = device.request(shape, args.steps, false);
                note("gradus".into(), &ours(&request, true, false)?[0])?;
                for peer in &args.peer {
                    // Threads help a peer on the processor or hinder it: each gets its better mode.
                    let modes: &[bool] = if device == Target::Wasm { &[false, true] } else { &[false] };
                    for &isolated in modes {
                        let row = Page::open(isolated)?.peer(peer, label, shape, args.steps)?;
                        note(if isolated { format!("{peer}, isolated") } else { peer.clone() }, &row)?;
                    }
                }
            }
            let medians: BTreeMap<_, _> = times.into_iter().map(|(name, t)| (name, median(t))).collect();
            let ours = medians["gradus"];
            for (name, &theirs) in medians.iter().filter(|(name, _)| *name != "gradus") {
                println!(
                    "{}",
                    json!({ "shape": shape.name, "device": label, "peer": name, "gradusMs": ours, "peerMs": theirs,
                        "ratio": theirs / ours, "rounds": args.rounds })
                );
            }
        }
    }
    Ok(())
}
