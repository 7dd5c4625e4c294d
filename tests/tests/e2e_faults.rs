//! What may break in the worker never takes the page down: each fault is forced once.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;
use std::time::Duration;

const START: Duration = Duration::from_secs(120);

fn step_from(least: u64) -> String {
    format!(
        "const s = Number(document.querySelector('[data-testid=\"loss\"]')?.dataset.step ?? -1); \
         return s >= {least} ? s : false"
    )
}

fn message() -> &'static str {
    "const m = document.querySelector('[data-testid=\"message\"]'); \
     return m && !m.hidden && m.innerText.trim().length > 0 ? m.innerText : false"
}

/// Lets a run reach its first checkpoint after the start, then breaks it.
fn break_it(fault: &str) -> Result<(xtask::serve::SiteServer, Browser, String)> {
    let server = site::serve()?;
    let browser = Browser::start(Options::default())?;
    browser.goto(&format!("{}?faults&preset=10k", server.address()))?;
    browser.until("a checkpoint", START, &step_from(210))?;
    browser.script(&format!("window.gradus_fault('{fault}')"))?;
    let said = browser.until("a message", START, message())?;
    let said = said.as_str().context("the message is no text")?.to_owned();
    println!("{fault}: {said}");
    Ok((server, browser, said))
}

/// The supervisor restores the run by itself and it goes on.
fn goes_on_after(fault: &str) -> Result<()> {
    let (_server, browser, _) = break_it(fault)?;
    let back = browser.until("the run restored", START, &step_from(1))?.as_u64().unwrap_or(0);
    assert!(back >= 200, "the run went back to step {back}, before its checkpoint");
    browser.until("it goes on", START, &step_from(back + 100)).map(drop)
}

#[test]
fn a_panic_in_the_worker() -> Result<()> {
    goes_on_after("panic")
}

#[test]
fn a_lost_device() -> Result<()> {
    goes_on_after("lost")
}

#[test]
fn memory_that_runs_out() -> Result<()> {
    goes_on_after("oom")
}

#[test]
fn a_loss_that_is_no_number() -> Result<()> {
    let (_server, browser, said) = break_it("nan")?;
    assert!(said.contains("learning rate"), "the message names no cause: {said}");
    assert!(said.contains("step"), "the message names no step: {said}");
    browser.click("recover")?;
    // It waits there: with the same settings the same might happen again, so going on is for the learner to say.
    let waits = "const s = document.querySelector('[data-testid=\"status\"]'); \
         return s.dataset.phase === 'paused'";
    browser.until("the run stands at its checkpoint", START, waits)?;
    let back = browser.script(&step_from(1))?.as_u64().context("no step is shown")?;
    assert!(back >= 200, "the run went back to step {back}, before its checkpoint");
    browser.click("run")?;
    browser.until("it goes on", START, &step_from(back + 1)).map(drop)
}
