//! Pictures of the pages in the sizes and colours they are judged by, for looking at: `cargo xtask shots`.
//!
//! With names of pages (`home`, `sft`, …) only those; with `--run` a lesson is first run at its smallest size, to its
//! end, on the CPU; with `--whole` the whole page is taken, not what a window shows of it.

use anyhow::Result;
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;
use std::thread::sleep;
use std::time::Duration;

/// Time for the model on the home page to show a curve.
const LEARN: Duration = Duration::from_secs(15);
/// Time for a lesson's smallest run.
const RUN: Duration = Duration::from_secs(300);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|a| a == name);
    let mut pages: Vec<String> = arguments.iter().filter(|a| !a.starts_with("--")).cloned().collect();
    if pages.is_empty() {
        pages.push("home".into());
        for entry in std::fs::read_dir(xtask::root().join("dist/lesson"))? {
            pages.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    let server = site::serve()?;
    for page in &pages {
        for (name, size) in [("desktop", (1440, 900)), ("phone", (390, 844))] {
            let browser = Browser::start(Options { size, ..Options::default() })?;
            if page == "home" {
                browser.goto(&server.address())?;
                sleep(LEARN);
            } else {
                browser.goto(&format!("{}lesson/{page}/?size=smoke&device=cpu", server.address()))?;
                sleep(Duration::from_secs(3));
                if flag("--run") {
                    browser.click("run")?;
                    let done = "return ['done', 'failed'].includes(document.querySelector('[data-testid=bar]').dataset.phase)";
                    browser.until("the end of the run", RUN, done)?;
                    sleep(Duration::from_secs(1));
                }
            }
            if flag("--whole") {
                let height = browser.script("return document.documentElement.scrollHeight")?;
                let metrics = serde_json::json!({
                    "width": size.0, "height": height, "deviceScaleFactor": 1, "mobile": false,
                });
                browser.devtools("Emulation.setDeviceMetricsOverride", metrics)?;
            }
            for (colours, dark) in [("light", false), ("dark", true)] {
                browser.set_dark(dark)?;
                // The page redraws its canvas in the new colours.
                sleep(Duration::from_secs(1));
                let file = site::shots().join(format!("{page}-{name}-{colours}.png"));
                browser.screenshot(&file)?;
                println!("{}", file.display());
            }
            for error in browser.console_errors()? {
                println!("{page}: console: {error}");
            }
        }
    }
    Ok(())
}
