//! A browser on the benchmark's folder.

use anyhow::{Context, Result, bail};
use gradus_bench::{Request, Shape};
use gradus_tests::browser::{Browser, Options};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use xtask::serve::SiteServer;

/// The slowest peer needs minutes a step on large shapes.
const LIMIT: Duration = Duration::from_secs(1800);

pub(crate) struct Page {
    browser: Browser,
    server: SiteServer,
}

impl Page {
    /// Starts a browser. `isolated`: with the headers that allow shared memory, and so threads.
    pub(crate) fn open(isolated: bool) -> Result<Self> {
        let folder = std::env::var_os("GRADUS_BENCH_SITE").map(PathBuf::from);
        let folder = folder.context("GRADUS_BENCH_SITE is not set: start this with `cargo xtask bench`")?;
        let server = start(&folder, isolated)?;
        let browser = Browser::start(Options::default())?;
        Ok(Self { browser, server })
    }

    /// Measures our engine.
    pub(crate) fn ours(&self, request: &Request, simd128: bool) -> Result<Vec<Value>> {
        self.browser.goto(&self.server.address())?;
        let query = if simd128 { "?simd128" } else { "" };
        self.browser.script(&format!("ask({}, {})", json!(serde_json::to_string(request)?), json!(query)))?;
        let answer = self.answer()?;
        serde_json::from_str(&answer).with_context(|| answer)
    }

    /// Measures a peer.
    pub(crate) fn peer(&self, peer: &str, device: &str, shape: &Shape, steps: usize) -> Result<Value> {
        self.browser.goto(&format!("{}peers/{peer}.html", self.server.address()))?;
        let size = json!({ "L": shape.n_layer, "d": shape.n_embd, "H": shape.n_head, "T": shape.context,
            "B": shape.batch, "V": shape.vocab });
        self.browser.until("the peer's page", LIMIT, "return !!window.bench")?;
        self.browser.script(&format!(
            "window.answer = null; bench({}, {size}, {steps}).then((r) => (answer = JSON.stringify(r)), \
             (e) => (answer = `error: ${{e?.stack ?? e}}`)); return true",
            json!(device)
        ))?;
        let answer = self.answer()?;
        let mut row: Value = serde_json::from_str(&answer).with_context(|| answer)?;
        row["peer"] = peer.into();
        row["device"] = device.into();
        row["shape"] = shape.name.clone().into();
        Ok(row)
    }

    fn answer(&self) -> Result<String> {
        let answer = self.browser.until("the answer", LIMIT, "return window.answer")?;
        let answer = answer.as_str().unwrap_or_default().to_owned();
        match answer.strip_prefix("error: ") {
            Some(error) => bail!("{error}"),
            None => Ok(answer),
        }
    }
}

fn start(folder: &Path, isolated: bool) -> Result<SiteServer> {
    if isolated { SiteServer::start_isolated(folder, 0) } else { SiteServer::start(folder, 0) }
}
