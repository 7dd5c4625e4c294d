//! What is seen and not touched: views draw plain data.

mod canvas;
mod color;
mod loss_chart;
mod loss_plot;
mod numbers;
mod sample;
mod sheet;

pub(crate) use canvas::Canvas;
pub(crate) use color::color;
pub(crate) use loss_chart::LossChart;
pub(crate) use numbers::{DeviceBadge, Numbers};
pub(crate) use sample::SampleText;
pub(crate) use sheet::{Sheet, on_demand};
