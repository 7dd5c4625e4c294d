//! A lesson's page in a browser: opened, run to its end, and read.

use crate::browser::{Browser, Options};
use crate::site;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use xtask::serve::SiteServer;

/// A lesson's smallest run in a debug-free build on two busy cores.
pub const RUN: Duration = Duration::from_secs(420);
/// Until something small has happened.
pub const SOON: Duration = Duration::from_secs(60);
/// How long a press on Stop or Pause may take to act, in ms, on a machine that is not crowded.
pub const PROMPT: f64 = 100.0;
/// Where the run stands: `ready`, `running`, `paused`, `done`, `failed`.
pub const PHASE: &str = "document.querySelector('[data-testid=bar]')?.dataset.phase";

/// The page at this address below the site's root, its laboratory ready. `before` is run before every page; empty for
/// nothing.
///
/// # Errors
/// When there is no site or no browser, or the laboratory does not come.
pub fn open_with(address: &str, options: Options, before: &str) -> Result<(SiteServer, Browser)> {
    let server = site::serve()?;
    let browser = Browser::start(options)?;
    if !before.is_empty() {
        browser.before_every_page(before)?;
    }
    browser.goto(&format!("{}{address}", server.address()))?;
    browser.shown("bar", SOON)?;
    Ok((server, browser))
}

/// [`open_with`] a usual browser.
///
/// # Errors
/// As there.
pub fn open(address: &str) -> Result<(SiteServer, Browser)> {
    open_with(address, Options::default(), "")
}

/// Waits until the run stands at one of these, a list in JavaScript, and says at which.
///
/// # Errors
/// When it does not within `limit`.
pub fn phase(browser: &Browser, names: &str, limit: Duration) -> Result<Value> {
    browser.until(names, limit, &format!("const p = {PHASE}; return {names}.includes(p) ? p : false"))
}

/// Waits for the end of the run.
///
/// # Errors
/// When it fails, or does not end.
pub fn finished(browser: &Browser) -> Result<()> {
    let end = phase(browser, "['done', 'failed']", RUN)?;
    ensure!(end == "done", "the run failed: {:?}", browser.text("failure"));
    Ok(())
}

/// Presses Run and waits for the end.
///
/// # Errors
/// When the run does not begin, fails, or does not end.
pub fn run(browser: &Browser) -> Result<()> {
    browser.click("run")?;
    phase(browser, "['running']", SOON)?;
    finished(browser)
}

/// The rows of the table: name, status, and what was measured.
///
/// # Errors
/// When there is no such table.
pub fn rows(browser: &Browser) -> Result<Vec<(String, String, String)>> {
    let rows = browser.script(
        "return [...document.querySelectorAll('[data-check]')]\
         .map(r => [r.dataset.check, r.dataset.status, r.cells[1].textContent])",
    )?;
    serde_json::from_value(rows).context("the table's rows")
}

/// Nothing went wrong on the page.
///
/// # Errors
/// With what the console says.
pub fn quiet(browser: &Browser) -> Result<()> {
    let errors = browser.console_errors()?;
    ensure!(errors.is_empty(), "console: {errors:#?}");
    Ok(())
}
