//! A lesson's text: Markdown with typed blocks, turned into HTML while the site is built, so that a reader has the
//! text before any program has been loaded. Mathematics becomes MathML. Anything that does not fit (an unknown
//! key, a formula that cannot be read, a term without an entry) stops the build and says where.

mod blocks;
mod glossary;

pub(crate) use glossary::Glossary;

use anyhow::{Context, Result, bail};
use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};
use pulldown_latex::config::DisplayMode;
use pulldown_latex::{RenderConfig, Storage, push_mathml};
use serde::Deserialize;
use std::collections::BTreeSet;

/// What stands above a lesson's text, between two lines of `+++`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Front {
    /// In the list of lessons.
    pub(crate) title: String,
    /// The lesson's one question: its heading.
    pub(crate) question: String,
    /// Two or three sentences under it.
    pub(crate) lede: String,
}

/// A lesson's text, ready for its page.
#[derive(Debug)]
pub(crate) struct Prose {
    /// What stood above it.
    pub(crate) front: Front,
    /// The text.
    pub(crate) html: String,
}

/// Turns a lesson's Markdown into HTML.
pub(crate) fn lesson(markdown: &str, glossary: &Glossary) -> Result<Prose> {
    let (front, text) = markdown
        .strip_prefix("+++\n")
        .and_then(|rest| rest.split_once("\n+++\n"))
        .context("the text must begin with its title, question and lede between two lines of +++")?;
    let front = toml::from_str(front).context("in the lines above the text")?;
    let mut terms = BTreeSet::new();
    let mut html = render(text, &mut terms)?;
    html.push_str(&glossary.entries(&terms)?);
    Ok(Prose { front, html })
}

/// Markdown as HTML; the glossary's terms that it names are added to `terms`.
fn render(markdown: &str, terms: &mut BTreeSet<String>) -> Result<String> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_MATH | Options::ENABLE_SMART_PUNCTUATION;
    let mut events = Vec::new();
    let mut parser = Parser::new_ext(markdown, options);
    let mut in_term = false;
    while let Some(event) = parser.next() {
        let event = match event {
            Event::InlineMath(tex) => raw(mathml(&tex, DisplayMode::Inline)?),
            Event::DisplayMath(tex) => raw(mathml(&tex, DisplayMode::Block)?),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) if blocks::is(&kind) => {
                let text: String = parser
                    .by_ref()
                    .take_while(|e| !matches!(e, Event::End(TagEnd::CodeBlock)))
                    .filter_map(|e| if let Event::Text(text) = e { Some(text.to_string()) } else { None })
                    .collect();
                let block =
                    blocks::block(&kind, &text, terms).with_context(|| format!("in a block {kind}"))?;
                raw(block)
            }
            Event::Start(Tag::Link { ref dest_url, .. }) if dest_url.starts_with("term:") => {
                let slug = dest_url.trim_start_matches("term:").to_owned();
                let open = format!("<button type=\"button\" class=\"term\" popovertarget=\"term-{slug}\">");
                terms.insert(slug);
                in_term = true;
                raw(open)
            }
            Event::End(TagEnd::Link) if in_term => {
                in_term = false;
                raw("</button>".into())
            }
            Event::Start(Tag::Table(_)) => {
                events.push(raw(
                    "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Table\">".into()
                ));
                event
            }
            Event::End(TagEnd::Table) => {
                events.push(event);
                raw("</div>".into())
            }
            Event::Html(text) | Event::InlineHtml(text) => bail!("HTML is not for lessons: {text}"),
            event => event,
        };
        events.push(event);
    }
    let mut out = String::new();
    html::push_html(&mut out, events.into_iter());
    Ok(out)
}

/// Markdown of a line or two, without a paragraph around it.
fn inline(markdown: &str, terms: &mut BTreeSet<String>) -> Result<String> {
    let html = render(markdown.trim(), terms)?;
    let inner = html.trim().strip_prefix("<p>").and_then(|h| h.strip_suffix("</p>"));
    Ok(inner.filter(|h| !h.contains("<p>")).map_or(html.clone(), str::to_owned))
}

fn raw(html: String) -> Event<'static> {
    Event::InlineHtml(CowStr::from(html))
}

fn mathml(tex: &str, display_mode: DisplayMode) -> Result<String> {
    let storage = Storage::new();
    let events: Vec<_> = pulldown_latex::Parser::new(tex, &storage).collect();
    if let Some(Err(error)) = events.iter().find(|e| e.is_err()) {
        bail!("the formula {tex} cannot be read: {error}");
    }
    let mut out = String::new();
    push_mathml(&mut out, events.into_iter(), RenderConfig { display_mode, ..RenderConfig::default() })?;
    // The crate writes the space `\ ` as an entity and escapes that again.
    if out.contains("&amp;") {
        bail!("the formula {tex} would show the name of an entity: write \\; for a space");
    }
    let block = matches!(display_mode, DisplayMode::Block);
    Ok(if block {
        format!("<div class=\"formula\" tabindex=\"0\" role=\"group\" aria-label=\"Formula\">{out}</div>")
    } else {
        out
    })
}

/// Text as it may stand in HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = pulldown_cmark_escape::escape_html(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Result<Prose> {
        let glossary = Glossary::read("## loss: Loss\n\nHow *surprised* it is.\n")?;
        lesson(&format!("+++\ntitle = \"T\"\nquestion = \"Q?\"\nlede = \"L.\"\n+++\n{text}"), &glossary)
    }

    #[test]
    fn text_formulas_and_terms_become_html() -> Result<()> {
        let prose = page("The [loss](term:loss) is $E + \\frac{A}{N^\\alpha}$.\n\n$$x^2$$\n")?;
        assert_eq!(prose.front.question, "Q?");
        for part in
            ["<mfrac>", "popovertarget=\"term-loss\">loss</button>", "id=\"term-loss\"", "<em>surprised</em>"]
        {
            assert!(prose.html.contains(part), "{part} is not in {}", prose.html);
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_stops_the_build() {
        for (text, says) in [
            ("[x](term:unknown)", "unknown"),
            ("$\\nonsense x$", "formula"),
            ("$a,\\ b$", "entity"),
            ("<script>alert(1)</script>", "HTML"),
            ("```quiz\n[[question]]\nask = \"?\"\n```", "option"),
            ("```predict\nask = \"?\"\noptions = [\"a\"]\ncolour = 3\n```", "colour"),
        ] {
            let error = page(text).map(|p| p.html).map_err(|e| format!("{e:#}"));
            assert!(error.as_ref().is_err_and(|e| e.contains(says)), "{text}: {error:?}");
        }
    }

    #[test]
    fn blocks_become_forms() -> Result<()> {
        let html = page("```predict\nask = \"Where?\"\noptions = [\"a\", \"b < c\"]\ncheck = \"held-out\"\nreveal = \"It was **b**.\"\n```\n")?.html;
        for part in
            ["data-testid=\"predict\"", "b &lt; c", "data-check-answer=\"held-out\"", "<strong>b</strong>"]
        {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        Ok(())
    }
}
