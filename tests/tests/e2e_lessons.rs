//! Every lesson, as a learner takes it, by keyboard alone: predict, run to the end, read the table, save what came,
//! come back; then another run with a knob turned.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result, bail, ensure};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::journal::Journal;
use gradus_tests::laboratory::{PHASE, PROMPT, RUN, SOON, finished, open_with, phase, quiet, rows, run};
use gradus_tests::{axe, site};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Presses of Tab that reach any control of a page.
const TABS: usize = 250;
/// How long the page's thread may work on one task while a run goes, in ms, on a machine that is not crowded.
const LONG_TASK: f64 = 50.0;

/// Shows the chart of every curve: no other takes as long to draw, and out of sight none is drawn.
const LAST_CHART: &str =
    "[...document.querySelectorAll('.lab canvas')].at(-1).scrollIntoView({ block: 'center' })";

/// Notes what the page saves.
const WATCH: &str = "
    window.saved = {};
    const make = URL.createObjectURL;
    URL.createObjectURL = blob => { blob.text().then(t => window.saved[blob.type] = t); return make.call(URL, blob) };";

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

/// The page's thread works on no task for more than 50 ms between its marks "run" and "done", in one of three runs at
/// least. (Programs that share a processor's two halves slow each other down, which counts as work: hence the crowding.
/// And other guests of a machine may slow down all that happens in some moment fourfold: but what the page itself does
/// too long it does in every run.)
fn no_long_task(first: &Journal, again: impl Fn() -> Result<Journal>) -> Result<()> {
    let mut long = long_tasks(first)?;
    for _ in 0..2 {
        if long.is_empty() {
            return Ok(());
        }
        println!("tasks that took too long, in ms since the start and of work: {long:.1?}; once more");
        long = long_tasks(&again()?)?;
    }
    ensure!(
        long.is_empty(),
        "each of three runs had tasks that took too long, the last one in ms {long:.1?}"
    );
    Ok(())
}

/// Those that are too long: when they began, and how long they worked.
fn long_tasks(journal: &Journal) -> Result<Vec<(f64, f64)>> {
    let tasks = journal.tasks("run", "done")?;
    let longest = tasks.iter().map(|t| t.1).fold(0.0, f64::max);
    println!("{} tasks of the page's thread, the longest worked for {longest:.1} ms", tasks.len());
    let most = LONG_TASK * site::crowding();
    Ok(tasks.into_iter().filter(|t| t.1 > most).collect())
}

/// A usual browser that notes its tasks.
fn traced() -> Options {
    Options { trace: true, ..Options::default() }
}

/// What the browser notes of another such run.
fn run_again(address: &str) -> Result<Journal> {
    let (_server, browser) = open_with(address, traced(), "")?;
    browser.script("performance.mark('run')")?;
    browser.script(LAST_CHART)?;
    run(&browser)?;
    browser.script("performance.mark('done')")?;
    browser.journal()
}

/// Every chart shows something once it comes into sight.
fn charts_are_drawn(browser: &Browser) -> Result<()> {
    let charts = browser.script("return document.querySelectorAll('.lab canvas').length")?;
    for i in 0..charts.as_u64().context("a number of charts")? {
        let canvas = format!("const c = document.querySelectorAll('.lab canvas')[{i}]");
        browser.script(&format!("{canvas}; c.scrollIntoView({{ block: 'center' }})"))?;
        let drawn = format!(
            "{canvas}; return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v > 0)"
        );
        browser.until(&format!("something on chart {i}"), SOON, &drawn)?;
    }
    browser.script("document.querySelector('.lab').scrollTop = 0; window.scrollTo(0, 0)")?;
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
    let (server, browser) = open_with(&address, traced(), WATCH)?;

    browser.tab_to("[data-testid=predict] input", TABS)?;
    browser.press(" ")?;
    let predicted = "return document.querySelector('[data-testid=predict] input').checked";
    ensure!(browser.script(predicted)? == true, "Space does not choose a prediction");
    browser.tab_to("[data-testid=run]", TABS)?;
    let start = Instant::now();
    browser.script("performance.mark('run')")?;
    browser.press("Enter")?;
    phase(&browser, "['running']", SOON)?;
    browser.script(LAST_CHART)?;
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
    no_long_task(&journal, || run_again(&address))?;

    let done = rows(&browser)?;
    ensure!(!done.is_empty(), "no check was made");
    ensure!(done.iter().all(|r| r.1 == "pass"), "checks that do not pass: {done:?}");
    browser.tab_to(".checks .wide", TABS)?;
    let shown = browser.script("return getComputedStyle(document.querySelector('.reveal')).display")?;
    ensure!(shown == "block", "the answer to the prediction is not shown");
    let quick = browser.script("return getComputedStyle(document.querySelector('.after-quick')).display")?;
    ensure!(quick == "block", "a quick try is not said to be one");
    let empty = browser.script(
        "return [...document.querySelectorAll('.lab .empty')].filter(e => e.offsetParent).map(e => e.textContent)",
    )?;
    ensure!(empty == json!([]), "pictures without content: {empty}");
    charts_are_drawn(&browser)?;
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

    quiet(&browser)?;
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
