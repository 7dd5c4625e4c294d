//! The page of the Gradus course.
//!
//! Three binaries are built from this package. `home` and `lesson` are the pages: Leptos, charts, controls; they know
//! the engine only by its protocol. `worker` hosts the session. What they share is [`wire`]. What can be
//! thought through without a browser ([`state`], [`supervise`], [`settings`], [`url`], [`decimate`],
//! [`mod@format`]) is kept free of it and tested natively.

pub mod decimate;
pub mod format;
#[cfg(any(feature = "app", feature = "worker"))]
#[allow(unreachable_pub, reason = "the component macro gives its properties a `pub` of its own")]
pub mod lesson;
pub mod settings;
pub mod state;
pub mod supervise;
pub mod url;
pub mod wire;

#[cfg(feature = "app")]
pub mod app;
#[cfg(feature = "app")]
mod browser;
#[cfg(feature = "app")]
mod connection;
#[cfg(feature = "app")]
mod link;
#[cfg(feature = "app")]
#[allow(unreachable_pub, reason = "the component macro gives its properties a `pub` of its own")]
mod pages;
#[cfg(feature = "app")]
mod persist;
#[cfg(feature = "app")]
mod stair;
#[cfg(feature = "app")]
mod store;
#[cfg(feature = "app")]
#[allow(unreachable_pub, reason = "the component macro gives its properties a `pub` of its own")]
mod views;
#[cfg(feature = "app")]
#[allow(unreachable_pub, reason = "the component macro gives its properties a `pub` of its own")]
mod widgets;

#[cfg(feature = "worker")]
pub mod host;
