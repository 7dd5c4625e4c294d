//! What every lesson's run has in common: links, waiting and stopping, what cannot be, a teacher's screen, the way from
//! one lesson to the next.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result, ensure};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::laboratory::{PHASE, PROMPT, SOON, finished, open, open_with, phase, quiet, rows};
use gradus_tests::site;
use serde_json::json;

#[test]
fn counters_hold_on_webgpu_in_the_tab() -> Result<()> {
    let (_server, browser) = open("lesson/flash-attention/?size=smoke&device=gpu")?;
    browser.click("run")?;
    phase(&browser, "['running']", SOON)?;
    finished(&browser)?;
    let device = browser.script("return document.querySelector('#device-place').textContent")?;
    ensure!(device.as_str().is_some_and(|d| d.contains("WebGPU")), "it ran on {device}");
    let done = rows(&browser)?;
    let counted = done.iter().find(|r| r.0 == "counts-equal-formulas");
    ensure!(counted.is_some_and(|r| r.1 == "pass"), "{done:?}");
    Ok(())
}

/// A link opened twice gives the same numbers, and the knob in it is in the field; a teacher shows it to a class.
#[test]
fn a_link_reproduces_a_run_and_a_teacher_reveals_it() -> Result<()> {
    let mut measured = Vec::new();
    for teaching in [false, true] {
        let (_server, browser) = open("lesson/sft/?size=smoke&device=cpu&seed=3&lr=0.003")?;
        let knob = browser.script("return document.querySelector('[data-knob=lr]').value")?;
        ensure!(knob == "0.003", "the link's knob is not in the field but {knob}");
        if teaching {
            browser.click("present")?;
        }
        browser.click("run")?;
        finished(&browser)?;
        measured.push(rows(&browser)?);
        if teaching {
            hidden_until_revealed(&browser)?;
        }
    }
    ensure!(measured[0] == measured[1], "two runs of one link differ: {measured:#?}");
    Ok(())
}

fn hidden_until_revealed(browser: &Browser) -> Result<()> {
    let seen = |what: &str| -> Result<bool> {
        let there = format!("return !!document.querySelector('{what}')?.getClientRects().length");
        Ok(browser.script(&there)? == true)
    };
    for answer in [".reveal", ".checks table", ".pictures .card"] {
        ensure!(!seen(answer)?, "{answer} is shown before the teacher reveals it");
    }
    ensure!(!seen(".prose h2")?, "the prose is not hidden");
    browser.click("reveal")?;
    for answer in [".reveal", ".checks table", ".pictures .card"] {
        ensure!(seen(answer)?, "{answer} is hidden after it was revealed");
    }
    browser.press("Escape")?;
    browser.until("the prose", SOON, "return !document.documentElement.hasAttribute('data-present')")?;
    ensure!(seen(".prose h2")?, "Escape does not bring the prose back");
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
    // Curves of the run before are marked until this one is done; those of this one are not.
    let marked = browser.script(
        "return [...document.querySelectorAll('.pictures .card')]\
         .filter(c => getComputedStyle(c.querySelector('header'), '::after').content.includes('the run before'))\
         .map(c => c.ariaLabel)",
    )?;
    ensure!(
        marked == json!(["Accuracy against examples", "Weights changed by prompting"]),
        "marked: {marked}"
    );
    ensure!(rows(&browser)?.is_empty(), "checks of another length wait for this run");
    browser.click("run")?;
    phase(&browser, "['running']", SOON)?;
    let waited = browser.script(&format!(
        "const t = performance.now(); document.querySelector('[data-testid=pause]').click(); \
         return new Promise(done => {{ const look = () => {PHASE} === 'paused' ? done(performance.now() - t) : \
         setTimeout(look, 1); look() }})",
    ))?;
    println!("paused after {waited} ms");
    ensure!(waited.as_f64().is_some_and(|w| w < PROMPT * site::crowding()), "Pause took {waited} ms");
    browser.click("reset")?;
    phase(&browser, "['ready']", SOON)?;
    quiet(&browser)?;
    Ok(())
}

#[test]
fn a_link_that_cannot_be_used_is_named_and_harmless() -> Result<()> {
    let (_server, browser) = open("lesson/sft/?seed=x&size=gigantic&lr=1e99")?;
    browser.shown("notice", SOON)?;
    let notice = browser.text("notice")?;
    ensure!(notice.contains("A number from 0.00001 to 0.05 fits here."), "the notice says {notice}");
    let seed = browser.script("return document.querySelector('[data-testid=seed]').value")?;
    ensure!(seed == "1", "the seed is {seed}");
    browser.fill_css("[data-knob=lr]", "7")?;
    browser.press("Tab")?;
    let fault = browser.script("return document.querySelector('#fault-lr').textContent")?;
    ensure!(fault.as_str().is_some_and(|f| f.contains("0.05")), "the field says {fault}");
    let link = browser.script("return location.search")?;
    ensure!(link == "", "what does not fit is in the link: {link}");
    Ok(())
}

/// Before, during and after what cannot be: a device that is not there, a model that is none; then all is forgotten.
#[test]
fn without_webgpu_each_state_says_what_to_do_and_all_can_be_forgotten() -> Result<()> {
    let options = Options { webgpu: false, ..Options::default() };
    let (_server, browser) = open_with("lesson/sft/?size=smoke&device=gpu", options, "")?;
    browser.click_css("[data-testid=predict] label")?;
    browser.click("run")?;
    browser.until(
        "why it runs on the CPU",
        SOON,
        "return document.querySelector('[data-testid=origin]').textContent.includes('instead of the GPU')",
    )?;
    browser.click("reset")?;

    let file = std::env::temp_dir().join(format!("gradus-no-model-{}.zip", std::process::id()));
    std::fs::write(&file, "no zip at all")?;
    let field = "[data-start=base] input[type=file]";
    browser.choose_file(field, &file)?;
    browser.until(
        "what is wrong with the file",
        SOON,
        "return document.querySelector('[data-testid=notice]')?.textContent.includes('no zip (')",
    )?;
    let from = |whose: &str| {
        format!("return document.querySelector('[data-start=base]')?.dataset.from === '{whose}'")
    };
    ensure!(browser.script(&from("shipped"))? == true, "a file that is no model took a model's place");
    let base = xtask::root().join("lessons/shipped/base.zip");
    browser.choose_file(field, &base)?;
    browser.until("the file's model", SOON, &from("own"))?;
    // A zip by its first letters only: the engine cannot read it, the page says so, and the model opened before stays.
    let size = "return document.querySelector('[data-start=base] option[value=own]')?.textContent";
    let before = browser.script(size)?;
    std::fs::write(&file, "PK, but no zip either")?;
    browser.choose_file(field, &file)?;
    browser.until(
        "that nothing has changed",
        SOON,
        "return document.querySelector('[data-testid=notice]')?.textContent.includes('nothing has changed')",
    )?;
    ensure!(browser.script(size)? == before, "the model that was there is gone");
    ensure!(browser.script(&from("own"))? == true, "the model that was there is no longer chosen");
    std::fs::remove_file(&file)?;

    // A kept model that has been damaged since: the run fails, says why, and the next file mends it.
    browser.script(
        "indexedDB.open('gradus-course').onsuccess = event => {\
           const put = event.target.result.transaction('models', 'readwrite');\
           const made = JSON.stringify({ lesson: null, seed: 0, device: '', when: 0 });\
           put.objectStore('models').put([made, new TextEncoder().encode('PK, cut off')], 'base');\
           put.oncomplete = () => { window.damaged = true; } }",
    )?;
    browser.until("the damaged model, kept", SOON, "return window.damaged === true")?;
    browser.reload()?;
    browser.until("the damaged model", SOON, &from("own"))?;
    browser.click("run")?;
    phase(&browser, "['failed']", SOON)?;
    let failure = browser.text("failure")?;
    ensure!(failure.contains("zip"), "the failure says {failure}");
    ensure!(rows(&browser)?.iter().all(|r| r.1 == "wait"), "a failed run has measured something");
    browser.choose_file(field, &base)?;
    let before = format!("{size} === {before}");
    browser.until("the file's model", SOON, &before)?;

    browser.reload()?;
    browser.until(
        "the model after a reload",
        SOON,
        "return document.querySelector('[data-start=base]')?.dataset.from === 'own'",
    )?;
    browser.click("reset-everything")?;
    browser.click("reset-confirm")?;
    let fresh = "return document.querySelector('[data-start=base]')?.dataset.from === 'shipped' && location.search === ''";
    browser.until("the page as on a first visit", SOON, fresh)?;
    let chosen = browser.script("return !!document.querySelector('[data-testid=predict] input:checked')")?;
    ensure!(chosen == false && browser.script("return localStorage.length")? == 0, "a prediction is kept");
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
        let here = format!("return document.querySelector('main')?.dataset.lesson === '{slug}'");
        browser.until(slug, SOON, &here)?;
        browser.until(
            "its recorded run",
            SOON,
            "return document.querySelector('[data-testid=origin]')?.dataset.shown === 'shipped'",
        )?;
        ensure!(!rows(&browser)?.is_empty(), "{slug} shows no checks");
        // Everything that can be pressed can be reached, and has a name.
        let nameless = browser.script(
            "return [...document.querySelectorAll('button, a[href], input, select, summary')]\
             .filter(e => e.tabIndex < 0 || !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length))\
             .map(e => e.outerHTML.slice(0, 120))",
        )?;
        ensure!(nameless == json!([]), "controls without a name, or out of reach: {nameless}");
        for id in [
            "run",
            "pause",
            "step",
            "reset",
            "seed",
            "device",
            "speed",
            "share",
            "export",
            "predict",
            "quiz",
            "model-lineage",
        ] {
            browser.attribute(id, "class").with_context(|| format!("{slug} has no {id}"))?;
        }
        let current = browser
            .script("return document.querySelector('.lessons [aria-current]')?.getAttribute('href')")?;
        ensure!(
            current.as_str().is_some_and(|h| h.contains(slug)),
            "{slug} is not marked in the list: {current}"
        );
        if slug != "speculative-decoding" {
            browser.script("document.querySelector('.turn a:last-child').click()")?;
        }
    }
    browser.goto(&server.address())?;
    let links = browser.script("return document.querySelectorAll('.steps a').length")?;
    ensure!(links == 8, "the home page links to {links} lessons");
    quiet(&browser)?;
    Ok(())
}
