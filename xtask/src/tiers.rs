//! The four tiers of tests.
//!
//! Which tier an integration test belongs to follows from its name: `gpu_*` runs natively on a GPU,
//! `browser_*` is compiled to wasm and runs inside a browser, `e2e_*` drives a browser over the built
//! site; everything else, with the unit tests, runs natively on the CPU.

use crate::setup::{self, Tools};
use crate::site;
use crate::tally::{self, Tally};
use anyhow::{Context, Result};
use std::process::Command;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

/// The packages whose tests run natively. They are always built together, so that cargo settles on one
/// set of features and compiles each dependency once.
const NATIVE: [&str; 6] =
    ["gradus-core", "gradus-lessons", "gradus-web", "gradus-tests", "xtask", "gradus-bench"];

/// The test of the CPU device in the browser, which is run for both builds of the worker.
const CPU_IN_BROWSER: &str = "browser_cpu";

/// The browser test that takes as long as all others together.
const LONG_IN_BROWSER: &str = "browser_conformance";

/// Seconds that one browser test file may take; the runner's own limit, 20, is for tests without a model.
const BROWSER_TIMEOUT: &str = "1200";

/// A tier of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Cpu,
    Gpu,
    Browser,
    E2e,
}

impl Tier {
    const ALL: [Self; 4] = [Self::Cpu, Self::Gpu, Self::Browser, Self::E2e];

    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Browser => "browser",
            Self::E2e => "e2e",
        }
    }

    /// The tier of the integration test of this name.
    fn of(test: &str) -> Self {
        let named = |tier: &Self| test.strip_prefix(tier.name()).is_some_and(|rest| rest.starts_with('_'));
        Self::ALL.into_iter().find(named).unwrap_or(Self::Cpu)
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|tier| tier.name() == name)
            .ok_or_else(|| format!("there is no tier `{name}`: cpu, gpu, browser, e2e"))
    }
}

/// Runs one tier, or all of them whatever becomes of each, and prints the totals. `false` when a test
/// failed, a tier could not run, or a tier held no test.
pub(crate) fn run(only: Option<Tier>) -> Result<bool> {
    let tools = setup::for_building()?;
    let missing = setup::for_testing(&tools).err();
    if let Some(error) = &missing {
        eprintln!("error: {error:#}\nThe tiers that need it will fail.");
    }
    let targets = targets()?;
    let tiers = only.map_or(Tier::ALL.to_vec(), |tier| vec![tier]);
    let mut results = Vec::new();
    for tier in tiers {
        println!("\n=== {} ===", tier.name());
        let start = Instant::now();
        let tally = run_tier(tier, &tools, &targets).unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            Tally::BROKEN
        });
        results.push((tier, tally, start.elapsed()));
    }
    Ok(report(&results))
}

fn report(results: &[(Tier, Tally, Duration)]) -> bool {
    let mut total = Tally::default();
    println!("\n{:<10}{:>8}{:>8}{:>8}", "tier", "passed", "failed", "time");
    for (tier, tally, time) in results {
        let mut tally = *tally;
        if tally == Tally::default() {
            println!("The tier {} holds no test: counted as one failure.", tier.name());
            tally = Tally::BROKEN;
        }
        let time = format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60);
        println!("{:<10}{:>8}{:>8}{:>8}", tier.name(), tally.passed, tally.failed, time);
        total.add(tally);
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    total.good()
}

fn run_tier(tier: Tier, tools: &Tools, targets: &[Target]) -> Result<Tally> {
    let tests: Vec<_> = targets.iter().filter(|t| t.kind == "test" && Tier::of(&t.name) == tier).collect();
    let tests = tests.as_slice();
    match tier {
        Tier::Cpu => {
            let mut unit = native(names(tests));
            unit.arg("--lib");
            // The page's binaries exist as wasm only.
            let programs = targets.iter().filter(|t| t.kind == "bin" && t.package != "gradus-web");
            unit.args(programs.flat_map(|t| ["--bin", &t.name]));
            tally::run(&mut unit)
        }
        _ if tests.is_empty() => Ok(Tally::default()),
        // Output is shown, for the adapters' names are in it.
        Tier::Gpu => tally::run(native(names(tests)).args(["--", "--nocapture"])),
        Tier::Browser => in_browser(tools, tests),
        Tier::E2e => {
            site::build(tools, "./")?;
            // One at a time: each drives a browser that trains a model.
            tally::run(
                native(names(tests))
                    .args(["--", "--nocapture", "--test-threads=1"])
                    .env("CHROMEDRIVER", setup::chromedriver(tools)?),
            )
        }
    }
}

/// The tier `browser`: all tests in the page's build, and the processor's in the relaxed one.
fn in_browser(tools: &Tools, tests: &[&Target]) -> Result<Tally> {
    let run = |tests: &[&Target]| tally::run(browser(tools, tests)?.args(["--", "--nocapture"]));
    let (long, others): (Vec<_>, Vec<_>) = tests.iter().copied().partition(|t| t.name == LONG_IN_BROWSER);
    // A browser without a GPU compiles kernels on one processor: two browsers do so side by side. (Cargo builds for one
    // after the other.)
    let (long, others) = thread::scope(|scope| {
        let long = scope.spawn(|| run(&long));
        (run(&others), long.join().unwrap_or_else(|_| Ok(Tally::BROKEN)))
    });
    let mut tally = long?;
    tally.add(others?);
    // The worker's second build has other kernels on the processor.
    let cpu: Vec<_> = tests.iter().copied().filter(|test| test.name == CPU_IN_BROWSER).collect();
    let mut relaxed = browser(tools, &cpu)?;
    crate::module::relaxed(&mut relaxed);
    // wgpu would be compiled a second time, for nothing.
    relaxed.arg("--no-default-features");
    tally.add(tally::run(relaxed.args(["--", "--nocapture"]))?);
    Ok(tally)
}

/// `cargo test` for native packages and the integration tests of these names.
pub(crate) fn native<'a>(tests: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("cargo");
    command.args(["test", "--no-fail-fast"]);
    command.args(NATIVE.iter().flat_map(|package| ["--package", package]));
    // What the page computes for its pictures is tested without a browser.
    command.args(["--features", "gradus-web/app"]);
    command.args(tests.into_iter().flat_map(|test| ["--test", test]));
    command
}

/// The names of tests.
fn names<'a>(tests: &'a [&Target]) -> impl Iterator<Item = &'a str> {
    tests.iter().map(|test| test.name.as_str())
}

/// `cargo test` for wasm, in a headless Chromium with WebGPU.
fn browser(tools: &Tools, tests: &[&Target]) -> Result<Command> {
    let mut packages: Vec<&str> = tests.iter().map(|test| test.package.as_str()).collect();
    packages.dedup();
    let mut command = tools.wasm_command("cargo");
    command.args(["test", "--no-fail-fast", "--target", "wasm32-unknown-unknown"]);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    command.args(tests.iter().flat_map(|test| ["--test", &test.name]));
    command
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", setup::test_runner(tools)?)
        .env("CHROMEDRIVER", setup::chromedriver(tools)?)
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", xtask::root().join("tests/webdriver.json"))
        .env("WASM_BINDGEN_TEST_TIMEOUT", BROWSER_TIMEOUT)
        .env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "60");
    Ok(command)
}

/// Something that cargo builds.
struct Target {
    package: String,
    name: String,
    /// `lib`, `bin`, `test`, `example`, …
    kind: String,
}

/// Everything that the workspace builds, in the order of the packages' names.
fn targets() -> Result<Vec<Target>> {
    let output = Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata cannot be read")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut targets = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            targets.push(Target {
                package: text(&package["name"]),
                name: text(&target["name"]),
                kind: text(&target["kind"][0]),
            });
        }
    }
    targets.sort_by(|a, b| (&a.package, &a.name).cmp(&(&b.package, &b.name)));
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_the_tier() {
        assert_eq!(Tier::of("gpu_gradients"), Tier::Gpu);
        assert_eq!(Tier::of("browser_worker"), Tier::Browser);
        assert_eq!(Tier::of("e2e_home"), Tier::E2e);
        assert_eq!(Tier::of("shaders"), Tier::Cpu);
        assert_eq!(Tier::of("gpus"), Tier::Cpu);
        assert_eq!("e2e".parse(), Ok(Tier::E2e));
        assert!("gpus".parse::<Tier>().is_err());
    }

    #[test]
    fn a_tier_without_tests_fails_the_run() {
        let passed = Tally { passed: 3, failed: 0 };
        let time = Duration::from_secs(61);
        assert!(report(&[(Tier::Cpu, passed, time)]));
        assert!(!report(&[(Tier::Cpu, passed, time), (Tier::Gpu, Tally::default(), time)]));
        assert!(!report(&[(Tier::Cpu, passed, time), (Tier::Gpu, Tally::BROKEN, time)]));
    }

    #[test]
    fn the_workspace_has_a_test_in_every_tier() {
        let targets = targets().unwrap();
        for tier in [Tier::Gpu, Tier::Browser, Tier::E2e] {
            assert!(targets.iter().any(|t| t.kind == "test" && Tier::of(&t.name) == tier), "{tier:?}");
        }
    }
}
