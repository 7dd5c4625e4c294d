//! Makes what comes with the page: the models of the default course and a recorded run of each lesson.

use crate::module::checked;
use crate::setup::target_dir;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
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

/// The models, by the names of their roles.
const ROLES: [&str; 7] = ["base", "sft", "rl-start", "reward", "ppo", "dpo", "draft"];

/// A figure of a model, as `gradus measure` writes it.
#[derive(Serialize, Deserialize)]
struct Figure {
    role: String,
    name: String,
    value: f64,
    unit: String,
    tolerance: f64,
}

/// Runs the base model and all lessons on the CPU device, from fixed seeds (about 20 minutes on one core), replaces
/// `lessons/shipped`, and records what the models are worth before their weights were rounded. A lesson whose checks
/// fail is shipped as it is: the page shows which. One that does not come to its end is an error, and what was
/// shipped of it stays. A base model left by an earlier call is used again: remove `target/ship` to begin anew.
///
/// With names of lessons only those, and only their models and figures are replaced. The models that they begin from are
/// those left by an earlier call, or else the shipped ones, as on the page.
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
    if only.is_empty() && !models.join("base").is_dir() {
        checked(run("base", None, &models).args(["--zips", SHIPPED]))?;
    }
    for (lesson, needs) in chosen() {
        let folder = work.join(lesson);
        for role in *needs {
            copy_model(&models, role, &folder.join("from"))?;
        }
        let from = (!needs.is_empty()).then(|| folder.join("from"));
        let (record, out, zips) = (folder.join("record.json"), folder.join("models"), folder.join("zips"));
        let mut command = run(lesson, from.as_deref(), &out);
        command.arg("--zips").arg(&zips).arg("--record").arg(&record);
        if !recorded(&mut command, &record).with_context(|| format!("{lesson} cannot be shipped"))? {
            println!("{lesson}: not all checks pass; see above");
        }
        for role in ROLES.iter().filter(|role| !needs.contains(role) && out.join(role).is_dir()) {
            copy(&out.join(role), &models.join(role))?;
            let zip = Path::new(role).with_extension("zip");
            fs::copy(zips.join(&zip), Path::new(SHIPPED).join(&zip))?;
        }
        fs::copy(&record, runs.join(lesson).with_extension("json"))?;
    }
    record_figures(work, &models)
}

/// Writes the figures of the models as they were trained, which the tests find again in the rounded ones. Those of models
/// that no call has made stay what they are.
fn record_figures(work: &Path, models: &Path) -> Result<()> {
    let all = work.join("all");
    for role in ROLES {
        copy_model(models, role, &all)?;
    }
    let output = gradus().args(["measure", "--device", "cpu", "--models"]).arg(&all).output();
    let output = output.context("gradus cannot be started")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = Path::new(SHIPPED).join("figures.json");
    let mut figures: Vec<Figure> = serde_json::from_slice(&output.stdout)?;
    let before: Vec<Figure> = serde_json::from_str(&fs::read_to_string(&file)?)?;
    for figure in figures.iter_mut().filter(|f| !models.join(&f.role).is_dir()) {
        let same = |b: &&Figure| (&b.role, &b.name) == (&figure.role, &figure.name);
        if let Some(kept) = before.iter().find(same) {
            figure.value = kept.value;
        }
    }
    fs::write(file, serde_json::to_string_pretty(&figures)? + "\n")?;
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

/// Copies a model to a folder of models: the one that an earlier call made, or else the shipped one.
fn copy_model(models: &Path, role: &str, to: &Path) -> Result<()> {
    let (folder, zip) = (models.join(role), Path::new(role).with_extension("zip"));
    if folder.is_dir() {
        return copy(&folder, &to.join(role));
    }
    fs::create_dir_all(to)?;
    let shipped = Path::new(SHIPPED).join(&zip);
    fs::copy(&shipped, to.join(&zip)).with_context(|| format!("{} is missing", shipped.display()))?;
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
