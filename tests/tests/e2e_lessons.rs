//! Every lesson, as a learner takes it: predict, run to the end, read the table, export, come back.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result, ensure};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;
use serde_json::Value;
use std::time::Duration;
use xtask::serve::SiteServer;

/// A lesson's smallest run in a debug-free build on two cores.
const RUN: Duration = Duration::from_secs(420);
/// Until something small has happened.
const SOON: Duration = Duration::from_secs(60);

const PHASE: &str = "document.querySelector('[data-testid=bar]')?.dataset.phase";

/// The lesson's page, its laboratory ready.
fn open(address: &str) -> Result<(SiteServer, Browser)> {
    let server = site::serve()?;
    let browser = Browser::start(Options::default())?;
    browser.goto(&format!("{}{address}", server.address()))?;
    browser.shown("bar", SOON)?;
    Ok((server, browser))
}

fn phase(browser: &Browser, names: &str, limit: Duration) -> Result<Value> {
    browser.until(names, limit, &format!("const p = {PHASE}; return {names}.includes(p) ? p : false"))
}

/// The rows of the table: name and status.
fn rows(browser: &Browser) -> Result<Vec<(String, String)>> {
    let rows = browser.script(
        "return [...document.querySelectorAll('[data-check]')].map(r => [r.dataset.check, r.dataset.status])",
    )?;
    serde_json::from_value(rows).context("the table's rows")
}

/// Takes one lesson through its smallest run.
fn lesson(slug: &str) -> Result<()> {
    let (server, browser) = open(&format!("lesson/{slug}/?size=smoke&device=cpu&seed=2"))?;

    browser.click_css("[data-testid=predict] label")?;
    browser.click("run")?;
    phase(&browser, "['running']", SOON)?;
    let hidden = browser.script("return getComputedStyle(document.querySelector('.reveal')).display")?;
    ensure!(hidden == "none", "the answer is shown before the run is done");
    let end = phase(&browser, "['done', 'failed']", RUN)?;
    ensure!(end == "done", "{slug} failed: {:?}", browser.text("failure"));

    let done = rows(&browser)?;
    ensure!(!done.is_empty(), "no check was made");
    ensure!(done.iter().all(|r| r.1 == "pass"), "checks that do not pass: {done:?}");
    let shown = browser.script("return getComputedStyle(document.querySelector('.reveal')).display")?;
    ensure!(shown == "block", "the answer to the prediction is not shown");
    let empty = browser.script(
        "return [...document.querySelectorAll('.lab .empty')].filter(e => e.offsetParent).map(e => e.textContent)",
    )?;
    ensure!(empty == serde_json::json!([]), "pictures without content: {empty}");
    let canvases = browser.script(
        "return [...document.querySelectorAll('.lab canvas')].every(c => { const d = c.getContext('2d')\
         .getImageData(0, 0, c.width, c.height).data; return d.some(v => v > 0); })",
    )?;
    ensure!(canvases == true, "a chart is empty");

    browser.reload()?;
    let kept = "return document.querySelector('[data-testid=origin]')?.dataset.shown === 'kept'";
    browser.until("the run, after a reload", SOON, kept)?;
    ensure!(rows(&browser)? == done, "the reloaded table differs");
    let predicted = browser.script("return document.querySelector('[data-testid=predict] input').checked")?;
    ensure!(predicted == true, "the prediction is forgotten");
    let seed = browser.script("return document.querySelector('[data-testid=seed]').value")?;
    ensure!(seed == "2", "the link's seed is not in the field but {seed}");

    let errors = browser.console_errors()?;
    ensure!(errors.is_empty(), "console: {errors:#?}");
    let own = server.address();
    let foreign: Vec<_> = browser
        .requests()?
        .into_iter()
        .filter(|r| !r.starts_with(&own) && !r.starts_with("blob:") && !r.starts_with("data:"))
        .collect();
    ensure!(foreign.is_empty(), "requests to elsewhere: {foreign:?}");
    Ok(())
}

macro_rules! lessons {
    ($($name:ident: $slug:literal,)*) => { $(
        #[test]
        fn $name() -> Result<()> {
            lesson($slug)
        }
    )* };
}

lessons! {
    scaling_laws: "scaling-laws",
    attention: "attention",
    flash_attention: "flash-attention",
    few_shot: "few-shot",
    sft: "sft",
    rlhf: "rlhf",
    dpo: "dpo",
    speculative_decoding: "speculative-decoding",
}

#[test]
fn counters_hold_on_webgpu_in_the_tab() -> Result<()> {
    let (_server, browser) = open("lesson/flash-attention/?size=smoke&device=gpu")?;
    browser.click("run")?;
    phase(&browser, "['running']", SOON)?;
    ensure!(phase(&browser, "['done', 'failed']", RUN)? == "done", "{:?}", browser.text("failure"));
    let device = browser.script("return document.querySelector('#device-place').textContent")?;
    ensure!(device.as_str().is_some_and(|d| d.contains("WebGPU")), "it ran on {device}");
    let done = rows(&browser)?;
    let counted = done.iter().find(|r| r.0 == "counts-equal-formulas");
    ensure!(counted.is_some_and(|r| r.1 == "pass"), "{done:?}");
    Ok(())
}

#[test]
fn the_laboratory_works_by_keyboard() -> Result<()> {
    let (_server, browser) = open("lesson/flash-attention/?size=smoke&device=cpu")?;
    // Everything that can be pressed can be reached, and has a name.
    let nameless = browser.script(
        "return [...document.querySelectorAll('button, a[href], input, select, summary')]\
         .filter(e => e.tabIndex < 0 || !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))\
         .map(e => e.outerHTML.slice(0, 120))",
    )?;
    ensure!(nameless == serde_json::json!([]), "controls without a name, or out of reach: {nameless}");
    browser.script("document.querySelector('[data-testid=run]').focus()")?;
    let key = |name: &str, text: &str, code: u32| -> Result<()> {
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = serde_json::json!({ "type": kind, "key": name, "code": name, "text": text, "windowsVirtualKeyCode": code });
            browser.devtools("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    };
    key("Enter", "\r", 13)?;
    phase(&browser, "['done']", RUN)?;
    Ok(())
}

#[test]
fn a_run_waits_steps_and_stops() -> Result<()> {
    let (_server, browser) = open("lesson/few-shot/?size=smoke&device=cpu")?;
    browser.click("step")?;
    phase(&browser, "['paused']", SOON)?;
    let steps =
        "return [...document.querySelectorAll('.lab .chart')].at(-1)?.querySelector('.empty') === null";
    browser.until("one step's point", SOON, steps)?;
    browser.click("run")?;
    phase(&browser, "['running']", SOON)?;
    browser.click("pause")?;
    phase(&browser, "['paused']", SOON)?;
    browser.click("reset")?;
    phase(&browser, "['ready']", SOON)?;
    let errors = browser.console_errors()?;
    ensure!(errors.is_empty(), "console: {errors:#?}");
    Ok(())
}

#[test]
fn a_link_that_cannot_be_used_is_named_and_harmless() -> Result<()> {
    let (_server, browser) = open("lesson/sft/?seed=x&size=gigantic&lr=1e99")?;
    browser.shown("notice", SOON)?;
    let seed = browser.script("return document.querySelector('[data-testid=seed]').value")?;
    ensure!(seed == "1", "the seed is {seed}");
    Ok(())
}

#[test]
fn every_lesson_opens_with_a_run_and_leads_to_the_next() -> Result<()> {
    let (server, browser) = open("lesson/scaling-laws/")?;
    for slug in [
        "scaling-laws",
        "attention",
        "flash-attention",
        "few-shot",
        "sft",
        "rlhf",
        "dpo",
        "speculative-decoding",
    ] {
        let here = browser.until(
            "the page",
            SOON,
            "return document.querySelector('main')?.dataset.lesson ?? false",
        )?;
        ensure!(here == slug, "{here} instead of {slug}");
        browser.until(
            "its recorded run",
            SOON,
            "return document.querySelector('[data-testid=origin]')?.dataset.shown === 'shipped'",
        )?;
        ensure!(!rows(&browser)?.is_empty(), "{slug} shows no checks");
        let current = browser
            .script("return document.querySelector('.lessons [aria-current]')?.getAttribute('href')")?;
        ensure!(
            current.as_str().is_some_and(|h| h.contains(slug)),
            "{slug} is not marked in the list: {current}"
        );
        browser.script("document.querySelector('.turn a:last-child').click()")?;
        std::thread::sleep(Duration::from_millis(500));
    }
    browser.goto(&server.address())?;
    let links = browser.script("return document.querySelectorAll('.steps a').length")?;
    ensure!(links == 8, "the home page links to {links} lessons");
    let errors = browser.console_errors()?;
    ensure!(errors.is_empty(), "console: {errors:#?}");
    Ok(())
}
