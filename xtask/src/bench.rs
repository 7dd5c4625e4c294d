//! `cargo xtask bench`: builds the engine as the site is built, and times it.

use crate::module::{Kind, Module};
use crate::setup::{self, Tools};
use crate::site;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The arguments go to the benchmark's own command line. `false` if it failed.
pub(crate) fn run(arguments: &[OsString]) -> Result<bool> {
    let tools = setup::for_building()?;
    setup::for_testing(&tools)?;
    let mut command = Command::new("cargo");
    if arguments.first().is_some_and(|a| a == "load") {
        site::build(&tools, "./")?;
        command.env("GRADUS_BENCH_DIST", xtask::root().join(site::DIST));
    }
    let site = setup::target_dir().join("bench-site");
    fs::create_dir_all(&site)?;
    build(&tools, &site, arguments.first().is_some_and(|a| a == "compare"))?;
    command.args(["run", "--quiet", "--release", "-p", "gradus-bench", "--bin", "gradus-bench", "--"]);
    command.env("GRADUS_BENCH_SITE", &site).env("CHROMEDRIVER", setup::chromedriver(&tools)?);
    Ok(command.args(arguments).status()?.success())
}

/// Fills the folder that the browser is given.
fn build(tools: &Tools, site: &Path, peers: bool) -> Result<()> {
    for (kind, name) in [(Kind::Worker, "worker"), (Kind::Relaxed, "worker_relaxed")] {
        let worker = Module { package: "gradus-bench", bin: "bench_worker", features: "", kind };
        worker.bind(tools, &worker.compile(tools)?, site, name)?;
    }
    fs::copy("web/worker_loader.js", site.join("worker_loader.js"))?;
    fs::copy("bench/page/index.html", site.join("index.html"))?;
    let folder = site.join("peers");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir("bench/peers")? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    if peers && !folder.join("node_modules").is_dir() {
        let npm = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--no-package-lock"])
            .current_dir(&folder)
            .status();
        let done = npm.context("no npm: the peers are JavaScript packages; install Node.js")?;
        anyhow::ensure!(done.success(), "npm could not install the peers");
    }
    Ok(())
}
