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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_short_names() -> Result<()> {
        let glossary = Glossary::read("# Glossary\n\n## a: First\nOne.\n\n## b: Second\n$x$ and *two*.\n")?;
        assert_eq!(glossary.0.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert!(Glossary::read("## a: x\n1\n\n## a: y\n2\n").is_err());
        assert!(Glossary::read("## a\nno name\n").is_err());
        Ok(())
    }

    #[test]
    fn the_course_is_whole() -> Result<()> {
        let lessons = xtask::root().join("lessons");
        let glossary = Glossary::read(&std::fs::read_to_string(lessons.join("glossary.md"))?)?;
        let mut count = 0;
        for entry in std::fs::read_dir(lessons)? {
            let file = entry?.path().join("lesson.md");
            if file.is_file() {
                let prose = super::super::lesson(&std::fs::read_to_string(&file)?, &glossary)
                    .with_context(|| file.display().to_string())?;
                for part in ["data-testid=\"predict\"", "data-testid=\"quiz\"", "class=\"papers\""] {
                    assert!(prose.html.contains(part), "{} has no {part}", file.display());
                }
                count += 1;
            }
        }
        assert_eq!(count, 8);
        Ok(())
    }
}
