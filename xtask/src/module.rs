//! WebAssembly modules: compiled by cargo, bound to JavaScript by wasm-bindgen.
//!
//! The engine's module comes in two builds: with plain 128-bit vectors, and with relaxed SIMD's fused multiply-adds.
//! `web/worker_loader.js` takes the second where the browser knows it.

use crate::setup::{self, Tools};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

const WASM: &str = "wasm32-unknown-unknown";

/// Makes a cargo command for wasm build with relaxed SIMD.
pub(crate) fn relaxed(cargo: &mut Command) {
    cargo.args(["--features", "gradus-core/relaxed-simd"]);
    cargo.env("CARGO_TARGET_DIR", setup::target_dir().join(Kind::Relaxed.folder()));
    // Added to the flags of .cargo/config.toml.
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Ctarget-feature=+relaxed-simd");
}

/// What a module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Loaded by a page.
    Page,
    /// Loaded by a worker.
    Worker,
    /// The same with relaxed SIMD.
    Relaxed,
}

impl Kind {
    /// Below cargo's target folder. Other flags, another folder: else each build would undo the other's work, and
    /// they could not run side by side.
    fn folder(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Worker => "web",
            Self::Relaxed => "relaxed",
        }
    }

    /// The profile in the workspace's Cargo.toml.
    fn profile(self) -> &'static str {
        if self == Self::Page { "page" } else { "web" }
    }

    /// What wasm-bindgen writes its JavaScript for.
    fn target(self) -> &'static str {
        if self == Self::Page { "web" } else { "no-modules" }
    }
}

/// A module to be built.
pub(crate) struct Module {
    pub(crate) package: &'static str,
    pub(crate) bin: &'static str,
    /// Cargo features, but for the one of relaxed SIMD.
    pub(crate) features: &'static str,
    pub(crate) kind: Kind,
}

impl Module {
    /// Compiles it, and gives the file.
    pub(crate) fn compile(&self, tools: &Tools) -> Result<PathBuf> {
        let (target, profile) = (setup::target_dir().join(self.kind.folder()), self.kind.profile());
        let mut cargo = tools.wasm_command("cargo");
        cargo
            .args(["rustc", "--locked", "--profile", profile, "--target", WASM])
            .args(["--package", self.package, "--bin", self.bin, "--features", self.features])
            .env("CARGO_TARGET_DIR", &target);
        if self.kind == Kind::Relaxed {
            relaxed(&mut cargo);
        }
        // wasm-bindgen reads there what the module may use; the profile strips everything else.
        cargo.args(["--", "-C", "link-arg=--keep-section=target_features"]);
        checked(&mut cargo)?;
        Ok(target.join(WASM).join(profile).join(format!("{}.wasm", self.bin)))
    }

    /// Binds what was compiled, and leaves it in `folder` as `NAME.js` and `NAME_bg.wasm`.
    pub(crate) fn bind(&self, tools: &Tools, compiled: &Path, folder: &Path, name: &str) -> Result<()> {
        let mut bindgen = tools.wasm_command("wasm-bindgen");
        bindgen
            .args(["--target", self.kind.target(), "--no-typescript", "--out-name", name, "--out-dir"])
            .args([folder, compiled]);
        checked(&mut bindgen)
    }
}

/// Runs the command; an error where it ends with one.
pub(crate) fn checked(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status})");
    }
    Ok(())
}
