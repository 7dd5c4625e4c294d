//! Every lesson, as a learner takes it, by keyboard alone: predict, run to the end, read the table, save what came,
//! come back; then another run with a knob turned.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result, bail, ensure};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::journal::Journal;
use gradus_tests::{axe, site};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use xtask::serve::SiteServer;

/// A lesson's smallest run in a debug-free build on two cores.
const RUN: Duration = Duration::from_secs(420);
/// Until something small has happened.
const SOON: Duration = Duration::from_secs(60);
/// Presses of Tab that reach any control of a page.
const TABS: usize = 250;
/// How long a press on Stop or Pause may take to act, in ms, on a machine that is not crowded.
const PROMPT: f64 = 100.0;
/// How long the page's thread may work on one task while a run goes, in ms, on a machine that is not crowded.
const LONG_TASK: f64 = 50.0;

const PHASE: &str = "document.querySelector('[data-testid=bar]')?.dataset.phase";

/// Notes what the page saves.
const WATCH: &str = "
    window.saved = {};
    const make = URL.createObjectURL;
    URL.createObjectURL = blob => { blob.text().then(t => window.saved[blob.type] = t); return make.call(URL, blob) };";

/// The lesson's page, its laboratory ready.
fn open_with(address: &str, options: Options) -> Result<(SiteServer, Browser)> {
    let server = site::serve()?;
    let browser = Browser::start(options)?;
    browser.before_every_page(WATCH)?;
    browser.goto(&format!("{}{address}", server.address()))?;
    browser.shown("bar", SOON)?;
    Ok((server, browser))
}

fn open(address: &str) -> Result<(SiteServer, Browser)> {
    open_with(address, Options::default())
}

fn phase(browser: &Browser, names: &str, limit: Duration) -> Result<Value> {
    browser.until(names, limit, &format!("const p = {PHASE}; return {names}.includes(p) ? p : false"))
}

fn finished(browser: &Browser) -> Result<()> {
    let end = phase(browser, "['done', 'failed']", RUN)?;
    ensure!(end == "done", "the run failed: {:?}", browser.text("failure"));
    Ok(())
}

/// The rows of the table: name, status, and what was measured.
fn rows(browser: &Browser) -> Result<Vec<(String, String, String)>> {
    let rows = browser.script(
        "return [...document.querySelectorAll('[data-check]')]\
         .map(r => [r.dataset.check, r.dataset.status, r.cells[1].textContent])",
    )?;
    serde_json::from_value(rows).context("the table's rows")
}

/// What the page saves when this button of the export menu is pressed.
fn export(browser: &Browser, button: &str, kind: &str) -> Result<String> {
    browser
        .script(&format!("window.saved = {{}}; document.querySelector('[data-export={button}]').click()"))?;
    let saved = browser.until("the file", SOON, &format!("return window.saved['{kind}'] ?? false"))?;
    Ok(saved.as_str().unwrap_or_default().to_owned())
}

/// Every metric so far, by run, step and name.
fn metrics(browser: &Browser) -> Result<BTreeMap<(String, u64, String), f64>> {
    let mut all = BTreeMap::new();
    // Before the first number there is nothing to save.
    if browser.script("return document.querySelector('[data-export=jsonl]').disabled")? == true {
        return Ok(all);
    }
    for line in export(browser, "jsonl", "application/jsonl")?.lines() {
        let row: serde_json::Map<String, Value> =
            serde_json::from_str(line).context("a line of the JSONL")?;
        let run = row["run"].as_str().context("its run")?;
        let step = row["step"].as_u64().context("its step")?;
        for (name, value) in &row {
            if let (Some(value), false) = (value.as_f64(), name == "step") {
                all.insert((run.to_owned(), step, name.clone()), value);
            }
        }
    }
    Ok(all)
}

/// The page's thread works on no task for more than 50 ms between its marks "run" and "done". (Programs that share a
/// processor's two halves slow each other down, which counts as work: hence the crowding.)
fn no_long_task(journal: &Journal) -> Result<()> {
    let tasks = journal.tasks("run", "done")?;
    let longest = tasks.iter().map(|t| t.1).fold(0.0, f64::max);
    println!("{} tasks of the page's thread, the longest worked for {longest:.1} ms", tasks.len());
    let most = LONG_TASK * site::crowding();
    let long: Vec<_> = tasks.into_iter().filter(|t| t.1 > most).collect();
    ensure!(long.is_empty(), "tasks of more than {most:.0} ms while it ran: {long:?}");
    Ok(())
}

/// A knob of a lesson, and the keys that turn it.
struct Turn {
    /// What finds the control.
    control: &'static str,
    keys: &'static [&'static str],
    /// What then stands in the link.
    link: &'static str,
}

/// Takes one lesson through its smallest run, by keyboard; `tokens` where its models read tokens.
fn lesson(slug: &str, turn: &Turn, tokens: bool) -> Result<()> {
    let address = format!("lesson/{slug}/?size=smoke&device=cpu&seed=2");
    let (server, browser) = open_with(&address, Options { trace: true, ..Options::default() })?;

    browser.tab_to("[data-testid=predict] input", TABS)?;
    browser.press(" ")?;
    let predicted = "return document.querySelector('[data-testid=predict] input').checked";
    ensure!(browser.script(predicted)? == true, "Space does not choose a prediction");
    browser.tab_to("[data-testid=run]", TABS)?;
    let start = Instant::now();
    browser.script("performance.mark('run')")?;
    browser.press("Enter")?;
    phase(&browser, "['running']", SOON)?;
    let hidden = browser.script("return getComputedStyle(document.querySelector('.reveal')).display")?;
    ensure!(hidden == "none", "the answer is shown before the run is done");
    let waiting = rows(&browser)?;
    ensure!(waiting.iter().all(|r| r.1 == "wait"), "checks that do not wait for the run: {waiting:?}");
    if tokens {
        let said =
            |id| format!("return /\\d/.test(document.querySelector('[data-testid={id}]').textContent)");
        browser.until("tokens a second", SOON, &said("tokens-per-second"))?;
        browser.until("memory", SOON, &said("memory"))?;
    }
    finished(&browser)?;
    browser.script("performance.mark('done')")?;
    println!("{slug}: {:.1} s", start.elapsed().as_secs_f64());
    let journal = browser.journal()?;
    no_long_task(&journal)?;

    let done = rows(&browser)?;
    ensure!(!done.is_empty(), "no check was made");
    ensure!(done.iter().all(|r| r.1 == "pass"), "checks that do not pass: {done:?}");
    browser.tab_to(".checks .wide", TABS)?;
    let shown = browser.script("return getComputedStyle(document.querySelector('.reveal')).display")?;
    ensure!(shown == "block", "the answer to the prediction is not shown");
    let empty = browser.script(
        "return [...document.querySelectorAll('.lab .empty')].filter(e => e.offsetParent).map(e => e.textContent)",
    )?;
    ensure!(empty == json!([]), "pictures without content: {empty}");
    let canvases = browser.script(
        "return [...document.querySelectorAll('.lab canvas')].every(c => { const d = c.getContext('2d')\
         .getImageData(0, 0, c.width, c.height).data; return d.some(v => v > 0); })",
    )?;
    ensure!(canvases == true, "a chart is empty");
    let violations = axe::violations(&browser)?;
    ensure!(violations.is_empty(), "{}", violations.join("\n"));

    files(&browser, done.len())?;
    let before = metrics(&browser)?;

    browser.reload()?;
    let kept = "return document.querySelector('[data-testid=origin]')?.dataset.shown === 'kept'";
    browser.until("the run, after a reload", SOON, kept)?;
    ensure!(rows(&browser)? == done, "the reloaded table differs");
    ensure!(browser.script(predicted)? == true, "the prediction is forgotten");
    let seed = browser.script("return document.querySelector('[data-testid=seed]').value")?;
    ensure!(seed == "2", "the link's seed is not in the field but {seed}");

    // Away and back: the kept run is there again; and forward.
    // Not before the page has loaded: until then one address replaces another in the history.
    browser.until("the page, loaded", SOON, "return document.readyState === 'complete'")?;
    std::thread::sleep(Duration::from_millis(500));
    browser.click_css(".turn a")?;
    // Its laboratory too: a step back while it starts may be called off by the browser.
    let elsewhere = format!(
        "const l = document.querySelector('main')?.dataset.lesson; \
         return !!l && l !== '{slug}' && document.readyState === 'complete' \
         && ['shipped', 'kept'].includes(document.querySelector('[data-testid=origin]')?.dataset.shown)"
    );
    browser.until("the neighbouring lesson", SOON, &elsewhere)?;
    browser.back()?;
    browser.until("the run, after going back", SOON, kept)?;
    browser.forward()?;
    browser.until("the neighbouring lesson again", SOON, &elsewhere)?;
    browser.back()?;
    browser.until("the run, after going back again", SOON, kept)?;

    turned(&browser, turn, &before, &done)?;

    let errors = browser.console_errors()?;
    ensure!(errors.is_empty(), "console: {errors:#?}");
    let own = server.address();
    let requests = journal.requests.into_iter().chain(browser.journal()?.requests);
    let foreign: Vec<_> = requests
        .filter(|r| !r.starts_with(&own) && !r.starts_with("blob:") && !r.starts_with("data:"))
        .collect();
    ensure!(foreign.is_empty(), "requests to elsewhere: {foreign:?}");
    Ok(())
}

/// Everything that can be saved holds what it should.
fn files(browser: &Browser, checks: usize) -> Result<()> {
    let csv = export(browser, "csv", "text/csv")?;
    ensure!(csv.starts_with("run,step,metric,value\n") && csv.lines().count() > 2, "the CSV is {csv:.200}");
    let json: Value = serde_json::from_str(&export(browser, "json", "application/json")?)?;
    ensure!(json["checks"].as_array().is_some_and(|c| c.len() == checks), "the JSON holds other checks");
    ensure!(json["figures"].is_object(), "the JSON holds no figures");
    let folder = std::env::temp_dir().join(format!("gradus-files-{}-{checks}", std::process::id()));
    browser.save_files_to(&folder)?;
    browser.script(
        "for (const b of document.querySelector('figcaption .files-of').querySelectorAll('button')) b.click()",
    )?;
    let start = Instant::now();
    let has = |end: &str| -> Result<bool> {
        let names = std::fs::read_dir(&folder)?.filter_map(|f| f.ok()?.file_name().into_string().ok());
        Ok(names.into_iter().any(|n| n.ends_with(end)))
    };
    while !(has(".png")? && has(".csv")?) {
        ensure!(start.elapsed() < SOON, "the chart's picture and numbers are not saved");
        std::thread::sleep(Duration::from_millis(100));
    }
    // The browser may still be tidying its own file there.
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}

/// Turns a knob by keyboard and runs again until something comes out otherwise than `before`.
fn turned(
    browser: &Browser,
    turn: &Turn,
    before: &BTreeMap<(String, u64, String), f64>,
    done: &[(String, String, String)],
) -> Result<()> {
    browser.tab_to(turn.control, TABS)?;
    for key in turn.keys {
        browser.press(key)?;
    }
    let address = browser.script("return location.search")?;
    ensure!(
        address.as_str().is_some_and(|a| a.contains(turn.link)),
        "the link is {address}, without {}",
        turn.link
    );
    browser.script("document.querySelector('[data-testid=run]').focus()")?;
    browser.press("Enter")?;
    phase(browser, "['running', 'done']", SOON)?;
    let start = Instant::now();
    loop {
        let now = metrics(browser)?;
        let differs = now.iter().any(|(at, value)| before.get(at).is_some_and(|v| v != value));
        let over = browser.script(&format!("return {PHASE}"))?;
        if differs && over == "running" {
            // Stop acts at once.
            let waited = browser.script(&format!(
                "const t = performance.now(); document.querySelector('[data-testid=reset]').click(); \
                 return new Promise(done => {{ const look = () => {PHASE} === 'ready' ? done(performance.now() - t) : \
                 setTimeout(look, 1); look() }})",
            ))?;
            println!("stopped after {waited} ms");
            ensure!(waited.as_f64().is_some_and(|w| w < PROMPT * site::crowding()), "Stop took {waited} ms");
            return Ok(());
        }
        if over == "done" {
            ensure!(differs || rows(browser)? != done, "the run does not heed {}", turn.link);
            return Ok(());
        }
        ensure!(over == "running", "the run is {over}: {:?}", browser.text("failure"));
        if start.elapsed() > RUN {
            bail!("nothing came out otherwise with {}", turn.link);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

const fn slider(control: &'static str, keys: &'static [&'static str], link: &'static str) -> Turn {
    Turn { control, keys, link }
}

macro_rules! lessons {
    ($($name:ident: $slug:literal, $turn:expr, $tokens:literal;)*) => { $(
        #[test]
        fn $name() -> Result<()> {
            lesson($slug, &$turn, $tokens)
        }
    )* };
}

lessons! {
    scaling_laws: "scaling-laws", slider("[data-slider=lr]", &["ArrowRight", "ArrowRight"], "lr="), true;
    attention: "attention", slider("[data-knob=scale]", &["ArrowDown"], "scale=false"), true;
    flash_attention: "flash-attention", slider("[data-slider=memory]", &["ArrowRight", "ArrowRight"], "memory="), false;
    few_shot: "few-shot", slider("[data-slider=steps]", &["ArrowLeft", "ArrowLeft"], "steps="), true;
    sft: "sft", slider("[data-slider=lr]", &["ArrowRight", "ArrowRight"], "lr="), true;
    rlhf: "rlhf", slider("[data-slider=bias]", &["ArrowRight", "ArrowRight", "ArrowRight"], "bias="), true;
    dpo: "dpo", slider("[data-slider=beta]", &["ArrowLeft", "ArrowLeft"], "beta="), true;
    speculative_decoding: "speculative-decoding", slider("[data-slider=prompts]", &["ArrowLeft", "ArrowLeft"], "prompts="), true;
}

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
    let errors = browser.console_errors()?;
    ensure!(errors.is_empty(), "console: {errors:#?}");
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
    let (_server, browser) = open_with("lesson/sft/?size=smoke&device=gpu", options)?;
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
        "return document.querySelector('[data-testid=notice]')?.textContent.includes('zip')",
    )?;
    // A zip by its first letters only: the engine refuses it, and the page says so and goes on.
    std::fs::write(&file, "PK, but no zip either")?;
    browser.choose_file(field, &file)?;
    let own = "return document.querySelector('[data-start=base]')?.dataset.from === 'own'";
    browser.until("the file's model", SOON, own)?;
    browser.click("run")?;
    phase(&browser, "['failed']", SOON)?;
    let failure = browser.text("failure")?;
    ensure!(failure.contains("zip"), "the failure says {failure}");
    ensure!(rows(&browser)?.iter().all(|r| r.1 == "wait"), "a failed run has measured something");
    let base = xtask::root().join("lessons/shipped/base.zip");
    browser.choose_file("[data-start=base] input[type=file]", &base)?;
    browser.until(
        "the file's model",
        SOON,
        "return document.querySelector('[data-start=base]')?.dataset.from === 'own'",
    )?;
    std::fs::remove_file(&file)?;

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
    let errors = browser.console_errors()?;
    ensure!(errors.is_empty(), "console: {errors:#?}");
    Ok(())
}
