//! Makes what comes with the page: the models of the default course and a recorded run of each lesson.

use crate::module::checked;
use crate::setup::target_dir;
use anyhow::{Context, Result, bail, ensure};
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where it is kept, from the repository's root.
pub(crate) const SHIPPED: &str = "lessons/shipped";
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
/// fail is shipped as it is: the page shows which. One that does not come to its end is an error, and what was
/// shipped of it stays. A base model left by an earlier call is used again: remove `target/ship` to begin anew.
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
    fs::create_dir_all(work)?;
    let chosen = || RUNS.iter().filter(|(lesson, _)| only.is_empty() || only.iter().any(|o| o == lesson));
    // The others neither begin from a model nor leave one.
    let raised = chosen().any(|(_, needs)| !needs.is_empty());
    if raised && !models.join("base").is_dir() {
        checked(&mut run("base", None, &models))?;
    }
    for (lesson, needs) in chosen() {
        let from = work.join(lesson);
        for role in *needs {
            copy(&models.join(role), &from.join(role)).with_context(|| format!("{lesson} needs {role}"))?;
        }
        let record = work.join(lesson).with_extension("json");
        let from = (!needs.is_empty()).then_some(from.as_path());
        let mut command = run(lesson, from, &models);
        command.args(["--zips", SHIPPED, "--record"]).arg(&record);
        if !recorded(&mut command, &record).with_context(|| format!("{lesson} cannot be shipped"))? {
            println!("{lesson}: not all checks pass; see above");
        }
        fs::copy(&record, runs.join(lesson).with_extension("json"))?;
    }
    if raised { record_figures(&models) } else { Ok(()) }
}

/// Writes the figures of the models as they were trained, which the tests find again in the rounded ones.
fn record_figures(models: &Path) -> Result<()> {
    let mut command = gradus();
    let output = command.args(["measure", "--device", "cpu", "--models"]).arg(models).output();
    let output = output.context("gradus cannot be started")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(Path::new(SHIPPED).join("figures.json"), output.stdout)?;
    Ok(())
}

/// The program that makes it, as it was just built.
fn gradus() -> Command {
    Command::new(target_dir().join("release").join(format!("gradus{EXE_SUFFIX}")))
}

fn run(lesson: &str, from: Option<&Path>, out: &Path) -> Command {
    let mut command = gradus();
    command.args(["run", lesson, "--size", "default", "--seed", SEED, "--device", "cpu", "--out"]).arg(out);
    if let Some(from) = from {
        command.arg("--from").arg(from);
    }
    command
}

/// Runs a lesson, which writes `record` last of all; whether its checks pass too.
fn recorded(command: &mut Command, record: &Path) -> Result<bool> {
    // An old one would speak for a run that broke off.
    if record.exists() {
        fs::remove_file(record)?;
    }
    let status = command.status().context("gradus cannot be started")?;
    ensure!(record.is_file(), "its run broke off ({status}): see above");
    Ok(status.success())
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_broke_off_is_not_one_whose_checks_fail() -> Result<()> {
        let record = std::env::temp_dir().join(format!("gradus-ship-{}.json", std::process::id()));
        let shell = |script: String| {
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            command
        };
        let writes = format!("echo {{}} > '{}'", record.display());
        assert!(recorded(&mut shell(writes.clone()), &record)?);
        assert!(!recorded(&mut shell(format!("{writes}; exit 1")), &record)?);
        // The record of the run before is there, and is not taken for this one's.
        let broken = recorded(&mut shell("exit 101".into()), &record).map_err(|e| e.to_string());
        assert!(broken.as_ref().is_err_and(|e| e.contains("broke off")), "{broken:?}");
        Ok(())
    }
}
