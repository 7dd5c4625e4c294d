//! Scaling laws: how loss falls with parameters and tokens, fitted to runs, and what follows for a budget.
//!
//! Hoffmann et al. 2022 (arXiv 2203.15556), whose law and fit these are, and Kaplan et al. 2020 (arXiv 2001.08361)
//! before them. Losses are nats a token, N is parameters, D tokens, C floating-point operations with
//! C = 6·N·D.

mod bootstrap;
mod fit;
mod isoflop;
mod law;
mod published;

pub use bootstrap::{Interval, bootstrap, interval};
pub use fit::{Fit, Method, Residual, fit};
pub use isoflop::{Parabola, parabola};
pub use law::{Law, Optimum};
pub use published::{EPOCH, HOFFMANN, kaplan_optimum, ratios_within_rounding};

/// One measured loss.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Point {
    /// Parameters, N.
    pub n: f64,
    /// Tokens, D.
    pub d: f64,
    /// Held-out loss in nats a token.
    pub loss: f64,
    /// Which run it belongs to: points of one run share their weights' history, so the bootstrap draws
    /// them together.
    pub run: usize,
}
