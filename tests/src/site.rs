//! The built site, served for one test.

use anyhow::Result;
use std::path::PathBuf;
use xtask::serve::SiteServer;

/// Serves `dist/` on a free port for as long as the value lives.
///
/// # Errors
/// When `dist/` holds no site: `cargo xtask build` makes it, and `cargo xtask test` does so by itself.
pub fn serve() -> Result<SiteServer> {
    SiteServer::start(&xtask::root().join("dist"), 0)
}

/// Where tests leave pictures: `target/shots`.
pub fn shots() -> PathBuf {
    xtask::root().join("target/shots")
}
