//! The built site as a browser meets it.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::Result;
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;

/// Loading asks nothing of any other host, and nothing in the console is wrong: no error, no missing
/// file, no breach of the content-security policy.
#[test]
fn the_page_loads_from_its_own_host_without_an_error() -> Result<()> {
    let server = site::serve()?;
    let browser = Browser::start(Options::default())?;
    browser.goto(&server.address())?;
    browser.until("the page to be drawn", LOADED, "return document.body.innerText.trim().length > 100")?;
    let policy = browser.script(
        "return document.querySelector('meta[http-equiv=\"Content-Security-Policy\"]')?.content ?? ''",
    )?;
    assert!(policy.as_str().unwrap_or_default().contains("default-src 'none'"), "the policy is {policy}");
    let foreign: Vec<_> = browser
        .journal()?
        .requests
        .into_iter()
        .filter(|url| {
            !url.starts_with(&server.address()) && !url.starts_with("data:") && !url.starts_with("blob:")
        })
        .collect();
    assert!(foreign.is_empty(), "requests to other hosts: {foreign:?}");
    let errors = browser.console_errors()?;
    assert!(errors.is_empty(), "console: {errors:#?}");
    Ok(())
}

const LOADED: std::time::Duration = std::time::Duration::from_secs(60);
