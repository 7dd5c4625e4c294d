//! What is seen and not touched: views draw plain data.

mod canvas;
mod color;
mod loss_chart;
mod loss_plot;
mod numbers;
mod sample;

pub(crate) use canvas::{Canvas, Measured};
pub(crate) use color::color;
pub(crate) use loss_chart::{LossChart, follow_size};
pub(crate) use numbers::{DeviceBadge, Numbers};
pub(crate) use sample::SampleText;
