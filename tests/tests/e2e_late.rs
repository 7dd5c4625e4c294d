//! What lessons 5 to 8 have of their own: labelling by hand, live rollouts, lines and rounds to step through, files.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result, ensure};
use gradus_tests::browser::Browser;
use gradus_tests::laboratory::{PHASE, RUN, SOON, open, quiet, run};
use serde_json::Value;
use std::time::Duration;

/// Keeps what the page offers to save: `window.saved` is name and text of each file.
const CATCH: &str = "window.saved = []; const make = URL.createObjectURL; \
    URL.createObjectURL = b => { const u = make.call(URL, b); b.text().then(t => window.saved.push([u, t])); return u }; \
    const click = HTMLAnchorElement.prototype.click; \
    HTMLAnchorElement.prototype.click = function () { \
        if (!this.download) return click.call(this); \
        (window.names ??= []).push([this.download, this.href]) }";

/// Presses a button that saves a file, and gives its name and text (a PNG's text is its address).
fn saved(browser: &Browser, selector: &str) -> Result<(String, String)> {
    browser.script(CATCH)?;
    browser.script(&format!("document.querySelector({selector:?}).click()"))?;
    let file = browser.until(
        "a file",
        SOON,
        "const n = window.names?.[0]; if (!n) return false; if (n[1].startsWith('data:')) return n; \
         const s = window.saved.find(s => s[0] === n[1]); return s ? [n[0], s[1]] : false",
    )?;
    let text = |i: usize| file[i].as_str().map(str::to_owned).context("a text");
    browser.script("window.names = []; window.saved = []")?;
    Ok((text(0)?, text(1)?))
}

#[test]
fn a_learner_labels_pairs_and_the_reward_model_learns_from_them() -> Result<()> {
    let (_server, browser) = open("lesson/rlhf/?size=smoke&device=cpu&seed=2")?;
    // Rollouts stand there while PPO runs, not only afterwards.
    browser.click("run")?;
    browser.until(
        "rollouts of a run that is under way",
        RUN,
        &format!("return {PHASE} === 'running' && document.querySelectorAll('.strip .cell').length > 4 && document.querySelector('[data-testid=rollout-sum]')?.textContent.includes('charge')"),
    )?;
    browser.until("the run's end", RUN, &format!("return {PHASE} === 'done'"))?;
    let cells = browser.script(
        "const s = document.querySelector('.strip'); s.focus(); \
         for (const key of ['End', 'ArrowLeft']) s.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })); \
         return new Promise(r => setTimeout(() => r(document.querySelector('.readout').textContent), 200))",
    );
    let said = cells?;
    ensure!(
        said.as_str().is_some_and(|s| s.contains("advantage") && s.contains("KL charge")),
        "the strip says {said}"
    );

    // Three choices by key, one taken back.
    browser.script("document.querySelector('[data-testid=label-weight]').scrollIntoView()")?;
    for key in ["1", "2", "1"] {
        browser.script(&format!("document.querySelector('.answer-choice').dispatchEvent(new KeyboardEvent('keydown', {{ key: {key:?}, bubbles: true }}))"))?;
        std::thread::sleep(Duration::from_millis(200));
    }
    let progress = || -> Result<Value> {
        browser.script("return document.querySelector('[data-testid=label-progress]').textContent")
    };
    ensure!(progress()? == "3 of 24 labelled", "{}", progress()?);
    browser.click("label-undo")?;
    browser.until(
        "the choice taken back",
        SOON,
        "return document.querySelector('[data-testid=label-progress]').textContent.startsWith('2 of')",
    )?;
    browser.script("const s = document.querySelector('[data-testid=labeller]'); s.value = 'both'; s.dispatchEvent(new Event('change', { bubbles: true }))")?;
    browser.until(
        "what is used",
        SOON,
        "return document.querySelector('[data-testid=label-use]').textContent.includes('Your 2 labels')",
    )?;
    run(&browser)?;
    let used = browser.text("label-used")?;
    ensure!(used.contains("2 labels made by hand, 25 times each"), "{used}");
    browser.reload()?;
    browser.until(
        "the labels, after a reload",
        SOON,
        "return document.querySelector('[data-testid=label-used]')?.textContent.includes('2 labels')",
    )?;
    ensure!(
        progress()?.as_str().is_some_and(|p| p.starts_with("2 of") || p.starts_with("0 of")),
        "{}",
        progress()?
    );

    let (name, text) = saved(&browser, "[data-export=svg]")?;
    ensure!(
        name.ends_with(".svg") && text.starts_with("<svg") && text.contains("xmlns="),
        "{name}: {}",
        &text[..80.min(text.len())]
    );
    ensure!(text.contains("fill:rgb") && !text.contains("var(--"), "the styles are not in the file");
    let (name, address) = saved(&browser, "[data-export=png]")?;
    ensure!(
        name.ends_with(".png") && address.starts_with("data:image/png") && address.len() > 4000,
        "{name}"
    );
    quiet(&browser)
}

#[test]
fn the_derivation_is_stepped_and_data_is_saved_for_trl() -> Result<()> {
    let (_server, browser) = open("lesson/dpo/")?;
    let line = || browser.text("derivation-line");
    browser.until(
        "the first line",
        SOON,
        "return document.querySelector('[data-testid=derivation-line]')?.textContent.startsWith('1.')",
    )?;
    browser.script("document.querySelector('[data-testid=derivation-line]').closest('section').querySelector('.stepper .main').click()")?;
    browser.until(
        "the second line",
        SOON,
        "return document.querySelector('[data-testid=derivation-line]').textContent.startsWith('2.')",
    )?;
    ensure!(line()?.contains("policy"), "{}", line()?);
    quiet(&browser)?;

    browser.goto(&format!("{}lesson/sft/?size=smoke&device=cpu", _server.address()))?;
    browser.shown("bar", SOON)?;
    browser.until("a pair", SOON, "return document.querySelectorAll('.strip .cell').length > 8")?;
    let learned =
        "return Number(document.querySelector('[data-testid=weights-sum]').textContent.split(' ')[0])";
    let masked = browser.script(learned)?.as_f64().context("a number")?;
    browser.click("mask")?;
    browser.until("more learned tokens", SOON, &format!("return (() => {{ {learned} }})() > {masked}"))?;
    run(&browser)?;
    let (name, text) = saved(&browser, "[data-export=data]")?;
    ensure!(name == "pairs-train.jsonl", "{name}");
    ensure!(text.lines().count() == 1000, "{} pairs", text.lines().count());
    let first: Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
    ensure!(first["prompt"].as_str().is_some_and(|p| p.ends_with("<bot>")), "{first}");
    ensure!(
        first["completion"].as_str().is_some_and(|c| c.starts_with(' ') && c.ends_with("<end>")),
        "{first}"
    );
    quiet(&browser)
}

#[test]
fn a_round_is_stepped_to_its_end() -> Result<()> {
    let (_server, browser) = open("lesson/speculative-decoding/?size=smoke&device=cpu&seed=2")?;
    run(&browser)?;
    let said = || browser.text("walk-said");
    ensure!(said()?.starts_with("The draft writes"), "{}", said()?);
    let step = "document.querySelector('[data-testid=walk]').closest('section').querySelector('.stepper .main').click()";
    browser.script(step)?;
    browser.until("the target's opinion", SOON, "return document.querySelector('[data-testid=walk-said]').textContent.startsWith('One call of the target')")?;
    browser.script(step)?;
    browser.until(
        "a coin",
        SOON,
        "return document.querySelector('[data-testid=walk-said]').textContent.includes('The coin shows')",
    )?;
    let before = browser.text("walk-text")?;
    browser.click("next-round")?;
    browser.until(
        "longer text",
        SOON,
        &format!(
            "return document.querySelector('[data-testid=walk-text]').textContent.length > {}",
            before.chars().count()
        ),
    )?;
    let lanes = browser.script("return document.querySelector('.lanes').getAttribute('aria-label')")?;
    ensure!(lanes.as_str().is_some_and(|l| l.contains("calls of the target")), "{lanes}");
    quiet(&browser)
}
