//! Everything that is wrong without running a test.

use crate::{setup, tiers};
use anyhow::Result;
use std::process::Command;

/// Packages that are compiled to wasm.
const WASM: [&str; 6] = ["--package", "gradus-core", "--package", "gradus-web", "--package", "gradus-bench"];

/// Runs all checks, whatever becomes of each, and says which failed; `false` if one did.
pub(crate) fn run() -> Result<bool> {
    let tools = setup::for_building()?;

    let mut format = cargo(&["fmt", "--all", "--check"]);
    let mut native = cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    // Debian's rustc has no clippy of its own version; the compiler's warnings are denied all the same.
    let lint = if tools.debian_rustc() { "check" } else { "clippy" };
    let mut page = tools.wasm_command("cargo");
    page.args([lint, "--target", "wasm32-unknown-unknown", "--features", "gradus-web/app,gradus-web/worker"]);
    page.args(WASM);
    let mut browser_tests = tools.wasm_command("cargo");
    browser_tests.args([lint, "--target", "wasm32-unknown-unknown", "--package", "gradus-tests", "--tests"]);
    for command in [&mut page, &mut browser_tests] {
        if tools.debian_rustc() {
            command.env("CARGO_BUILD_WARNINGS", "deny");
        } else {
            command.args(["--", "-D", "warnings"]);
        }
    }
    let mut shaders = tiers::native(["shaders"]);
    let mut documentation = cargo(&["doc", "--no-deps", "--workspace"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");

    let checks = [
        ("formatting", &mut format),
        ("clippy, native", &mut native),
        ("clippy, page", &mut page),
        ("clippy, browser tests", &mut browser_tests),
        ("shaders", &mut shaders),
        ("documentation", &mut documentation),
    ];
    let mut failed = Vec::new();
    for (name, command) in checks {
        println!("=== {name} ===");
        if !command.status()?.success() {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        println!("All checks passed.");
    } else {
        println!("Failed: {}", failed.join("; "));
    }
    Ok(failed.is_empty())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}
