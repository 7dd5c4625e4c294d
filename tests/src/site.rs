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

/// How many times as long everything may take on this machine at this moment: how many programs want each of its
/// processors, at least 1. What is promised of a page is promised on a machine that has time for it.
pub fn crowding() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    let load = load.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(1.0);
    let processors = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    (load / processors).max(1.0)
}

/// Where tests leave pictures: `target/shots`.
pub fn shots() -> PathBuf {
    xtask::root().join("target/shots")
}
