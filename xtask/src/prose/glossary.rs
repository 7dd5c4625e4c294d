//! The glossary: every term's entry opens on the term, without a line of program.

use super::{escape, render};
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// Terms by their short names, each with its name and its paragraph.
#[derive(Debug, Default)]
pub(crate) struct Glossary(BTreeMap<String, (String, String)>);

impl Glossary {
    /// Reads entries of the form `## kl: KL divergence`, a paragraph under each.
    pub(crate) fn read(markdown: &str) -> Result<Self> {
        let mut entries = BTreeMap::new();
        for entry in markdown.split("\n## ").map(|e| e.trim_start_matches("## ").trim()) {
            if entry.is_empty() || entry.starts_with("# ") {
                continue;
            }
            let (head, text) = entry.split_once('\n').with_context(|| format!("{entry} has no paragraph"))?;
            let (slug, name) =
                head.split_once(": ").with_context(|| format!("{head} is not `short: Name`"))?;
            let html =
                render(text.trim(), &mut BTreeSet::new()).with_context(|| format!("in the entry {slug}"))?;
            let twice = entries.insert(slug.to_owned(), (name.trim().to_owned(), html));
            ensure!(twice.is_none(), "the term {slug} has two entries");
        }
        Ok(Self(entries))
    }

    /// The entries of these terms, hidden until asked for.
    pub(super) fn entries(&self, terms: &BTreeSet<String>) -> Result<String> {
        let mut html = String::new();
        for slug in terms {
            let Some((name, text)) = self.0.get(slug) else { bail!("the glossary lacks the term {slug}") };
            let name = escape(name);
            html.push_str(&format!(
                "<div popover id=\"term-{slug}\" class=\"entry\" role=\"dialog\" aria-label=\"{name}\"><h4>{name}</h4>{text}</div>"
            ));
        }
        Ok(html)
    }
}
