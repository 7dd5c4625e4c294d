//! The page's start: when the first content stands, when the first training step is done, the longest task of the
//! main thread meanwhile; and what the browser downloads, after brotli.

use anyhow::{Context, Result};
use gradus_core::device::timer::median;
use gradus_tests::browser::{Browser, Options};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask::serve::SiteServer;

/// Until the first step on the slowest adapter.
const LIMIT: Duration = Duration::from_secs(300);

/// Notes what happens from the first moment of the page on.
const WATCH: &str = r#"
const seen = (window.gradusLoad = { step: null, tasks: [] });
const tasks = (list) => list.getEntries().forEach((task) => seen.tasks.push(task.duration));
new PerformanceObserver(tasks).observe({ type: "longtask", buffered: true });
const look = () => {
  const step = Number(document.querySelector('[data-testid="loss"]')?.dataset.step ?? -1);
  if (step >= 1) seen.step = performance.now();
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"#;

/// What the watch saw, once the first step is done; times in ms from the start of the navigation.
const SEEN: &str = r#"
const seen = window.gradusLoad;
if (!seen?.step) return null;
const loaded = performance.getEntriesByType("navigation")[0].loadEventEnd;
const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
const badge = document.querySelector('[data-testid="device-badge"]');
return { paint, loaded, step: seen.step, task: Math.max(0, ...seen.tasks), gpu: badge?.dataset.gpu === "true" };
"#;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Times that the page is opened, each in a fresh browser.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// As the page's address names it: auto, cpu, gpu; all three unless named.
    #[arg(long)]
    device: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = std::env::var_os("GRADUS_BENCH_DIST").map(PathBuf::from);
    let folder = folder.context("GRADUS_BENCH_DIST is not set: start this with `cargo xtask bench load`")?;
    for size in sizes(&folder)? {
        println!("{size}");
    }
    let devices = if args.device.is_empty() {
        ["auto", "cpu", "gpu"].map(String::from).into()
    } else {
        args.device.clone()
    };
    for device in &devices {
        let mut seen = Vec::new();
        for _ in 0..args.rounds.max(1) {
            seen.push(open(&folder, device)?);
        }
        let middle = |key: &str| median(seen.iter().filter_map(|s| s[key].as_f64()).collect());
        println!(
            "{}",
            json!({ "peer": "gradus", "what": "load", "device": device, "gpu": seen[0]["gpu"],
                "firstContentMs": middle("paint"), "loadedMs": middle("loaded"), "firstStepMs": middle("step"),
                "firstStepAfterLoadMs": middle("step") - middle("loaded"), "longestTaskMs": middle("task"),
                "rounds": seen.len() })
        );
    }
    Ok(())
}

/// Opens the home page, which trains by itself, and waits for the first step.
fn open(folder: &Path, device: &str) -> Result<Value> {
    let server = SiteServer::start(folder, 0)?;
    let browser = Browser::start(Options::default())?;
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH }))?;
    browser.goto(&format!("{}?device={device}", server.address()))?;
    browser.until("the first training step", LIMIT, SEEN)
}

/// Sizes of the WebAssembly modules.
fn sizes(folder: &Path) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("no site in {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "wasm") {
            let module = fs::read(&path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (bytes, brotli) = (module.len(), brotli(&module)?);
            rows.push(json!({ "peer": "gradus", "what": "size", "file": name, "bytes": bytes, "brotliBytes": brotli }));
        }
    }
    rows.sort_by_key(|row| row["file"].to_string());
    Ok(rows)
}

/// Bytes after brotli at its best, as a static host would keep the file.
fn brotli(data: &[u8]) -> Result<usize> {
    let mut packed = Vec::new();
    let parameters = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &data[..], &mut packed, &parameters)?;
    Ok(packed.len())
}
