//! `gradus results`: the table of seeds and measured values, from what `gradus run --json` printed.

use super::Outcome;
use gradus_lessons::check::{Check, Number};
use gradus_lessons::recipe::{Lesson, Size};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files of lines that `gradus run --json` printed, for one size and several seeds.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// One line of `gradus run --json`.
#[derive(Deserialize)]
struct Line {
    lesson: String,
    seed: u32,
    size: Size,
    device: String,
    seconds: f64,
    checks: Vec<Check>,
}

/// Prints Markdown: a table a lesson, a row a check, a column a seed.
pub(crate) fn run(args: Args) -> Outcome {
    let mut lines: Vec<Line> = Vec::new();
    for file in &args.files {
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parsed = serde_json::from_str(line).map_err(|e| {
                format!("{} line {}: {e}. Give what `gradus run --json` printed.", file.display(), i + 1)
            })?;
            lines.push(parsed);
        }
    }
    let mut out = String::from("# Results\n");
    for lesson in Lesson::ALL {
        let mut runs: Vec<&Line> = lines.iter().filter(|l| l.lesson == lesson.slug()).collect();
        runs.sort_by_key(|l| l.seed);
        if !runs.is_empty() {
            table(&mut out, lesson, &runs)?;
        }
    }
    print!("{out}");
    Ok(())
}

fn table(out: &mut String, lesson: Lesson, runs: &[&Line]) -> Result<(), std::fmt::Error> {
    let seeds: Vec<String> = runs.iter().map(|l| format!("seed {}", l.seed)).collect();
    let size = match runs[0].size {
        Size::Smoke => "smoke",
        Size::Default => "default",
        Size::Full => "full",
    };
    let seconds: Vec<String> = runs.iter().map(|l| format!("{:.0}", l.seconds)).collect();
    writeln!(out, "\n## {}\n", lesson.slug())?;
    writeln!(out, "Size {size}, {}; {} s.\n", runs[0].device, seconds.join(", "))?;
    writeln!(out, "| check | expected | {} | passes |", seeds.join(" | "))?;
    writeln!(out, "|---|---|{}---|", "---|".repeat(seeds.len()))?;
    // In the order of the first run that has the check.
    let mut rows: Vec<(&str, BTreeMap<usize, &Check>)> = Vec::new();
    for (column, run) in runs.iter().enumerate() {
        for check in &run.checks {
            match rows.iter_mut().find(|(name, _)| *name == check.name) {
                Some((_, row)) => {
                    row.insert(column, check);
                }
                None => rows.push((&check.name, BTreeMap::from([(column, check)]))),
            }
        }
    }
    for (name, row) in rows {
        let Some(first) = row.values().next() else { continue };
        // Where each run has an expectation of its own (a prediction), it stands beside the measured value.
        let same = row.values().all(|c| c.expected == first.expected);
        let expected = if same { first.expected.to_string() } else { "see each".to_string() };
        let unit = if first.unit.is_empty() { String::new() } else { format!(" {}", first.unit) };
        let cells: Vec<String> = (0..runs.len())
            .map(|column| {
                row.get(&column).map_or("–".into(), |check| {
                    let value = Number(check.measured).to_string();
                    let value = if same { value } else { format!("{value} ({})", check.expected) };
                    if check.passes() { value } else { format!("**{value} ✗**") }
                })
            })
            .collect();
        let passes = row.values().filter(|c| c.passes()).count();
        writeln!(out, "| {name} | {expected}{unit} | {} | {passes}/{} |", cells.join(" | "), row.len())?;
    }
    Ok(())
}
