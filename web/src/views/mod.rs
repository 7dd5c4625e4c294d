//! What is seen and not touched: views draw plain data.

mod canvas;
mod loss_chart;
mod loss_plot;
mod numbers;
mod sample;

pub(crate) use loss_chart::LossChart;
pub(crate) use numbers::{DeviceBadge, Numbers};
pub(crate) use sample::SampleText;
