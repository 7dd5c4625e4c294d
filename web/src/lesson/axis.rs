//! Where the marks of a chart's axes stand, and what is written there.

use super::plot::{Picture, Stroke};
use crate::decimate::nice_step;
use crate::format::typeset;

/// So many measured places are named one by one.
const FEW: usize = 8;

/// A value on an axis, as it is drawn.
pub(super) fn bend(value: f64, log: bool) -> f64 {
    if log { value.max(f64::MIN_POSITIVE).log10() } else { value }
}

/// The marks below a chart: where something was counted, if that is at few places (a reader looks for K = 1, 2, 4, 8);
/// else round ones.
pub(super) fn below(picture: &Picture, range: (f64, f64), log: bool, room: usize) -> Vec<(f64, String)> {
    let measured = measured(picture);
    if !measured.is_empty() {
        // Of the room of a round mark, a letter takes a tenth.
        let letter = 0.1 * (range.1 - range.0) / room.max(1) as f64;
        let mut marks: Vec<(f64, String)> = Vec::new();
        for value in measured {
            let (place, name) = (bend(value, log), number(value, 1.0));
            let fits = |m: &(f64, String)| place - m.0 >= letter * (2 + name.len().max(m.1.len())) as f64;
            if marks.last().is_none_or(fits) {
                marks.push((place, name));
            }
        }
        return marks;
    }
    // Steps and guesses are counted: there is none between two.
    let counted = picture.series.iter().flat_map(|s| &s.points).all(|p| p.0.fract() == 0.0);
    marks(range, log, room, if counted { 1.0 } else { 0.0 })
}

/// The numbers at which points were measured, if they are few and a reader knows them: small counts and powers of two.
fn measured(picture: &Picture) -> Vec<f64> {
    let dotted = picture.series.iter().filter(|s| matches!(s.stroke, Stroke::Dots | Stroke::Joined));
    let mut at: Vec<f64> = dotted.flat_map(|s| &s.points).map(|p| p.0).collect();
    at.sort_unstable_by(f64::total_cmp);
    at.dedup();
    let known = |x: &f64| x.fract() == 0.0 && *x >= 0.0 && (*x <= 64.0 || x.log2().fract() == 0.0);
    if (2..=FEW).contains(&at.len()) && at.iter().all(known) { at } else { Vec::new() }
}

/// Round marks of an axis between two bent ends, no closer than `least`: place and text.
pub(super) fn marks((low, high): (f64, f64), log: bool, room: usize, least: f64) -> Vec<(f64, String)> {
    if log {
        let factors: &[f64] = if high - low > room as f64 * 0.6 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = low.floor() as i32..=high.ceil() as i32;
        let values = powers.flat_map(|p| factors.iter().map(move |f| f * 10_f64.powi(p)));
        let inside = values.filter(|v| (low..=high).contains(&v.log10()));
        let powers: Vec<_> = inside.map(|v| (v.log10(), number(v, v))).collect();
        // One or two say little of a scale: then equal steps, as they lie on it, if those are more.
        let equal = if powers.len() > 2 { Vec::new() } else { steps((low, high), true, room, least) };
        return if equal.len() > powers.len() { equal } else { powers };
    }
    steps((low, high), false, room, least)
}

/// Marks in equal steps, between two bent ends: two at least, where a step of half the size has them.
fn steps(range: (f64, f64), log: bool, room: usize, least: f64) -> Vec<(f64, String)> {
    let marks = equal(range, log, room, least);
    if marks.len() < 2 { equal(range, log, 2 * room, least) } else { marks }
}

fn equal((low, high): (f64, f64), log: bool, room: usize, least: f64) -> Vec<(f64, String)> {
    // On a bent axis equal steps crowd together towards its end.
    let gap = if log { 0.7 * (high - low) / room.max(1) as f64 } else { 0.0 };
    let (low, high) = if log { (10_f64.powf(low), 10_f64.powf(high)) } else { (low, high) };
    let step = nice_step(high - low, room).max(least);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    let mut marks: Vec<(f64, String)> = Vec::new();
    for value in (first..=last).map(|i| i as f64 * step) {
        let place = bend(value, log);
        if marks.last().is_none_or(|m| place - m.0 >= gap) {
            marks.push((place, number(value, step)));
        }
    }
    marks
}

/// A number on an axis whose marks are `step` apart.
fn number(value: f64, step: f64) -> String {
    let power = |v: f64| {
        let digits = (v.log10().floor() - step.abs().log10().floor()).clamp(0.0, 3.0) as usize;
        format!("{value:.digits$e}")
    };
    let text = match value.abs() {
        v if v >= 1e9 => power(v),
        v if v >= 1e6 => format!("{}M", trimmed(value / 1e6, step / 1e6)),
        v if v >= 1e4 => format!("{}k", trimmed(value / 1e3, step / 1e3)),
        0.0 => "0".into(),
        v if v < 1e-3 => power(v),
        _ => trimmed(value, step),
    };
    typeset(&text)
}

fn trimmed(value: f64, step: f64) -> String {
    let digits = (-step.abs().log10().floor()).clamp(0.0, 4.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::super::plot::Series;
    use super::*;

    #[test]
    fn marks_are_round() {
        let texts = |range, log, room| -> Vec<String> {
            marks(range, log, room, 0.0).into_iter().map(|m| m.1).collect()
        };
        assert_eq!(texts((0.0, 1.0), false, 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts((3.0, 6.0), true, 4), ["1000", "10k", "100k", "1M"]);
        assert_eq!(texts((0.0, 0.4), true, 4), ["1.0", "1.5", "2.0", "2.5"]);
        assert_eq!(texts((10.0, 10.35), true, 4), ["1.0·10¹⁰", "1.5·10¹⁰", "2.0·10¹⁰"]);
        assert_eq!(texts((1.0, 800.0), false, 2), ["200", "400", "600", "800"], "one mark is no scale");
        assert_eq!(texts((9.0, 12.0), true, 4), ["1·10⁹", "1·10¹⁰", "1·10¹¹", "1·10¹²"]);
    }

    #[test]
    fn few_measured_places_are_named() {
        let names = |at: &[f64], range, log| -> Vec<String> {
            let points = at.iter().map(|x| (*x, 0.5)).collect();
            let series = Series { points, stroke: Stroke::Dots, ..Series::default() };
            let picture = Picture { series: vec![series], levels: Vec::new() };
            below(&picture, range, log, 4).into_iter().map(|m| m.1).collect()
        };
        assert_eq!(names(&[1.0, 2.0, 4.0, 8.0], (0.0, 8_f64.log10()), true), ["1", "2", "4", "8"]);
        assert_eq!(names(&[1.0, 2.0, 4.0, 64.0], (0.0, 64.0), false), ["1", "64"], "where they would touch");
        assert_eq!(
            names(&[428.0, 857.0, 1285.0], (0.0, 1300.0), false),
            ["0", "500", "1000"],
            "a step is no name"
        );
    }
}
