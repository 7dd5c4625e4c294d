//! Many points for few pixels: what of a long curve is worth drawing.

/// The points that share a column of pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Where the column's last point stands.
    pub x: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
}

/// Groups `points` (x ascending) into at most `columns` columns of equal width over `0..=x_max`, keeping
/// each one's extremes, so that no spike is lost however long the run. Non-finite values are left out.
pub fn columns(
    points: impl Iterator<Item = (f64, f64)>,
    x_max: f64,
    columns: usize,
) -> impl Iterator<Item = Column> {
    let scale = columns.max(1) as f64 / x_max.max(f64::MIN_POSITIVE);
    let index = move |x: f64| ((x * scale) as usize).min(columns.saturating_sub(1));
    let mut points = points.filter(|p| p.1.is_finite()).peekable();
    std::iter::from_fn(move || {
        let (x, y) = points.next()?;
        let mut column = Column { x, min: y, max: y };
        while let Some((x2, y2)) = points.next_if(|p| index(p.0) == index(x)) {
            column = Column { x: x2, min: column.min.min(y2), max: column.max.max(y2) };
        }
        Some(column)
    })
}

/// A step for about `count` round marks (1, 2 or 5 times a power of ten) over a span.
pub fn nice_step(span: f64, count: usize) -> f64 {
    let raw = (span / count.max(1) as f64).max(1e-9);
    let power = 10_f64.powf(raw.log10().floor());
    let factor = match raw / power {
        f if f <= 1.0 => 1.0,
        f if f <= 2.0 => 2.0,
        f if f <= 5.0 => 5.0,
        _ => 10.0,
    };
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_its_spikes() {
        let points = (1..=100_000).map(|i| (i as f64, if i == 54_321 { 9.0 } else { 1.0 }));
        let drawn: Vec<_> = columns(points, 100_000.0, 300).collect();
        assert!(drawn.len() <= 300);
        assert_eq!(drawn.iter().filter(|c| c.max == 9.0).count(), 1);
        assert!(drawn.windows(2).all(|w| w[0].x < w[1].x));
    }

    #[test]
    fn a_short_run_keeps_every_point() {
        let points = [(1.0, 3.0), (2.0, f64::NAN), (3.0, 2.0)];
        let drawn: Vec<_> = columns(points.into_iter(), 100.0, 400).collect();
        assert_eq!(drawn.iter().map(|c| c.max).collect::<Vec<_>>(), [3.0, 2.0]);
    }

    #[test]
    fn marks_are_round() {
        for (span, count, step) in [(100.0, 5, 20.0), (2000.0, 4, 500.0), (1.3, 4, 0.5), (40.0, 5, 10.0)] {
            assert!((nice_step(span, count) - step).abs() < 1e-9, "{span}/{count}");
        }
    }
}
