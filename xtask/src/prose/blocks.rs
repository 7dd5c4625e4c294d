//! The typed blocks of a lesson: prediction, quiz, papers. They are forms that work as they stand; the page's
//! program only remembers what was chosen.

use super::{escape, inline};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Predict {
    /// The question.
    ask: String,
    options: Vec<String>,
    /// The row of the table that answers it.
    check: Option<String>,
    /// Shown when the run is done.
    reveal: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quiz {
    question: Vec<Question>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    ask: String,
    option: Vec<Choice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    text: String,
    #[serde(default)]
    right: bool,
    /// Why it is wrong, or right.
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Papers {
    paper: Vec<Paper>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paper {
    /// Authors and year.
    cite: String,
    title: String,
    url: String,
    /// What of it the lesson uses.
    what: String,
}

/// Whether a fenced block of this name is one of ours.
pub(super) fn is(kind: &str) -> bool {
    ["predict", "quiz", "papers"].contains(&kind)
}

/// A block's HTML.
pub(super) fn block(kind: &str, text: &str, terms: &mut BTreeSet<String>) -> Result<String> {
    match kind {
        "predict" => predict(toml::from_str(text)?, terms),
        "quiz" => quiz(toml::from_str(text)?, terms),
        "papers" => papers(toml::from_str(text)?, terms),
        _ => bail!("there is no such block"),
    }
}

fn predict(block: Predict, terms: &mut BTreeSet<String>) -> Result<String> {
    ensure!(block.options.len() > 1, "a prediction needs two options at least");
    let mut html = format!(
        "<form class=\"predict\" data-testid=\"predict\" data-check-answer=\"{}\"><fieldset><legend><span \
         class=\"kicker\">Before you run it</span> {}</legend><div class=\"choices\">",
        escape(block.check.as_deref().unwrap_or_default()),
        inline(&block.ask, terms)?,
    );
    for (i, option) in block.options.iter().enumerate() {
        let text = inline(option, terms)?;
        html.push_str(&format!(
            "<label><input type=\"radio\" name=\"prediction\" value=\"{i}\"><span>{text}</span></label>"
        ));
    }
    html.push_str(&format!(
        "</div></fieldset><a class=\"button to-lab\" href=\"#laboratory\">To the laboratory: run it</a>\
         <div class=\"reveal\" role=\"status\"><p class=\"after-quick\">This was a quick try. It shows that everything runs, \
         and may be too short for what follows: choose “the lesson” as its length.</p><b>What came.</b> {}</div></form>",
        inline(&block.reveal, terms)?
    ));
    Ok(html)
}

fn quiz(block: Quiz, terms: &mut BTreeSet<String>) -> Result<String> {
    let mut html = String::from("<form class=\"quiz\" data-testid=\"quiz\"><h2>Check yourself</h2>");
    for (q, question) in block.question.iter().enumerate() {
        let right = question.option.iter().filter(|o| o.right).count();
        ensure!(right == 1, "question {}: one option must be right, not {right}", q + 1);
        html.push_str(&format!("<fieldset><legend>{}</legend>", inline(&question.ask, terms)?));
        for (i, option) in question.option.iter().enumerate() {
            let (class, mark) = if option.right { ("right", "Right.") } else { ("wrong", "Not quite.") };
            html.push_str(&format!(
                "<div class=\"option {class}\"><label><input type=\"radio\" name=\"quiz-{q}\" value=\"{i}\" \
                 aria-describedby=\"why-{q}-{i}\"><span>{}</span></label><p class=\"why\" id=\"why-{q}-{i}\"><b>{mark}</b> \
                 {}</p></div>",
                inline(&option.text, terms)?,
                inline(&option.why, terms)?,
            ));
        }
        html.push_str("</fieldset>");
    }
    html.push_str("</form>");
    Ok(html)
}

fn papers(block: Papers, terms: &mut BTreeSet<String>) -> Result<String> {
    let mut html = String::from("<section class=\"papers\"><h2>Papers</h2><ul>");
    for paper in &block.paper {
        ensure!(paper.url.starts_with("https://"), "{} is no https address", paper.url);
        let what = inline(&paper.what, terms).with_context(|| paper.cite.clone())?;
        html.push_str(&format!(
            "<li>{}, <a href=\"{}\" rel=\"noreferrer\">{}</a>. {what}</li>",
            escape(&paper.cite),
            escape(&paper.url),
            escape(&paper.title),
        ));
    }
    html.push_str("</ul></section>");
    Ok(html)
}
