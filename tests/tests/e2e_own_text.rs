//! The main job in a real browser on WebGPU: a model of the visitor's own text, better than counting pairs.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result};
use gradus_tests::browser::{Browser, Options};
use gradus_tests::site;
use std::time::Duration;

const START: Duration = Duration::from_secs(120);

/// Sentences in which a word depends on one that stands further back: pairs of tokens cannot see it.
const TEXT: &str = "
    const who = ['miller', 'baker', 'sailor', 'singer'], what = ['bread', 'corn', 'rope', 'song'];
    const where = ['by the sea', 'on the hill', 'in the old town'], how = ['slowly', 'gladly'];
    let seed = 7;
    const pick = list => { seed = (seed * 1103515245 + 12345) % 2147483648; return list[(seed >> 16) % list.length]; };
    const line = () => {
        const i = who.indexOf(pick(who));
        return `The ${who[i]} ${pick(how)} carries home ${pick(where)} what is dear to him, the ${what[i]}.`;
    };
    return Array.from({ length: 900 }, line).join('\\n');
";

fn attribute(name: &str) -> String {
    format!(
        "const v = document.querySelector('[data-testid=\"loss\"]')?.dataset.{name}; return v ? Number(v) : false"
    )
}

#[test]
fn a_preset_on_webgpu_beats_the_bigram_model_of_a_pasted_text() -> Result<()> {
    let server = site::serve()?;
    let browser = Browser::start(Options::default())?;
    browser.goto(&format!("{}?preset=40k&device=gpu&steps=400", server.address()))?;
    browser.until(
        "the first steps",
        START,
        "return Number(document.querySelector('[data-testid=\"loss\"]')?.dataset.step) >= 1",
    )?;
    browser.click("own-text")?;
    let text = browser.script(TEXT)?;
    let text = text.as_str().context("no text was made")?;
    browser.script(&format!(
        "const area = document.querySelector('[data-testid=\"own-text-input\"]'); area.value = {}; \
         area.dispatchEvent(new Event('input', {{ bubbles: true }}));",
        serde_json::Value::from(text)
    ))?;
    browser.click("own-text-start")?;
    let bigram = browser.until("the bigram baseline", START, &attribute("bigram"))?;
    assert_eq!(browser.attribute("device-badge", "data-gpu")?.as_deref(), Some("true"), "not on WebGPU");
    let bigram = bigram.as_f64().context("the baseline is no number")?;
    let below = format!(
        "const v = document.querySelector('[data-testid=\"loss\"]')?.dataset.heldOut; \
         return v && Number(v) < {bigram} ? Number(v) : false"
    );
    let held_out =
        browser.until("a held-out loss below the bigram model's", Duration::from_secs(420), &below)?;
    println!("held-out loss {held_out} nats a token, bigram model {bigram:.4}");
    Ok(())
}
