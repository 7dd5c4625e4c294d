//! Pictures of the home page in the sizes and colours it is judged by, for looking at: `cargo xtask shots`.

use anyhow::Result;
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;
use std::thread::sleep;
use std::time::Duration;

/// Time for the model on the page to show a curve.
const LEARN: Duration = Duration::from_secs(15);

fn main() -> Result<()> {
    let server = site::serve()?;
    for (name, size) in [("desktop", (1440, 900)), ("phone", (390, 844))] {
        let browser = Browser::start(Options { size, ..Options::default() })?;
        browser.goto(&server.address())?;
        sleep(LEARN);
        for (colours, dark) in [("light", false), ("dark", true)] {
            browser.set_dark(dark)?;
            // The page redraws its canvas in the new colours.
            sleep(Duration::from_secs(1));
            let file = site::shots().join(format!("home-{name}-{colours}.png"));
            browser.screenshot(&file)?;
            println!("{}", file.display());
        }
    }
    Ok(())
}
