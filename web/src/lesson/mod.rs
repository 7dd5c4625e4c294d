//! A lesson's page: its prose stands in the page already; this is the laboratory beside it.
//!
//! Data flows one way: the worker ([`host`]) runs the recipe and says what happens ([`wire`]); the store applies it
//! to the [`state`]; the bar, the table and the lesson's pictures show it.

pub mod choices;
pub mod knob;
pub mod progress;
pub mod state;
pub mod wire;

#[cfg(feature = "worker")]
pub(crate) mod host;
#[cfg(any(feature = "worker", test))]
mod meter;

#[cfg(feature = "app")]
mod ask;
#[cfg(feature = "app")]
mod axis;
#[cfg(feature = "app")]
mod bar;
#[cfg(feature = "app")]
mod chart;
#[cfg(feature = "app")]
mod checks;
#[cfg(feature = "app")]
mod controls;
#[cfg(feature = "app")]
mod data;
#[cfg(feature = "app")]
mod end_labels;
#[cfg(feature = "app")]
mod further;
#[cfg(feature = "app")]
mod gauges;
#[cfg(feature = "app")]
pub(crate) mod keep;
#[cfg(feature = "app")]
mod labels;
#[cfg(feature = "app")]
mod lineage;
#[cfg(feature = "app")]
mod page;
#[cfg(feature = "app")]
mod path;
#[cfg(feature = "app")]
mod picture_file;
#[cfg(feature = "app")]
mod pictures;
#[cfg(feature = "app")]
mod plot;
#[cfg(feature = "app")]
mod predict;
#[cfg(feature = "app")]
mod present;
#[cfg(feature = "app")]
mod prompt;
#[cfg(feature = "app")]
mod start;
#[cfg(feature = "app")]
mod store;
#[cfg(feature = "app")]
mod worker;

#[cfg(feature = "app")]
pub(crate) use page::{LessonPage, lesson_named};
#[cfg(feature = "app")]
pub(crate) use store::LessonStore;
