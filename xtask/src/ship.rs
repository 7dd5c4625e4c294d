//! Makes what comes with the page: the models of the default course and a recorded run of each lesson.

use crate::module::checked;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where it is kept, from the repository's root.
pub(crate) const SHIPPED: &str = "lessons/shipped";
/// The program that makes it.
const GRADUS: &str = "target/release/gradus";
/// Seed of all that is shipped.
const SEED: &str = "1";
/// Each lesson and the models that its run begins from, as on the page.
const RUNS: [(&str, &[&str]); 8] = [
    ("sft", &["base"]),
    ("rlhf", &["base"]),
    ("dpo", &["base", "rl-start", "reward", "ppo"]),
    ("speculative-decoding", &["base"]),
    ("flash-attention", &[]),
    ("scaling-laws", &[]),
    ("attention", &[]),
    ("few-shot", &[]),
];

/// Runs the base model and all lessons on the CPU device, from fixed seeds (about 20 minutes on one core), replaces
/// `lessons/shipped`, and records what the models are worth before their weights were rounded. A lesson whose checks
/// fail is shipped as it is: the page shows which. A base model left by an earlier call is used again: remove
/// `target/ship` to begin anew.
///
/// With names of lessons only those; the models they begin from must have been left by an earlier call.
pub(crate) fn ship(only: &[String]) -> Result<()> {
    let known = |name: &&String| RUNS.iter().any(|(lesson, _)| lesson == name);
    if let Some(other) = only.iter().find(|name| !known(name)) {
        bail!("there is no lesson `{other}`: {}", RUNS.map(|(lesson, _)| lesson).join(", "));
    }
    checked(Command::new("cargo").args(["build", "--release", "-p", "gradus-lessons"]))?;
    let work = Path::new("target/ship");
    let (models, runs) = (work.join("models"), Path::new(SHIPPED).join("runs"));
    fs::create_dir_all(&runs)?;
    let chosen = || RUNS.iter().filter(|(lesson, _)| only.is_empty() || only.iter().any(|o| o == lesson));
    // The others neither begin from a model nor leave one.
    let raised = chosen().any(|(_, needs)| !needs.is_empty());
    if raised && !models.join("base").is_dir() {
        run("base", None, &models, &[])?;
    }
    for (lesson, needs) in chosen() {
        let from = work.join(lesson);
        for role in *needs {
            copy(&models.join(role), &from.join(role)).with_context(|| format!("{lesson} needs {role}"))?;
        }
        let record = runs.join(lesson).with_extension("json");
        let from = (!needs.is_empty()).then_some(from.as_path());
        run(lesson, from, &models, &["--record", &record.to_string_lossy(), "--zips", SHIPPED])?;
    }
    if raised { record_figures(&models) } else { Ok(()) }
}

/// Writes the figures of the models as they were trained, which the tests find again in the rounded ones.
fn record_figures(models: &Path) -> Result<()> {
    let mut command = Command::new(GRADUS);
    let output = command.args(["measure", "--device", "cpu", "--models"]).arg(models).output();
    let output = output.with_context(|| format!("{GRADUS} cannot be started"))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(Path::new(SHIPPED).join("figures.json"), output.stdout)?;
    Ok(())
}

fn run(lesson: &str, from: Option<&Path>, out: &Path, more: &[&str]) -> Result<()> {
    let mut command = Command::new(GRADUS);
    command.args(["run", lesson, "--size", "default", "--seed", SEED, "--device", "cpu", "--out"]).arg(out);
    if let Some(from) = from {
        command.arg("--from").arg(from);
    }
    let status = command.args(more).status().with_context(|| format!("{GRADUS} cannot be started"))?;
    if !status.success() {
        println!("{lesson}: not all checks pass; see above");
    }
    Ok(())
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{} is missing", from.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
