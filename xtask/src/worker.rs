//! The engine's module in its two builds: with plain 128-bit vectors, and with relaxed SIMD's fused multiply-adds.
//! `web/worker_loader.js` takes the second where the browser knows it.

use crate::setup::{self, Tools};
use crate::site::checked;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

const WASM: &str = "wasm32-unknown-unknown";

/// Makes a cargo command for wasm build with relaxed SIMD.
pub(crate) fn relaxed(cargo: &mut Command) {
    cargo.args(["--features", "gradus-core/relaxed-simd"]);
    cargo.env("CARGO_TARGET_DIR", relaxed_dir());
    // Added to the flags of .cargo/config.toml.
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Ctarget-feature=+relaxed-simd");
}

/// Other flags, another folder: else each build would undo the other's work.
fn relaxed_dir() -> PathBuf {
    setup::target_dir().join("relaxed")
}

/// A worker's module.
pub(crate) struct Worker {
    pub(crate) package: &'static str,
    pub(crate) bin: &'static str,
    /// Cargo features, but for the one of relaxed SIMD.
    pub(crate) features: &'static str,
    /// With relaxed SIMD.
    pub(crate) relaxed: bool,
}

impl Worker {
    /// Compiles it as the site is compiled, and leaves it in `folder` as `worker` or `worker_relaxed`.
    pub(crate) fn build(&self, tools: &Tools, folder: &Path) -> Result<()> {
        let (name, target) = if self.relaxed {
            ("worker_relaxed", relaxed_dir())
        } else {
            ("worker", setup::target_dir().join("web"))
        };
        let mut cargo = tools.wasm_command("cargo");
        cargo
            .args(["build", "--locked", "--profile", "web", "--target", WASM])
            .env("CARGO_TARGET_DIR", &target);
        cargo.args(["--package", self.package, "--bin", self.bin, "--features", self.features]);
        if self.relaxed {
            relaxed(&mut cargo);
        }
        checked(&mut cargo)?;
        let module = target.join(WASM).join("web").join(format!("{}.wasm", self.bin));
        let mut bindgen = tools.wasm_command("wasm-bindgen");
        bindgen
            .args(["--target", "no-modules", "--no-typescript", "--out-name", name, "--out-dir"])
            .arg(folder);
        checked(bindgen.arg(module))
    }
}
