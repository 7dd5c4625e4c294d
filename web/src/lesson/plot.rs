//! Drawing curves: what of a chart can be thought of as numbers and lines, on our plotters canvas.

use super::axis::{self, bend, marks};
use super::end_labels;
use super::path::{apart, column, columns, pieces, within};
use crate::browser;
use crate::views::{Canvas, color};
use js_sys::Array;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use web_sys::CanvasRenderingContext2d;

/// How a curve is drawn: measured is solid, theory is dashed, single measurements are dots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stroke {
    /// A line.
    #[default]
    Solid,
    /// A dashed line.
    Dashed,
    /// A dot for each point.
    Dots,
    /// A line, with a dot for each point as far as they can be told apart.
    Joined,
}

/// One curve.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series {
    /// Beside its end and in the legend.
    pub(crate) name: String,
    /// In the order in which they are joined, in the units of the axes. Values that are not finite are left out.
    pub(crate) points: Vec<(f64, f64)>,
    /// How it is drawn.
    pub(crate) stroke: Stroke,
    /// Which of the colours `--s1` to `--s6`, from 1.
    pub(crate) color: usize,
}

impl Series {
    /// A line.
    pub(crate) fn line(name: &str, points: Vec<(f64, f64)>, color: usize) -> Self {
        Self { name: name.into(), points, stroke: Stroke::Solid, color }
    }

    /// Whether it marks a place on the x axis: its name would stand far from it, and is in the legend.
    fn upright(&self) -> bool {
        self.points.len() > 1 && self.points.iter().all(|p| p.0 == self.points[0].0)
    }
}

/// A value that theory names, drawn across the chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Level {
    /// On the line.
    pub(crate) name: String,
    /// Where.
    pub(crate) value: f64,
    /// True for what cannot be passed: dotted red. Otherwise dashed.
    pub(crate) limit: bool,
}

/// The chart's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Axes {
    /// What runs along the bottom, with its unit.
    pub(crate) x: &'static str,
    /// What rises, with its unit.
    pub(crate) y: &'static str,
    /// Whether equal steps to the right are equal factors.
    pub(crate) log_x: bool,
    /// Whether equal steps upwards are equal factors.
    pub(crate) log_y: bool,
}

/// What a chart shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Picture {
    /// The curves.
    pub(crate) series: Vec<Series>,
    /// What theory names.
    pub(crate) levels: Vec<Level>,
}

impl Picture {
    /// Those of the curves that have begun.
    pub(crate) fn begun(series: impl IntoIterator<Item = Series>) -> Self {
        Self { series: series.into_iter().filter(|s| !s.points.is_empty()).collect(), levels: Vec::new() }
    }

    /// The same, beside what theory names: of nothing it names nothing.
    pub(crate) fn beside(mut self, levels: impl IntoIterator<Item = Level>) -> Self {
        if !self.series.is_empty() {
            self.levels.extend(levels);
        }
        self
    }

    /// Leaves only this stretch of the x axis.
    pub(crate) fn cut(&mut self, (low, high): (f64, f64)) {
        for series in &mut self.series {
            series.points.retain(|p| (low..=high).contains(&p.0));
        }
    }
}

/// Space around the plot, in CSS pixels.
pub(super) const LEFT: f64 = 46.0;
pub(super) const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 38.0;
const TYPE: f64 = 12.0;
/// The height of a line of a label.
const LEADING: f64 = 14.0;

/// The room to the right of the plot: for the curves' names, where the chart is wide enough for them.
pub(super) fn right(width: f64, picture: &Picture) -> f64 {
    if width > 480.0 && picture.series.len() > 1 {
        end_labels::room(picture.series.iter().filter(|s| !s.upright()).map(|s| s.name.as_str()))
    } else {
        RIGHT
    }
}

/// The ends of the axes, bent; `None` where there is nothing to show.
pub(super) fn ranges(picture: &Picture, axes: Axes) -> Option<[(f64, f64); 2]> {
    let points = || picture.series.iter().flat_map(|s| s.points.iter().copied());
    let fits = |(x, y): &(f64, f64)| {
        x.is_finite() && y.is_finite() && (!axes.log_x || *x > 0.0) && (!axes.log_y || *y > 0.0)
    };
    let span = |values: &mut dyn Iterator<Item = f64>| {
        values.fold(None, |span: Option<(f64, f64)>, v| {
            Some(span.map_or((v, v), |(low, high)| (low.min(v), high.max(v))))
        })
    };
    let x = span(&mut points().filter(fits).map(|p| bend(p.0, axes.log_x)))?;
    let levels = picture.levels.iter().map(|l| bend(l.value, axes.log_y));
    let y = span(&mut points().filter(fits).map(|p| bend(p.1, axes.log_y)).chain(levels))?;
    // Of shares that are all 0, the axis says what they are shares of.
    let nothing = if axes.y.ends_with('%') { 100.0 } else { 1.0 };
    let pad = |(low, high): (f64, f64), part: f64, log: bool| {
        // One value only: nothing, or nearly nothing, stands on the axis.
        match (low, high) {
            (0.0, 0.0) if !log => (0.0, nothing),
            _ if high > low => (low - (high - low) * part, high + (high - low) * part),
            _ if log => (low - 0.5, high + 0.5),
            _ => (low - low.abs() * 0.5, high + high.abs() * 0.5),
        }
    };
    Some([pad(x, 0.0, axes.log_x), pad(y, 0.07, axes.log_y)])
}

/// The x at a part of the axis, from 0 at its left end to 1; `None` where there is nothing to show.
pub(super) fn value_at(picture: &Picture, axes: Axes, part: f64) -> Option<f64> {
    let [(low, high), _] = ranges(picture, axes)?;
    let bent = low + part * (high - low);
    Some(if axes.log_x { 10_f64.powf(bent) } else { bent })
}

/// The page's colours as they are now, light or dark.
pub(super) struct Palette {
    soft: RGBColor,
    line: RGBColor,
    limit: RGBColor,
    ink: RGBColor,
    ground: RGBColor,
    series: [RGBColor; 6],
    font: String,
}

impl Palette {
    /// Reads the page's custom properties.
    pub(super) fn read() -> Self {
        Self {
            soft: color("--soft"),
            line: color("--line"),
            limit: color("--bad"),
            ink: color("--ink"),
            ground: color("--raised"),
            series: ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6"].map(color),
            font: browser::css("--ui"),
        }
    }

    fn series(&self, color: usize) -> RGBColor {
        self.series[color.saturating_sub(1) % self.series.len()]
    }
}

type Area = DrawingArea<Canvas, Shift>;
type Failure = DrawingAreaErrorKind<<Canvas as DrawingBackend>::ErrorType>;

/// How a label looks that stands at `pos` of its point.
fn label(palette: &Palette, color: RGBColor, scale: f64, pos: Pos) -> TextStyle<'_> {
    let font = (palette.font.as_str(), TYPE * scale).into_font();
    TextStyle { font, color: color.to_backend_color(), pos }
}

/// Draws the picture on an area and its canvas, whose pixels are `scale` to a CSS pixel.
pub(super) fn draw(
    on @ (area, _): (&Area, &CanvasRenderingContext2d),
    picture: &Picture,
    axes: Axes,
    palette: &Palette,
    scale: f64,
) -> Result<(), Failure> {
    let Some([x_range, y_range]) = ranges(picture, axes) else { return area.present() };
    let px = |css: f64| (css * scale).round() as i32;
    let line = |color: RGBColor, width: f64| ShapeStyle::from(color).stroke_width(px(width).max(1) as u32);
    let text = |color: RGBColor, h, v| label(palette, color, scale, Pos::new(h, v));
    let (width, height) = area.dim_in_pixel();
    let (width, height) = (width as i32, height as i32);
    let names = right(f64::from(width) / scale, picture);
    let (left, right, top, bottom) = (px(LEFT), width - px(names), px(TOP), height - px(BOTTOM));
    let along = |v: f64, (low, high): (f64, f64)| (v - low) / (high - low);
    let at_x = |v: f64| left + (along(v, x_range) * f64::from(right - left)).round() as i32;
    let at_y = |v: f64| bottom - (along(v, y_range) * f64::from(bottom - top)).round() as i32;

    for (value, name) in marks(y_range, axes.log_y, ((bottom - top) / px(40.0).max(1)) as usize, 0.0) {
        let y = at_y(value);
        area.draw(&PathElement::new([(left, y), (right, y)], line(palette.line, 1.0)))?;
        area.draw_text(&name, &text(palette.soft, HPos::Right, VPos::Center), (left - px(6.0), y))?;
    }
    let room = ((right - left) / px(64.0).max(1)) as usize;
    for (value, name) in axis::below(picture, x_range, axes.log_x, room) {
        let x = at_x(value);
        area.draw(&PathElement::new([(x, bottom), (x, bottom + px(4.0))], line(palette.line, 1.0)))?;
        let style = text(palette.soft, HPos::Center, VPos::Top);
        // Only the last may be cut.
        let near = x + px(30.0) > width;
        let half = if near { area.estimate_text_size(&name, &style)?.0 as i32 / 2 } else { 0 };
        area.draw_text(&name, &style, (x.min(width - half - px(1.0)), bottom + px(6.0)))?;
    }
    let below = (right, height - px(2.0));
    area.draw_text(axes.x, &text(palette.soft, HPos::Right, VPos::Bottom), below)?;

    for level in &picture.levels {
        let y = at_y(bend(level.value, axes.log_y));
        let color = if level.limit { palette.limit } else { palette.ink };
        let (drawn, left_out) = if level.limit { (2.0, 3.0) } else { (6.0, 4.0) };
        dashes(on, vec![(left, y), (right, y)], (px(drawn), px(left_out)), line(color, 1.3))?;
    }

    let (mut ends, mut drawn) = (Vec::new(), Vec::new());
    let wide = column(picture.series.iter().map(|s| s.points.len()), right - left, px(2.0).max(1));
    for series in &picture.series {
        let color = palette.series(series.color);
        let fits = |p: &&(f64, f64)| {
            p.0.is_finite() && p.1.is_finite() && (!axes.log_x || p.0 > 0.0) && (!axes.log_y || p.1 > 0.0)
        };
        let points = series.points.iter().filter(fits);
        let points: Vec<_> =
            points.map(|p| (at_x(bend(p.0, axes.log_x)), at_y(bend(p.1, axes.log_y)))).collect();
        let Some(&end) = points.last() else { continue };
        let path = || columns(&points, wide);
        match series.stroke {
            Stroke::Dashed => dashes(on, path(), (px(6.0), px(4.0)), line(color, 1.6))?,
            Stroke::Dots => {}
            Stroke::Solid | Stroke::Joined => {
                for piece in pieces(&path()) {
                    area.draw(&PathElement::new(piece, line(color, 2.0)))?;
                }
            }
        }
        let joined = if series.stroke == Stroke::Joined { apart(&points, px(8.0)) } else { Vec::new() };
        let dots = if series.stroke == Stroke::Dots { &points } else { &joined };
        for &point in dots {
            area.draw(&Circle::new(point, px(3.2), ShapeStyle::from(color).filled()))?;
        }
        // A name that stood far from its curve would be taken for that of another.
        if !series.upright() && end.0 >= right - px(40.0) {
            ends.push((series, end, color));
        }
        drawn.push(path());
    }
    // A level's name stands where no curve is. Where there is no such place, the legend alone has it.
    for level in &picture.levels {
        let y = at_y(bend(level.value, axes.log_y));
        let style = text(if level.limit { palette.limit } else { palette.ink }, HPos::Left, VPos::Top);
        let (wide, high) = area.estimate_text_size(&level.name, &style)?;
        let box_at =
            |(x, y): (i32, i32)| [(x - px(3.0), y - px(1.0)), (x + wide as i32 + px(3.0), y + high as i32)];
        // Above the line at the left, or further to the right, or below it.
        let (above, below) = (y - px(3.0) - high as i32, y + px(4.0));
        let sides = [(above, above >= top), (below, below + high as i32 <= bottom)];
        let sides = sides.into_iter().filter_map(|(y, fits)| fits.then_some(y));
        let (first, last) = (left + px(8.0), right - wide as i32 - px(8.0));
        let places = sides.flat_map(|y| (0..=8).map(move |i| (first + (last - first) * i / 8, y)));
        let hidden = |at: &(i32, i32)| drawn.iter().map(|points| within(points, box_at(*at))).sum::<usize>();
        let free = places.into_iter().find(|at| hidden(at) == 0);
        if let Some(at) = free {
            area.draw(&Rectangle::new(box_at(at), ShapeStyle::from(palette.ground.mix(0.85)).filled()))?;
            area.draw_text(&level.name, &style, at)?;
        }
    }
    if names > RIGHT {
        let wanted: Vec<_> = ends.iter().map(|e| e.1.1).collect();
        let broken: Vec<_> = ends.iter().map(|e| end_labels::lines(&e.0.name)).collect();
        let heights: Vec<_> = broken.iter().map(|lines| px(LEADING * lines.len() as f64 + 1.0)).collect();
        let places = end_labels::spread(&wanted, &heights, (0, bottom));
        for (((_, _, color), lines), y) in ends.iter().zip(&broken).zip(places) {
            let first = y - px(LEADING * (lines.len() as f64 - 1.0) / 2.0);
            for (i, line) in lines.iter().enumerate() {
                let at = (right + px(7.0), first + px(LEADING * i as f64));
                area.draw_text(line, &text(*color, HPos::Left, VPos::Center), at)?;
            }
        }
    }
    area.present()
}

/// A path in dashes.
fn dashes(
    (area, pen): (&Area, &CanvasRenderingContext2d),
    points: Vec<(i32, i32)>,
    (on, off): (i32, i32),
    style: ShapeStyle,
) -> Result<(), Failure> {
    // Refuses only what is no list of numbers.
    let _ = pen.set_line_dash(&Array::of2(&on.into(), &off.into()));
    let drawn = area.draw(&PathElement::new(points, style));
    let _ = pen.set_line_dash(&Array::new());
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_of_the_axis_is_all_that_is_left() {
        let points = (1..=100).map(|i| (f64::from(i), 1.0)).collect();
        let mut picture = Picture { series: vec![Series { points, ..Series::default() }], levels: vec![] };
        let axes = Axes { log_x: true, ..Axes::default() };
        assert_eq!(value_at(&picture, axes, 0.5), Some(10.0));
        picture.cut((10.0, 20.0));
        assert_eq!((picture.series[0].points.len(), value_at(&picture, axes, 0.0)), (11, Some(10.0)));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out_of_the_ranges() {
        let series = Series { points: vec![(0.0, 1.0), (10.0, f64::NAN), (100.0, 4.0)], ..Series::default() };
        let picture = Picture { series: vec![series], levels: vec![] };
        let axes = Axes { log_x: true, ..Axes::default() };
        let [x, _] = ranges(&picture, axes).unwrap();
        assert!(x.0 < 2.0 && x.1 > 2.0, "{x:?}");
        assert_eq!(ranges(&Picture::default(), axes), None);
    }
}
