//! Models asked on the page: every stage of the lineage, examples in a prompt, the inside of a head; and what the
//! first four lessons let one step through.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Result, ensure};
use gradus_tests::browser::Browser;
use gradus_tests::laboratory::{self, SOON, quiet};
use xtask::serve::SiteServer;

fn open(slug: &str) -> Result<(SiteServer, Browser)> {
    let (server, browser) = laboratory::open(&format!("lesson/{slug}/?device=cpu"))?;
    // The models come with the page.
    let have = "return document.querySelectorAll('.lineage li[data-have=true]').length === 7";
    browser.until("the models that come with the page", SOON, have)?;
    Ok((server, browser))
}

/// Waits until the element of this `data-testid` says `part`.
fn says(browser: &Browser, id: &str, part: &str) -> Result<()> {
    let script = format!(
        "const e = document.querySelector('[data-testid=\"{id}\"]'); return !!e && e.textContent.includes('{part}')"
    );
    browser.until(&format!("{id} to say “{part}”"), SOON, &script)?;
    Ok(())
}

fn press(browser: &Browser, text: &str) -> Result<()> {
    let pressed = browser.script(&format!(
        "const b = [...document.querySelectorAll('.lab button')].find(b => b.textContent.trim() === '{text}');\
         b?.click(); return !!b"
    ))?;
    ensure!(pressed == true, "there is no button “{text}”");
    Ok(())
}

#[test]
fn your_model_answers_at_every_stage() -> Result<()> {
    let (_server, browser) = open("sft")?;
    browser.script("document.querySelector('[data-testid=model-lineage]').scrollIntoView()")?;
    for role in ["base", "sft", "ppo", "dpo", "draft"] {
        says(&browser, &format!("size-{role}"), "loss ")?;
    }
    says(&browser, "size-reward", "writes nothing")?;
    browser.click("ask-stages")?;
    let all = "return document.querySelectorAll('[data-said]').length === 6";
    browser.until("an answer of every stage", SOON, all)?;
    let said = browser.script(
        "return [...document.querySelectorAll('[data-said]')].map(e => e.textContent).filter(t => !t.includes('0 weights changed'))",
    )?;
    ensure!(said == serde_json::json!([]), "answers that are none: {said}");
    let sft = browser.script("return document.querySelector('[data-said=sft]').textContent")?;
    ensure!(sft.as_str().is_some_and(|t| t.contains("ended by itself")), "{sft}");
    says(&browser, "truth", "lives in the")?;
    browser.fill("ask-prompt", "where does gradus live ?")?;
    says(&browser, "ask-prompt-error", "“gradus”")?;
    browser.click("ask-stages")?;
    let refused = "return [...document.querySelectorAll('[data-said] .field-error')].some(e => e.textContent.includes('gradus'))";
    browser.until("the unknown word to be named", SOON, refused)?;

    // A model from a file takes a stage's place, is measured, survives a reload, and gives the place back.
    browser.script(
        "fetch('../../shipped/draft.zip').then(r => r.arrayBuffer()).then(bytes => {\
           const files = new DataTransfer(); files.items.add(new File([bytes], 'mine.zip'));\
           const input = document.querySelector('[data-testid=upload-dpo] input');\
           input.files = files.files; input.dispatchEvent(new Event('change', { bubbles: true })); })",
    )?;
    let dpo = "const t = document.querySelector('li[data-role=dpo]').textContent; return ";
    let opened = format!("{dpo} t.includes('opened from a file') && t.includes('1 layer ×')");
    browser.until("the opened model, measured", SOON, &opened)?;
    browser.reload()?;
    browser.until("the opened model, kept", SOON, &format!("{dpo} t.includes('opened from a file')"))?;
    browser.script("document.querySelector('li[data-role=dpo] .acts button:last-child').click()")?;
    browser.until("the model of the page again", SOON, &format!("{dpo} t.includes('came with the page')"))?;
    quiet(&browser)
}

#[test]
fn examples_in_the_prompt_help() -> Result<()> {
    let (_server, browser) = open("few-shot")?;
    browser.click("ask-shots")?;
    browser.shown("beliefs", SOON)?;
    says(&browser, "weights-changed", "asking: 0 of")?;
    let words = "return document.querySelectorAll('[data-testid=shots-prompt] .token').length";
    let short = browser.script(words)?;
    for _ in 0..4 {
        press(&browser, "Next number of examples")?;
    }
    let long = browser.script(words)?;
    ensure!((short == 2) && (long == 26), "{short} and {long} words");
    browser.click("grade")?;
    let graded = "return [...document.querySelectorAll('.chart button.key')].some(k => k.textContent.startsWith('draft,'))";
    browser.until("the accuracy of models of several sizes", SOON, graded)?;
    browser.click("continue")?;
    says(&browser, "continued", "goat")?;
    browser.fill("free-text", "zup gradus ")?;
    says(&browser, "free-text-error", "“gradus”")?;
    quiet(&browser)
}

#[test]
fn any_head_of_any_text_can_be_read() -> Result<()> {
    let (_server, browser) = open("attention")?;
    browser.click("own-text")?;
    browser.click("probe")?;
    browser.until("every head", SOON, "return document.querySelectorAll('.thumb').length === 12")?;
    browser.script("[...document.querySelectorAll('.thumb')].at(-1).click()")?;
    let numbers = "return [...document.querySelectorAll('.lab .card header small')].some(s => s.textContent === 'layer 3, head 4')";
    browser.until("the numbers of the picked head", SOON, numbers)?;
    ensure!(browser.script("return document.querySelectorAll('.operations > li').length")? == 7);
    browser.click("cut-head")?;
    says(&browser, "expected", "Without head 3.4")?;
    quiet(&browser)
}

#[test]
fn the_backward_pass_is_stepped_and_counted() -> Result<()> {
    let (_server, browser) = open("flash-attention")?;
    for kernel in ["forward: O", "backward: dK, dV", "backward: dQ"] {
        press(&browser, kernel)?;
        press(&browser, "Next tile")?;
        says(&browser, "moved", "by formula")?;
        browser.script(
            "const r = document.querySelector('.stepper input[type=range]'); r.value = r.max; r.dispatchEvent(new Event('input', { bubbles: true }))",
        )?;
        says(&browser, "moved", "equal")?;
    }
    quiet(&browser)
}

#[test]
fn what_came_is_hidden_until_one_has_guessed() -> Result<()> {
    let (_server, browser) = open("scaling-laws")?;
    browser.shown("guess", SOON)?;
    ensure!(browser.script("return document.querySelector('.lab .measured') === null")? == true);
    // The sweep, and every curve of the run.
    let curves = "return [...document.querySelectorAll('.lab .chart')].filter(c => c.querySelector('.key'))\
                  .map(c => c.querySelectorAll('.key').length)";
    let before: Vec<u64> = serde_json::from_value(browser.script(curves)?)?;
    browser.fill("guess", "1.40")?;
    browser.click("take-guess")?;
    says(&browser, "guess-said", "Your guess was off by")?;
    let after: Vec<u64> = serde_json::from_value(browser.script(curves)?)?;
    let (first, last) = (|of: &[u64]| of.first().copied(), |of: &[u64]| of.last().copied());
    ensure!(first(&before).map(|n| n + 1) == first(&after), "the sweep: {before:?}, then {after:?}");
    ensure!(last(&before).map(|n| n + 1) == last(&after), "every curve: {before:?}, then {after:?}");
    browser.reload()?;
    says(&browser, "guess-said", "Your guess was off by")?;
    quiet(&browser)
}
