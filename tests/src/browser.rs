//! A headless Chromium, driven through chromedriver by the WebDriver protocol
//! (<https://www.w3.org/TR/webdriver2/>) and a few commands of Chromium's own.
//!
//! The flags are those of `tests/webdriver.json`, which the tests that run inside the browser use too.

use crate::journal::Journal;
pub use crate::launch::Options;
use crate::launch::{self, capabilities};
use anyhow::{Context, Result, anyhow, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// Time between two looks at the page while waiting.
const POLL: Duration = Duration::from_millis(100);

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one open page. Dropping it ends the browser and its driver.
pub struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
}

impl Browser {
    /// Starts chromedriver (`CHROMEDRIVER`, or the one on `PATH`) and a browser.
    ///
    /// # Errors
    /// When either does not start.
    pub fn start(options: Options) -> Result<Self> {
        let (driver, port) = launch::driver()?;
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(120)))
            .http_status_as_error(false)
            .build()
            .new_agent();
        // Built before the first request, so that the driver ends even when that fails.
        let mut browser = Self { driver, session: String::new(), agent };
        let root = format!("http://localhost:{port}/session");
        let made = browser.send(
            "POST",
            &root,
            &json!({ "capabilities": { "alwaysMatch": capabilities(options)? } }),
        )?;
        let id = made["sessionId"].as_str().context("chromedriver gave no session")?;
        browser.session = format!("{root}/{id}");
        let (width, height) = options.size;
        browser.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        )?;
        browser.set_dark(options.dark)?;
        Ok(browser)
    }

    /// Opens an address and waits until it has loaded.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn goto(&self, url: &str) -> Result<()> {
        self.post("url", json!({ "url": url })).map(drop)
    }

    /// Loads the page anew.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub fn reload(&self) -> Result<()> {
        self.post("refresh", json!({})).map(drop)
    }

    /// One step back in the history, as by the browser's button. (A script that does so may be run twice: chromedriver
    /// repeats one whose page goes away under it.)
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn back(&self) -> Result<()> {
        self.post("back", json!({})).map(drop)
    }

    /// One step forward in the history.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn forward(&self) -> Result<()> {
        self.post("forward", json!({})).map(drop)
    }

    /// Chooses light or dark colours, as the system's setting would.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn set_dark(&self, dark: bool) -> Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).map(drop)
    }

    /// Runs the body of a JavaScript function in the page and gives what it returns.
    ///
    /// # Errors
    /// When the script throws.
    pub fn script(&self, body: &str) -> Result<Value> {
        self.post("execute/sync", json!({ "script": body, "args": [] }))
    }

    /// Sends a command of the Chrome DevTools protocol.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Waits until a script returns something true, and gives it.
    ///
    /// # Errors
    /// When it does not within `limit`; the message names `what` was awaited and the last answer.
    pub fn until(&self, what: &str, limit: Duration, script: &str) -> Result<Value> {
        let start = Instant::now();
        loop {
            let answer = self.script(script);
            match &answer {
                Ok(Value::Null | Value::Bool(false)) | Err(_) => {}
                Ok(_) => return answer,
            }
            if start.elapsed() > limit {
                let place = self.script("return location.href").unwrap_or_default();
                bail!("waited {} s at {place} in vain for: {what}; last answer: {answer:?}", limit.as_secs());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits until the element with this `data-testid` is shown.
    ///
    /// # Errors
    /// When it is not shown within `limit`.
    pub fn shown(&self, id: &str, limit: Duration) -> Result<()> {
        let script = format!("const e = {}; return !!e && e.getClientRects().length > 0", find(id));
        self.until(&format!("{id} shown"), limit, &script).map(drop)
    }

    /// The text of the element with this `data-testid`, as it is shown.
    ///
    /// # Errors
    /// When there is no such element.
    pub fn text(&self, id: &str) -> Result<String> {
        let text = self.script(&format!("return {}.innerText", find(id)))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// An attribute of the element with this `data-testid`.
    ///
    /// # Errors
    /// When there is no such element.
    pub fn attribute(&self, id: &str, name: &str) -> Result<Option<String>> {
        let value = self.script(&format!("return {}.getAttribute('{name}')", find(id)))?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// Clicks the element with this `data-testid` as a user would: it must be visible and uncovered.
    ///
    /// # Errors
    /// When there is no such element or something lies over it.
    pub fn click(&self, id: &str) -> Result<()> {
        self.click_css(&testid(id))
    }

    /// Clicks the first element that a CSS selector finds.
    ///
    /// # Errors
    /// When there is no such element or something lies over it.
    pub fn click_css(&self, selector: &str) -> Result<()> {
        let element = self.element(selector)?;
        // To the middle, as a person would: at the edge the run bar, which stays in place, may lie over it.
        let place = json!(selector);
        self.script(&format!(
            "document.querySelector({place}).scrollIntoView({{ block: 'center', behavior: 'instant' }})"
        ))?;
        self.post(&format!("element/{element}/click"), json!({})).map(drop)
    }

    /// Empties the field with this `data-testid` and types into it.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn fill(&self, id: &str, text: &str) -> Result<()> {
        self.fill_css(&testid(id), text)
    }

    /// Empties the first field that a CSS selector finds and types into it.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn fill_css(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.element(selector)?;
        self.post(&format!("element/{element}/clear"), json!({}))?;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).map(drop)
    }

    /// Presses and lets go of a key, as a person at the keyboard does: `Tab`, `Enter`, `ArrowRight`, ` `.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn press(&self, key: &str) -> Result<()> {
        let (text, code) = match key {
            "Tab" => ("", 9),
            "Enter" => ("\r", 13),
            "Escape" => ("", 27),
            " " => (" ", 32),
            "ArrowLeft" => ("", 37),
            "ArrowUp" => ("", 38),
            "ArrowRight" => ("", 39),
            "ArrowDown" => ("", 40),
            key => (key, 0),
        };
        for kind in [if text.is_empty() { "rawKeyDown" } else { "keyDown" }, "keyUp"] {
            let text = if kind == "keyUp" { "" } else { text };
            let name = if key == " " { "Space" } else { key };
            let event = json!({
                "type": kind, "key": key, "code": name, "text": text, "windowsVirtualKeyCode": code,
            });
            self.devtools("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    }

    /// Presses Tab until the element that a CSS selector finds has the focus.
    ///
    /// # Errors
    /// When it cannot be reached with `most` presses.
    pub fn tab_to(&self, selector: &str, most: usize) -> Result<()> {
        let there = format!("return document.activeElement?.matches({})", json!(selector));
        for _ in 0..=most {
            if self.script(&there)? == true {
                return Ok(());
            }
            self.press("Tab")?;
        }
        bail!("{selector} is not reached with {most} presses of Tab")
    }

    /// Runs a script in every page that is opened from now on, before any of its own.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn before_every_page(&self, script: &str) -> Result<()> {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).map(drop)
    }

    /// Lets the page save files into a folder, and asks no one.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn save_files_to(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let parameters = json!({ "behavior": "allow", "downloadPath": folder });
        self.devtools("Page.setDownloadBehavior", parameters).map(drop)
    }

    /// Chooses a file in the first file field that a CSS selector finds.
    ///
    /// # Errors
    /// When there is no such field.
    pub fn choose_file(&self, selector: &str, file: &Path) -> Result<()> {
        let element = self.element(selector)?;
        self.post(&format!("element/{element}/value"), json!({ "text": file })).map(drop)
    }

    /// Everything of level SEVERE that went to the console since the last call: errors, refused loads and
    /// breaches of the content-security policy.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn console_errors(&self) -> Result<Vec<String>> {
        let entries = self.post("se/log", json!({ "type": "browser" }))?;
        let severe = entries.as_array().into_iter().flatten().filter(|e| e["level"] == "SEVERE");
        Ok(severe.map(|e| e["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// What the browser noted since it was last asked. A trace ends with the first asking.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn journal(&self) -> Result<Journal> {
        let mut journal = Journal::default();
        // Chromedriver gives so many entries at a time.
        loop {
            let entries = self.post("se/log", json!({ "type": "performance" }))?;
            let entries = entries.as_array().context("the log is no list")?;
            if entries.is_empty() {
                return Ok(journal);
            }
            journal.read(entries)?;
        }
    }

    /// Writes a picture of the view to a PNG file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        let picture = self.send("GET", &format!("{}/screenshot", self.session), &Value::Null)?;
        let bytes = BASE64_STANDARD.decode(picture.as_str().context("no picture")?)?;
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
    }

    fn element(&self, selector: &str) -> Result<String> {
        let found = self.post("element", json!({ "using": "css selector", "value": selector }))?;
        Ok(found[ELEMENT].as_str().context("chromedriver named no element")?.to_owned())
    }

    fn post(&self, command: &str, body: Value) -> Result<Value> {
        self.send("POST", &format!("{}/{command}", self.session), &body)
    }

    fn send(&self, method: &str, url: &str, body: &Value) -> Result<Value> {
        let answer = match method {
            "GET" => self.agent.get(url).call(),
            "DELETE" => self.agent.delete(url).call(),
            _ => self.agent.post(url).send_json(body),
        };
        // Pictures and logs are larger than the client's default limit.
        let mut answer = answer?.into_body();
        let mut answer: Value = answer.with_config().limit(256 << 20).read_json()?;
        let value = answer["value"].take();
        match value["error"].as_str() {
            Some(error) => Err(anyhow!("{error}: {}", value["message"].as_str().unwrap_or_default())),
            None => Ok(value),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.send("DELETE", &self.session, &Value::Null);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn testid(id: &str) -> String {
    format!("[data-testid=\"{id}\"]")
}

fn find(id: &str) -> String {
    format!("document.querySelector('{}')", testid(id))
}
