//! The loss curve, drawn: measured is solid, theory is dashed, a limit is dotted red.

use super::canvas::Canvas;
use super::color::color;
use crate::decimate::{columns, nice_step};
use crate::{browser, state::RunState};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Space around the plot, in CSS pixels.
pub(super) const LEFT: f64 = 34.0;
pub(super) const RIGHT: f64 = 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 24.0;
/// Size of all type in the chart, in CSS pixels.
const TYPE: f64 = 12.0;

/// The colours of the page as it is now, light or dark.
pub(super) struct Palette {
    soft: RGBColor,
    line: RGBColor,
    measured: RGBColor,
    held_out: RGBColor,
    limit: RGBColor,
    ink: RGBColor,
    font: String,
}

impl Palette {
    /// Reads the page's custom properties.
    pub(super) fn read() -> Self {
        Self {
            soft: color("--soft"),
            line: color("--line"),
            measured: color("--s1"),
            held_out: color("--s2"),
            limit: color("--bad"),
            ink: color("--ink"),
            font: browser::css("--ui"),
        }
    }
}

/// The last step on the horizontal axis: the run so far, and a little room at its start.
pub(super) fn x_max(run: &RunState) -> f64 {
    (run.losses.last().map_or(0, |l| l.0) as f64).max(40.0)
}

fn y_max(run: &RunState) -> f64 {
    let highest = run.losses.iter().map(|l| l.1).filter(|l| l.is_finite()).fold(0.0, f32::max);
    let references = run.floor().into_iter().chain(run.bigram()).fold(0.0, f64::max);
    // A diverging run must not flatten the curve to nothing.
    (f64::from(highest).min(20.0)).max(references * 1.15).max(1.0) * 1.04
}

type Area = DrawingArea<Canvas, Shift>;
type Failure = DrawingAreaErrorKind<<Canvas as DrawingBackend>::ErrorType>;

/// How a label looks that stands at `pos` of its point.
fn label<'a>(palette: &'a Palette, color: &'a RGBColor, scale: f64, pos: Pos) -> TextStyle<'a> {
    TextStyle::from((palette.font.as_str(), TYPE * scale).into_font()).color(color).pos(pos)
}

/// Draws the run on a canvas whose pixels are `scale` to a CSS pixel.
pub(super) fn draw(area: &Area, run: &RunState, palette: &Palette, scale: f64) -> Result<(), Failure> {
    let px = |css: f64| (css * scale).round() as i32;
    let stroke = |color: RGBColor, width: f64| ShapeStyle::from(color).stroke_width(px(width).max(1) as u32);
    let (x_max, y_max) = (x_max(run), y_max(run));
    let (width, height) = area.dim_in_pixel();
    let wide = f64::from(width) / scale - LEFT - RIGHT;
    let tall = f64::from(height) / scale - TOP - BOTTOM;

    let mut chart = ChartBuilder::on(area)
        .margin_top(px(TOP))
        .margin_right(px(RIGHT))
        .set_label_area_size(LabelAreaPosition::Left, px(LEFT))
        .set_label_area_size(LabelAreaPosition::Bottom, px(BOTTOM))
        .build_cartesian_2d(0.0..x_max, 0.0..y_max)?;
    let label = |color, pos| label(palette, color, scale, pos);
    let ((left, right), (top, bottom)) = {
        let (x, y) = chart.plotting_area().get_pixel_range();
        ((x.start, x.end), (y.start, y.end))
    };
    let at = |value: f64| bottom - ((value / y_max) * f64::from(bottom - top)).round() as i32;

    // Axes: round marks, as many as there is room for.
    let y_step = nice_step(y_max, (tall / 38.0) as usize);
    for i in 0..=(y_max / y_step) as usize {
        let value = i as f64 * y_step;
        let y = at(value);
        area.draw(&PathElement::new([(left, y), (right, y)], stroke(palette.line, 1.0)))?;
        let digits = usize::from(y_step < 1.0);
        let style = label(&palette.soft, Pos::new(HPos::Right, VPos::Center));
        area.draw_text(&format!("{value:.digits$}"), &style, (left - px(6.0), y))?;
    }
    let x_step = nice_step(x_max, (wide / 90.0) as usize).max(1.0);
    for i in 0..=(x_max / x_step) as usize {
        let value = i as f64 * x_step;
        let x = left + (value / x_max * f64::from(right - left)) as i32;
        // The last mark would hang over the edge.
        let across = if i > 0 && right - x < px(16.0) { HPos::Right } else { HPos::Center };
        let text = if i == 0 { "step 0".into() } else { crate::format::grouped(value as u64) };
        let (x, across) = if i == 0 { (left, HPos::Left) } else { (x, across) };
        let style = label(&palette.soft, Pos::new(across, VPos::Top));
        area.draw_text(&text, &style, (x, bottom + px(7.0)))?;
    }

    // What theory expects. Labels hang under the limit and stand on the baseline, so they cannot meet.
    if let Some(bigram) = run.bigram() {
        let dash = DashedLineSeries::new(
            [(0.0, bigram), (x_max, bigram)],
            px(6.0),
            px(4.0),
            stroke(palette.ink, 1.2),
        );
        chart.draw_series(dash)?;
        let style = label(&palette.ink, Pos::new(HPos::Right, VPos::Bottom));
        area.draw_text(
            &format!("a model of token pairs {bigram:.2}"),
            &style,
            (right, at(bigram) - px(4.0)),
        )?;
    }
    if let Some(floor) = run.floor() {
        let dots = DashedLineSeries::new(
            [(0.0, floor), (x_max, floor)],
            px(2.0),
            px(3.0),
            stroke(palette.limit, 1.4),
        );
        chart.draw_series(dots)?;
        let style = label(&palette.limit, Pos::new(HPos::Right, VPos::Top));
        let text = format!("entropy of the language {floor:.2}");
        area.draw_text(&text, &style, (right, at(floor) + px(5.0)))?;
    }

    // What was measured: every step faint, the smoothed curve over it.
    let pixels = f64::from(right - left).max(1.0) as usize;
    let raw = run.losses.iter().map(|&(step, loss)| (step as f64, f64::from(loss).min(y_max)));
    let raw = columns(raw, x_max, pixels).flat_map(|c| [(c.x, c.min), (c.x, c.max)]);
    let faint = ShapeStyle::from(palette.measured.mix(0.35)).stroke_width(px(1.0).max(1) as u32);
    chart.draw_series(LineSeries::new(raw, faint))?;
    let smooth = run.losses.iter().enumerate();
    let smooth = smooth.filter_map(|(i, l)| Some((l.0 as f64, run.smooth(i)?.min(y_max))));
    let smooth = columns(smooth, x_max, pixels).map(|c| (c.x, (c.min + c.max) / 2.0));
    chart.draw_series(LineSeries::new(smooth, stroke(palette.measured, 2.0)))?;
    let held_out = run.validation.iter().filter(|v| v.1 <= y_max && v.0 as f64 <= x_max);
    chart
        .draw_series(held_out.map(|&(s, l)| {
            Circle::new((s as f64, l), px(3.0), ShapeStyle::from(palette.held_out).filled())
        }))?;
    area.present()
}
