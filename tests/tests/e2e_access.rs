//! Every page for everyone: no violation that axe-core knows, light and dark, on a desktop and on a phone; nothing
//! wider than the screen; the first content within a second.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Result, ensure};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::{axe, site};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(60);

/// All routes, and one that does not exist.
const ROUTES: [&str; 10] = [
    "?paused",
    "lesson/scaling-laws/",
    "lesson/attention/",
    "lesson/flash-attention/",
    "lesson/few-shot/",
    "lesson/sft/",
    "lesson/rlhf/",
    "lesson/dpo/",
    "lesson/speculative-decoding/",
    "nowhere",
];

/// Milliseconds until the first content of a page may take.
const FIRST_CONTENT: f64 = 1000.0;

#[test]
fn no_page_has_a_violation_in_light_or_dark() -> Result<()> {
    let server = site::serve()?;
    let mut found = Vec::new();
    for size in [(1440, 900), (390, 844)] {
        let browser = Browser::start(Options { size, ..Options::default() })?;
        for route in ROUTES {
            browser.goto(&format!("{}{route}", server.address()))?;
            if route.starts_with("lesson") {
                let shown =
                    "return document.querySelector('[data-testid=origin]')?.dataset.shown === 'shipped'";
                browser.until("the recorded run", SOON, shown)?;
            } else if route != "nowhere" {
                browser.until("the home page", SOON, "return !document.querySelector('[aria-busy]')")?;
            }
            let paint = browser.script(
                "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 1e9",
            )?;
            println!("{route} at {size:?}: first content after {paint} ms");
            ensure!(
                paint.as_f64().is_some_and(|p| p < FIRST_CONTENT * site::crowding()),
                "{route}: {paint} ms"
            );
            let wide = browser.script(
                "const e = document.documentElement; return Math.max(0, e.scrollWidth - e.clientWidth)",
            )?;
            ensure!(wide == 0, "{route} is {wide} px wider than the screen of {size:?}");
            if route.starts_with("lesson") {
                // The laboratory lies beside the text, or between the text and what follows from the run.
                let order = browser.script(
                    "const [text, lab, quiz] = ['article', '#laboratory', '.quiz'].map(s => document.querySelector(s).getBoundingClientRect()); \
                     return lab.left > text.right && lab.top < text.bottom ? 'beside' : \
                     text.bottom < lab.top + 1 && lab.bottom < quiz.top + 1 ? 'between' : 'astray'",
                )?;
                let expected = if size.0 > 1080 { "beside" } else { "between" };
                ensure!(order == expected, "{route} {size:?}: the laboratory is {order}");
            }
            for dark in [false, true] {
                browser.set_dark(dark)?;
                for violation in axe::violations(&browser)? {
                    found.push(format!(
                        "{route} {size:?} {}: {violation}",
                        if dark { "dark" } else { "light" }
                    ));
                }
            }
        }
    }
    ensure!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
    Ok(())
}
