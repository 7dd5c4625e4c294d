//! What the repository's commands share with the end-to-end tests: the static server.

pub mod serve;

use std::path::{Path, PathBuf};

/// The root of the repository.
///
/// Cargo tells a program it runs where its package lies, and every package lies right below the root. What
/// was true at compile time is only the second choice: two checkouts may share one target folder.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let package = Path::new(&package);
    package.parent().unwrap_or(package).to_path_buf()
}
