//! What may break in the worker never takes the page down: each fault is forced once.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};
use xtask::serve::SiteServer;

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
fn break_it(fault: &str) -> Result<(SiteServer, Browser, String)> {
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

/// Moves the files whose names end so out of the site, or back into it.
fn move_files(end: &str, from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|name| name.to_string_lossy().ends_with(end)) {
            fs::rename(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// A copy of the files of the built site's root, the home page among them, and a folder beside it.
fn copy_of_home() -> Result<(PathBuf, PathBuf)> {
    let place = env::temp_dir().join(format!("gradus-unloadable-{}", std::process::id()));
    let (site, aside) = (place.join("site"), place.join("aside"));
    fs::create_dir_all(&site)?;
    fs::create_dir_all(&aside)?;
    for entry in fs::read_dir(xtask::root().join("dist"))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            fs::copy(&path, site.join(name))?;
        }
    }
    Ok((site, aside))
}

#[test]
fn programs_that_do_not_load() -> Result<()> {
    let (site, aside) = copy_of_home()?;
    let server = SiteServer::start(&site, 0)?;
    let browser = Browser::start(Options::default())?;
    // Both builds of the engine.
    for worker in ["worker_bg.wasm", "worker_relaxed_bg.wasm"] {
        move_files(worker, &site, &aside)?;
    }
    browser.goto(&server.address())?;
    let said = browser.until("a message", START, message())?;
    let said = said.as_str().context("the message is no text")?;
    assert!(said.contains("could not be loaded") && said.contains("connection"), "{said}");
    // The page's first command may come after that and try by itself: the offer counts when it has stood for a second.
    let stands = "const now = Date.now(); \
        if (!document.querySelector('[data-testid=\"recover\"]')) { window.since = 0; return false } \
        window.since ||= now; return now - window.since > 1000";
    browser.until("the offer", START, stands)?;
    move_files("_bg.wasm", &aside, &site)?;
    browser.click("recover")?;
    browser.until("a run", START, &step_from(1))?;

    // The page's own program.
    move_files("_bg.wasm", &site, &aside)?;
    browser.goto(&format!("{}?other", server.address()))?;
    let told = "const f = document.getElementById('fault'); return f && !f.hidden ? f.innerText : false";
    let said = browser.until("the fault told", START, told)?;
    assert!(said.as_str().is_some_and(|s| s.contains("could not be loaded")), "{said}");
    fs::remove_dir_all(site.parent().unwrap_or(&site))?;
    Ok(())
}
