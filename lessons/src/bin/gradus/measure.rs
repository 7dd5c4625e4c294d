//! `gradus measure`: what the models of a course are worth, on rows and questions that are always the same.

use super::run::read_models;
use super::{Device, Outcome, open};
use gradus_lessons::recipe::measure::measure;
use gradus_lessons::recipe::{Course, GoOn, Host, Moment, Size, base};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder of model folders or their zips (base, sft, rl-start, …), as `run --out` and `--zips` write them.
    #[arg(long, value_name = "DIR")]
    models: PathBuf,
    /// Where to compute.
    #[arg(long)]
    device: Option<Device>,
}

/// Nobody watches.
struct Nobody;

impl Host for Nobody {
    fn moment(&mut self, _: Moment) -> GoOn<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Prints an array of figures.
pub(crate) fn run(args: Args) -> Outcome {
    let models = read_models(&args.models)?;
    let shape = base::Settings::of(Size::Default);
    let device = open(args.device, &shape.model, shape.train.batch)?;
    let mut nobody = Nobody;
    let mut course = Course::new(device, 1, Size::Default, models, &mut nobody);
    let figures = pollster::block_on(measure(&mut course))?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(())
}
