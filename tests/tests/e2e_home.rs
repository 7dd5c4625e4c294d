//! The home page, as a visitor uses it.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;
use std::thread::sleep;
use std::time::Duration;
use xtask::serve::SiteServer;

/// Until a model trains: the engine compiles its kernels and measures both devices first.
const START: Duration = Duration::from_secs(120);
/// Until something that takes a few steps has happened.
const SOON: Duration = Duration::from_secs(60);

fn open(options: Options) -> Result<(SiteServer, Browser)> {
    let server = site::serve()?;
    let browser = Browser::start(options)?;
    browser.goto(&server.address())?;
    Ok((server, browser))
}

/// A script that gives the step when it is at least `least`.
fn step_from(least: u64) -> String {
    format!(
        "const s = Number(document.querySelector('[data-testid=\"loss\"]')?.dataset.step ?? -1); \
         return s >= {least} ? s : false"
    )
}

fn phase(name: &str) -> String {
    format!("return document.querySelector('[data-testid=\"status\"]')?.dataset.phase === '{name}'")
}

fn step(browser: &Browser) -> Result<u64> {
    browser.attribute("loss", "data-step")?.context("no data-step")?.parse().context("data-step is no number")
}

fn loss(browser: &Browser) -> Result<f64> {
    let text = browser.text("loss")?;
    text.trim().parse().with_context(|| format!("the loss reads {text:?}"))
}

/// Pauses and waits until it is so, then gives the step.
fn pause(browser: &Browser) -> Result<u64> {
    browser.click("pause")?;
    browser.until("paused", SOON, &phase("paused"))?;
    step(browser)
}

#[test]
fn a_model_learns_by_itself() -> Result<()> {
    let (_server, browser) = open(Options::default())?;
    browser.until("the first steps", START, &step_from(2))?;
    let first = loss(&browser)?;
    let so_far = step(&browser)?;
    browser.until("forty more steps", START, &step_from(so_far + 40))?;
    let later = loss(&browser)?;
    assert!(later < first, "the loss rose from {first} to {later}");
    let errors = browser.console_errors()?;
    assert!(errors.is_empty(), "console: {errors:#?}");
    Ok(())
}

#[test]
fn pause_step_run_and_reset_do_what_they_say() -> Result<()> {
    let (_server, browser) = open(Options::default())?;
    browser.until("ten steps", START, &step_from(10))?;
    let paused = pause(&browser)?;
    sleep(Duration::from_secs(1));
    assert_eq!(step(&browser)?, paused, "it goes on while paused");

    browser.click("step")?;
    browser.until("one step", SOON, &step_from(paused + 1))?;
    sleep(Duration::from_secs(1));
    assert_eq!(step(&browser)?, paused + 1, "a step is one step");

    browser.click("run")?;
    browser.until("five more steps", SOON, &step_from(paused + 6))?;
    let before = pause(&browser)?;
    browser.click("reset")?;
    let smaller = format!("const s = Number({LOSS}.dataset.step); return s < {before}");
    browser.until("a fresh run", START, &smaller).map(drop)
}

const LOSS: &str = "document.querySelector('[data-testid=\"loss\"]')";

#[test]
fn a_run_survives_a_reload() -> Result<()> {
    let (_server, browser) = open(Options::default())?;
    // Another device changes the address, and is still the same run.
    browser.until("a run", START, &step_from(1))?;
    browser.script(
        "const s = document.querySelector('[data-testid=device]'); s.value = 'cpu'; \
         s.dispatchEvent(new Event('change', { bubbles: true }))",
    )?;
    browser.until("the device in the address", START, "return location.search.includes('device=cpu')")?;
    // More than the steps between two checkpoints.
    browser.until("a kept checkpoint", Duration::from_secs(300), &step_from(210))?;
    browser.reload()?;
    let step = browser.until("the run taken up", START, &step_from(1))?;
    assert!(step.as_u64() >= Some(100), "it began anew at step {step}");
    Ok(())
}

#[test]
fn a_seed_that_is_no_number_is_refused_and_the_run_goes_on() -> Result<()> {
    let (_server, browser) = open(Options::default())?;
    browser.until("the first steps", START, &step_from(2))?;
    browser.fill("seed", "seven")?;
    browser.shown("seed-error", SOON)?;
    let so_far = step(&browser)?;
    browser.until("five more steps", SOON, &step_from(so_far + 5)).map(drop)
}

#[test]
fn empty_text_is_refused_and_a_real_one_is_trained_on() -> Result<()> {
    let (_server, browser) = open(Options::default())?;
    browser.until("the first steps", START, &step_from(2))?;
    browser.click("own-text")?;
    browser.click("own-text-start")?;
    browser.shown("own-text-error", SOON)?;
    // A text of some length with a pattern that a model can find.
    browser.script(
        "const area = document.querySelector('[data-testid=\"own-text-input\"]'); \
         area.value = Array.from({ length: 400 }, (_, i) => \
           `The ${['red', 'blue', 'green'][i % 3]} boat number ${i % 17} sails to the ${['north', 'south'][i % 2]}.`)\
           .join('\\n'); \
         area.dispatchEvent(new Event('input', { bubbles: true }));",
    )?;
    browser.click("own-text-start")?;
    // Measured after the dialog closed: until then the former model is on the page.
    browser.until("the dialog closed", START, "return !document.querySelector('dialog[open]')")?;
    browser.until("thirty steps on the text", Duration::from_secs(300), &step_from(30))?;
    // 512 tokens at random would be ln 512 = 6.2 nats.
    let loss = loss(&browser)?;
    assert!(loss < 5.5, "the loss on an easy text is {loss} after thirty steps");
    Ok(())
}

#[test]
fn without_webgpu_the_processor_trains_and_the_page_says_so() -> Result<()> {
    let (_server, browser) = open(Options { webgpu: false, ..Options::default() })?;
    browser.until("the first steps", START, &step_from(2))?;
    assert_eq!(browser.attribute("device-badge", "data-gpu")?.as_deref(), Some("false"));
    let reason = browser.text("device-reason")?;
    assert!(reason.contains("WebGPU") || reason.contains("GPU"), "the reason reads {reason:?}");
    Ok(())
}
