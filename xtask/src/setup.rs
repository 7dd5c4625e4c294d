//! What building and testing need: each piece is looked for first and installed only where it is missing.
//!
//! Programs that cargo installs go to `target/tools`, so that versions a developer keeps for other
//! projects stay as they are.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xshell::{Shell, cmd};

const WASM: &str = "wasm32-unknown-unknown";

/// Names under which a Chromium is found on `PATH`; the first is Debian's.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// The programs and the environment that WebAssembly builds run with.
pub(crate) struct Tools {
    path: OsString,
    /// How wasm is compiled where rustup cannot add the target: Debian's rustc, building std itself.
    debian_rustc: bool,
}

impl Tools {
    /// A command that builds for WebAssembly and finds our tools.
    pub(crate) fn wasm_command(&self, program: &str) -> Command {
        let mut command = Command::new(self.find(program).unwrap_or_else(|| program.into()));
        command.env("PATH", &self.path);
        if self.debian_rustc {
            command
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld-22");
        }
        command
    }

    /// Whether wasm is compiled by Debian's rustc, which brings no clippy of the same version.
    pub(crate) fn debian_rustc(&self) -> bool {
        self.debian_rustc
    }

    fn find(&self, program: &str) -> Option<PathBuf> {
        let file = format!("{program}{}", env::consts::EXE_SUFFIX);
        env::split_paths(&self.path).map(|folder| folder.join(&file)).find(|path| path.is_file())
    }

    /// Whether `program --version` says `version`.
    fn has(&self, program: &str, version: &str) -> bool {
        let Some(path) = self.find(program) else { return false };
        let Ok(output) = Command::new(path).arg("--version").output() else { return false };
        String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == version)
    }
}

/// Sets up what `build` and `serve` need: the wasm target, and the wasm-bindgen of Cargo.lock.
pub(crate) fn for_building() -> Result<Tools> {
    let sh = Shell::new()?;
    let tools_dir = target_dir().join("tools");
    // Tools already on PATH win where their versions fit; ours are looked for after them.
    let mut path = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let bindgen = locked_version("wasm-bindgen")?;
    let mut tools = Tools { path: env::join_paths(&path)?, debian_rustc: wasm_target(&sh)? };
    if !tools.has("wasm-bindgen", &bindgen) || tools.find("wasm-bindgen-test-runner").is_none() {
        // Another version on PATH must not come before ours.
        path.insert(0, tools_dir.join("bin"));
        tools.path = env::join_paths(&path)?;
        if !tools.has("wasm-bindgen", &bindgen) || tools.find("wasm-bindgen-test-runner").is_none() {
            println!("Installing wasm-bindgen-cli {bindgen} (about 4 minutes, once)");
            // Without --locked: its lock file names versions that have been withdrawn.
            cmd!(sh, "cargo install --root {tools_dir} wasm-bindgen-cli --version {bindgen}").run()?;
        }
    }
    Ok(tools)
}

/// Sets up what the tests need beside the tools: a browser, its driver, and on Linux a Vulkan driver.
pub(crate) fn for_testing(tools: &Tools) -> Result<()> {
    let browser = BROWSERS.iter().any(|name| tools.find(name).is_some()) || !cfg!(target_os = "linux");
    let mut packages = Vec::new();
    if !browser {
        packages.push("chromium");
    }
    if tools.find("chromedriver").is_none() {
        packages.push("chromium-driver");
    }
    if cfg!(target_os = "linux") && !has_vulkan_driver() {
        packages.push("mesa-vulkan-drivers");
    }
    apt_install(tools, &packages)
}

/// The path of chromedriver, which the test runners are told by the variable `CHROMEDRIVER`.
pub(crate) fn chromedriver(tools: &Tools) -> Result<PathBuf> {
    tools.find("chromedriver").context("no chromedriver on PATH: install the one that fits your Chromium")
}

/// The path of wasm-bindgen's test runner.
pub(crate) fn test_runner(tools: &Tools) -> Result<PathBuf> {
    tools.find("wasm-bindgen-test-runner").context("wasm-bindgen-cli brought no wasm-bindgen-test-runner")
}

/// Makes sure that wasm can be compiled; `true` when by Debian's rustc instead of rustup's.
fn wasm_target(sh: &Shell) -> Result<bool> {
    let sysroot =
        cmd!(sh, "rustc --print sysroot").read().context("no rustc: install Rust from https://rustup.rs")?;
    if Path::new(&sysroot).join("lib/rustlib").join(WASM).join("lib").is_dir() {
        return Ok(false);
    }
    println!("Adding the target {WASM} through rustup");
    if cmd!(sh, "rustup target add {WASM}").run().is_ok() {
        return Ok(false);
    }
    let there = || Path::new("/usr/bin/rustc").exists() && Path::new("/usr/bin/wasm-ld-22").exists();
    if !there() {
        println!("rustup could not add it; falling back to Debian's rustc and the sources of std");
        let tools = Tools { path: env::var_os("PATH").unwrap_or_default(), debian_rustc: true };
        apt_install(&tools, &["rustc-web", "rust-web-src", "lld-22"])
            .with_context(|| format!("neither rustup nor apt can give the target {WASM}"))?;
    }
    println!("Compiling wasm with /usr/bin/rustc, which builds std from source");
    Ok(true)
}

/// Installs Debian packages where we may, and otherwise says which command does.
fn apt_install(tools: &Tools, packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let sh = Shell::new()?;
    let root = cfg!(unix) && cmd!(sh, "id -u").quiet().read().is_ok_and(|id| id == "0");
    if tools.find("apt-get").is_none() || !root {
        let list = packages.join(" ");
        bail!(
            "missing: {list}. On Debian or Ubuntu install with `sudo apt-get install {list}`; elsewhere \
             install Chromium or Chrome, the chromedriver of the same version, and a Vulkan driver"
        );
    }
    println!("Installing {}", packages.join(", "));
    sh.set_var("DEBIAN_FRONTEND", "noninteractive");
    cmd!(sh, "apt-get update --quiet").run()?;
    cmd!(sh, "apt-get install --yes --quiet --no-install-recommends {packages...}").run()?;
    Ok(())
}

fn has_vulkan_driver() -> bool {
    if env::var_os("VK_ICD_FILENAMES").is_some() || env::var_os("VK_DRIVER_FILES").is_some() {
        return true;
    }
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];
    folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).any(|mut files| files.next().is_some())
}

/// Cargo's target folder.
pub(crate) fn target_dir() -> PathBuf {
    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    xtask::root().join(folder)
}

/// The version of a package in Cargo.lock.
fn locked_version(package: &str) -> Result<String> {
    let lock = fs::read_to_string("Cargo.lock").context("cannot read Cargo.lock")?;
    version_in(&lock, package).with_context(|| format!("Cargo.lock names no {package}"))
}

fn version_in(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    Some(lines.next()?.strip_prefix("version = \"")?.trim_end_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_gives_exact_versions() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"2.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n";
        assert_eq!(version_in(lock, "a").as_deref(), Some("1.2.3"));
        assert_eq!(version_in(lock, "b"), None);
    }
}
