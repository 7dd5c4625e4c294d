//! Pictures of the pages in the sizes and colours they are judged by, for looking at: `cargo xtask shots`.
//!
//! With names of pages (`home`, `sft`, …) only those; with `--run` a lesson is taken before, during and after its
//! smallest run on the CPU; with `--whole` the whole page is taken, not what a window shows of it.

use anyhow::Result;
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;
use std::thread::sleep;
use std::time::Duration;

/// Time for the model on the home page to show a curve.
const LEARN: Duration = Duration::from_secs(15);
/// Time for a lesson's smallest run.
const RUN: Duration = Duration::from_secs(300);

/// Time for every chart of a page to be drawn that is suddenly in sight: one a frame.
const WHOLE: Duration = Duration::from_secs(3);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|a| a == name);
    let whole = flag("--whole");
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
            let shot = |state: &str| shoot(&browser, &format!("{page}-{name}-{state}"), size, whole);
            if page == "home" {
                browser.goto(&server.address())?;
                sleep(LEARN);
                shot("running")?;
            } else {
                browser.goto(&format!("{}lesson/{page}/?size=smoke&device=cpu", server.address()))?;
                let opened =
                    "return document.querySelector('[data-testid=origin]')?.dataset.shown === 'shipped'";
                browser.until("the recorded run", RUN, opened)?;
                shot("before")?;
                if flag("--run") {
                    browser.click("run")?;
                    sleep(Duration::from_secs(3));
                    // Held still, so that all its pictures show one moment.
                    browser.script("document.querySelector('[data-testid=pause]').click()")?;
                    shot("running")?;
                    browser.script("document.querySelector('[data-testid=run]').click()")?;
                    let done = "return ['done', 'failed'].includes(document.querySelector('[data-testid=bar]').dataset.phase)";
                    browser.until("the end of the run", RUN, done)?;
                    shot("done")?;
                }
            }
            for error in browser.console_errors()? {
                println!("{page}: console: {error}");
            }
        }
    }
    Ok(())
}

/// Takes the page in light and dark.
fn shoot(browser: &Browser, name: &str, size: (u32, u32), whole: bool) -> Result<()> {
    let height = if whole {
        // The laboratory is unrolled, which scrolls by itself otherwise.
        browser.script(
            "const lab = document.querySelector('.lab'); \
             if (lab) { lab.style.position = 'static'; lab.style.maxHeight = 'none'; } \
             return document.documentElement.scrollHeight",
        )?
    } else {
        size.1.into()
    };
    let view = |height| serde_json::json!({ "width": size.0, "height": height, "deviceScaleFactor": 1, "mobile": false });
    browser.devtools("Emulation.setDeviceMetricsOverride", view(height))?;
    for (colours, dark) in [("light", false), ("dark", true)] {
        browser.set_dark(dark)?;
        // The page redraws its canvas in the new colours.
        sleep(if whole { WHOLE } else { Duration::from_millis(700) });
        let file = site::shots().join(format!("{name}-{colours}.png"));
        browser.screenshot(&file)?;
        println!("{}", file.display());
    }
    browser.set_dark(false)?;
    browser.devtools("Emulation.setDeviceMetricsOverride", view(size.1.into()))?;
    Ok(())
}
