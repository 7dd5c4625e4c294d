//! Paths of pixels: what of a curve has to be drawn, and what lies behind a label.

/// Points of a piece of a path.
const PIECE: usize = 12;
/// Points that all paths of a picture have together, more or less.
const MOST: usize = 2400;

/// How much of a path lies within a rectangle: places on it, eight to a stretch between two points.
pub(super) fn within(points: &[(i32, i32)], [from, to]: [(i32, i32); 2]) -> usize {
    let inside = |x: i32, y: i32| (from.0..=to.0).contains(&x) && (from.1..=to.1).contains(&y);
    let between = |a: i32, b: i32, i: i32| a + (b - a) * i / 8;
    let stretch = |w: &[(i32, i32)]| {
        (0..8).filter(|&i| inside(between(w[0].0, w[1].0, i), between(w[0].1, w[1].1, i))).count()
    };
    points.windows(2).map(stretch).sum::<usize>() + points.last().map_or(0, |p| usize::from(inside(p.0, p.1)))
}

/// How wide the columns of paths of so many points have to be, on `room` pixels: `least`, or more where there are many.
/// (A browser without a GPU needs a few microseconds for a point, and all are drawn anew with each change.)
pub(super) fn column(points: impl Iterator<Item = usize>, room: i32, least: i32) -> i32 {
    let each = 2 * (room / least).max(1) as usize;
    let all: usize = points.map(|n| n.min(each)).sum();
    least * all.div_ceil(MOST).max(1) as i32
}

/// What is seen of a path as wide as a column: of the points in each column the highest and the lowest, as they follow
/// each other, and the path's ends.
pub(super) fn columns(points: &[(i32, i32)], wide: i32) -> Vec<(i32, i32)> {
    let extremes = |column: &[(i32, i32)]| {
        let place = |found: Option<(usize, &(i32, i32))>| found.map_or(0, |f| f.0);
        let low = place(column.iter().enumerate().min_by_key(|p| p.1.1));
        let high = place(column.iter().enumerate().max_by_key(|p| p.1.1));
        [column[low.min(high)], column[low.max(high)]]
    };
    let inner = points.chunk_by(|a, b| a.0.div_euclid(wide) == b.0.div_euclid(wide)).flat_map(extremes);
    let mut seen: Vec<_> =
        points.first().copied().into_iter().chain(inner).chain(points.last().copied()).collect();
    seen.dedup();
    seen
}

/// A path in pieces that overlap by one line, so that no joint is lost. (Without a GPU a browser fills one outline of a
/// thousand edges in two to three times the time that it takes for a hundred small ones.)
pub(super) fn pieces(path: &[(i32, i32)]) -> impl Iterator<Item = &[(i32, i32)]> {
    (0..path.len().saturating_sub(1))
        .step_by(PIECE)
        .map(|i| &path[i.saturating_sub(1)..path.len().min(i + PIECE + 1)])
}

/// Of the points of a path those that can be told apart as dots, back from its end.
pub(super) fn apart(points: &[(i32, i32)], least: i32) -> Vec<(i32, i32)> {
    let mut dots: Vec<(i32, i32)> = Vec::new();
    for &point in points.iter().rev() {
        if dots.last().is_none_or(|d| (d.0 - point.0).abs().max((d.1 - point.1).abs()) >= least) {
            dots.push(point);
        }
    }
    dots
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_a_name_would_hide_is_counted() {
        let path = [(0, 0), (80, 0), (80, 80)];
        assert_eq!(within(&path, [(0, -5), (39, 5)]), 4);
        assert_eq!(within(&path, [(70, 70), (90, 90)]), 2);
        assert_eq!(within(&path, [(10, 10), (60, 60)]), 0);
    }

    #[test]
    fn a_long_curve_keeps_its_spikes() {
        let long: Vec<_> = (0..3000).map(|i| (i / 30, if i == 1234 { 99 } else { i % 7 })).collect();
        let seen = columns(&long, 2);
        assert!(seen.len() <= 102, "{}", seen.len());
        assert!(seen.contains(&(41, 99)) && seen.first() == long.first() && seen.last() == long.last());
        let short = [(0, 3), (5, 1), (9, 1)];
        assert_eq!(columns(&short, 2), short);
    }

    #[test]
    fn columns_are_wider_where_there_are_many_paths() {
        let few = [3000, 50, 50];
        assert_eq!(column(few.into_iter(), 700, 2), 2);
        let wide = column([3000; 7].into_iter(), 700, 2);
        assert_eq!(wide, 6);
        let long: Vec<_> = (0..3000).map(|i| (i * 700 / 3000, i % 100)).collect();
        assert!(7 * columns(&long, wide).len() <= MOST);
    }

    #[test]
    fn pieces_hold_every_line_of_a_path() {
        let path: Vec<_> = (0..30).map(|i| (i, i * i % 7)).collect();
        for n in 0..30 {
            let lines: BTreeSet<_> = pieces(&path[..n]).flat_map(|p| p.windows(2)).collect();
            assert_eq!(lines.len(), n.saturating_sub(1));
            assert!(pieces(&path[..n]).all(|p| p.len() <= PIECE + 2));
        }
    }

    #[test]
    fn dots_keep_apart_and_the_last_is_there() {
        let path = [(0, 0), (3, 0), (9, 0), (9, 40), (10, 40)];
        assert_eq!(apart(&path, 8), [(10, 40), (9, 0), (0, 0)]);
    }
}
