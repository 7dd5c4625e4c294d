//! The harness sees what the end-to-end tests rely on it to see, on a page made for the purpose.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::Result;
use gradus_tests::browser::{Browser, Options};
use std::fs;
use std::time::Duration;
use xtask::serve::SiteServer;

const PAGE: &str = r#"<!doctype html><title>x</title>
<button data-testid="go" onclick="this.dataset.n = 1 + +(this.dataset.n ?? 0); out.textContent = field.value">go</button>
<input data-testid="field" id="field" value="old"><p data-testid="out" id="out">nothing</p>
<style>@media (prefers-color-scheme: dark) { p { color: rgb(1, 2, 3) } }</style>
<script src="missing.js"></script><img src="http://127.0.0.1:9/elsewhere.png">
<script>console.error("a fault of the page")</script>"#;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn the_harness_clicks_types_and_sees_every_fault() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("gradus-harness-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("index.html"), PAGE)?;
    let server = SiteServer::start(&folder, 0)?;
    let browser = Browser::start(Options { size: (390, 844), ..Options::default() })?;
    browser.goto(&server.address())?;

    browser.shown("out", SOON)?;
    browser.fill("field", "words")?;
    browser.click("go")?;
    assert_eq!(browser.text("out")?, "words");
    assert_eq!(browser.attribute("go", "data-n")?.as_deref(), Some("1"));
    assert!(browser.click("no-such-element").is_err());
    assert!(browser.until("never", Duration::from_millis(300), "return false").is_err());

    let errors = browser.console_errors()?.join("\n");
    for fault in ["a fault of the page", "missing.js", "elsewhere.png"] {
        assert!(errors.contains(fault), "{fault} is not among\n{errors}");
    }
    let requests = browser.journal()?.requests;
    assert!(requests.iter().any(|url| url == "http://127.0.0.1:9/elsewhere.png"), "{requests:?}");

    assert_eq!(browser.script("return [innerWidth, innerHeight].join()")?, "390,844");
    let colour = "return getComputedStyle(out).color";
    assert_eq!(browser.script(colour)?, "rgb(0, 0, 0)");
    browser.set_dark(true)?;
    assert_eq!(browser.script(colour)?, "rgb(1, 2, 3)");

    let picture = folder.join("page.png");
    browser.screenshot(&picture)?;
    assert!(fs::read(&picture)?.starts_with(b"\x89PNG"));
    Ok(())
}

/// The browser has an adapter exactly when it is asked to, so that both kinds of reader can be tested.
#[test]
fn webgpu_can_be_had_and_be_missing() -> Result<()> {
    const ADAPTER: &str =
        "return (async () => !!navigator.gpu && !!(await navigator.gpu.requestAdapter()))()";
    let folder = std::env::temp_dir().join(format!("gradus-webgpu-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("index.html"), "<!doctype html><title>x</title>")?;
    let server = SiteServer::start(&folder, 0)?;
    for webgpu in [true, false] {
        let browser = Browser::start(Options { webgpu, ..Options::default() })?;
        browser.goto(&server.address())?;
        assert_eq!(browser.script(ADAPTER)?, webgpu, "asked for an adapter: {webgpu}");
    }
    Ok(())
}

/// Which is how a test tells a page that keeps its reader waiting.
#[test]
fn a_long_task_is_seen() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("gradus-tasks-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("index.html"), "<!doctype html><title>x</title>")?;
    let server = SiteServer::start(&folder, 0)?;
    let browser = Browser::start(Options { trace: true, ..Options::default() })?;
    browser.goto(&server.address())?;
    browser.script(
        "performance.mark('a'); return new Promise(done => setTimeout(() => { const t = performance.now(); \
         while (performance.now() - t < 200); performance.mark('b'); done() }))",
    )?;
    browser.script("performance.mark('c')")?;
    let longest = browser.journal()?.tasks("a", "c")?.into_iter().map(|t| t.1).fold(0.0, f64::max);
    // Of the 200 ms the machine may have given it some only.
    assert!((20.0..=205.0).contains(&longest), "{longest} ms");
    Ok(())
}
