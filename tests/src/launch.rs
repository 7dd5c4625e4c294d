//! How a browser and its driver are started.

use crate::journal;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::{env, fs};

/// How a browser is started.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// With WebGPU (on SwiftShader), or as a browser without any adapter.
    pub webgpu: bool,
    /// CSS pixels of the view.
    pub size: (u32, u32),
    /// Whether the reader prefers dark colours.
    pub dark: bool,
    /// Whether the tasks of the browser's threads are traced.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { webgpu: true, size: (1440, 900), dark: false, trace: false }
    }
}

/// What is asked of the browser: `tests/webdriver.json`, and the options.
pub(crate) fn capabilities(options: Options) -> Result<Value> {
    let file = xtask::root().join("tests/webdriver.json");
    let mut capabilities: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let args =
        capabilities["goog:chromeOptions"]["args"].as_array_mut().context("webdriver.json has no args")?;
    if !options.webgpu {
        args.retain(|arg| !arg.as_str().is_some_and(|arg| arg.contains("webgpu")));
    }
    let (width, height) = options.size;
    args.push(json!(format!("--window-size={width},{height}")));
    capabilities["goog:loggingPrefs"] = json!({ "browser": "ALL", "performance": "ALL" });
    if options.trace {
        capabilities["goog:chromeOptions"]["perfLoggingPrefs"] =
            json!({ "traceCategories": journal::CATEGORIES });
    }
    Ok(capabilities)
}

/// How often chromedriver is started until one listens.
const TRIES: usize = 3;

/// Starts chromedriver (`CHROMEDRIVER`, or the one on `PATH`); gives the port that it listens on. It takes a free port of
/// IPv4 and ends if a neighbour holds the same of IPv6: then it is started again.
pub(crate) fn driver() -> Result<(Child, u16)> {
    let program = env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
    let mut said = String::new();
    for _ in 0..TRIES {
        let mut driver = Command::new(&program)
            .args(["--port=0", "--log-level=SEVERE"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start chromedriver: install it, or name it in CHROMEDRIVER")?;
        match driver_port(&mut driver)? {
            Ok(port) => return Ok((driver, port)),
            Err(last) => said = last,
        }
        driver.wait()?;
    }
    bail!("chromedriver ended before it listened: {said}")
}

/// The port that chromedriver says it listens on, or what it said before it ended.
fn driver_port(driver: &mut Child) -> Result<Result<u16, String>> {
    let output = driver.stdout.take().context("chromedriver has no output")?;
    let mut said = String::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return Ok(Ok(port.trim_end_matches('.').trim().parse()?));
        }
        said = format!("{said} {}", line.trim());
    }
    Ok(Err(said))
}
