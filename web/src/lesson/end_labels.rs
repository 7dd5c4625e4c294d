//! The names at the ends of curves: broken into lines that fit, and kept apart.

/// Most characters of a line, and most lines of a name.
const LINE: usize = 17;
const LINES: usize = 2;
/// CSS pixels that a character takes on average, and that stand before and after a name.
const CHARACTER: f64 = 7.1;
const MARGIN: f64 = 12.0;

/// A name in at most two lines, broken between words where they allow it; the rest is left out with an ellipsis.
pub(super) fn lines(name: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in name.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let more = lines.len() > LINES;
    lines.truncate(LINES);
    for line in &mut lines {
        if line.chars().count() > LINE {
            *line = line.chars().take(LINE - 1).chain(['…']).collect();
        }
    }
    if let (true, Some(last)) = (more, lines.last_mut()) {
        *last = last.trim_end_matches('…').chars().take(LINE - 1).chain(['…']).collect();
    }
    lines
}

/// The room that names need beside the plot, in CSS pixels.
pub(super) fn room<'a>(names: impl Iterator<Item = &'a str>) -> f64 {
    let longest = names.flat_map(lines).map(|l| l.chars().count()).max().unwrap_or(0);
    longest as f64 * CHARACTER + MARGIN
}

/// Middles for labels of these heights that want to stand at `wanted`: none over another, all between the two ends
/// if there is room.
pub(super) fn spread(wanted: &[i32], heights: &[i32], (top, floor): (i32, i32)) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|i| wanted[*i]);
    let mut places = vec![0; wanted.len()];
    let mut above = top;
    for &i in &order {
        places[i] = wanted[i].max(above + heights[i] / 2);
        above = places[i] + heights[i] - heights[i] / 2;
    }
    // What was pushed out at the bottom pushes the others up again.
    let mut below = floor;
    for &i in order.iter().rev() {
        places[i] = places[i].min(below - (heights[i] - heights[i] / 2));
        below = places[i] - heights[i] / 2;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_spread_and_stay_inside() {
        assert_eq!(spread(&[10, 12, 50], &[10; 3], (0, 100)), [10, 20, 50]);
        assert_eq!(spread(&[95, 96, 97], &[10; 3], (0, 100)), [75, 85, 95]);
        assert_eq!(spread(&[2, 3], &[20, 10], (0, 100)), [10, 25]);
    }

    #[test]
    fn names_are_broken_between_words() {
        assert_eq!(lines("policy"), ["policy"]);
        assert_eq!(lines("the run that works"), ["the run that", "works"]);
        assert_eq!(lines("small β, high rate"), ["small β, high", "rate"]);
        assert_eq!(lines("over-optimisation-without-end"), ["over-optimisatio…"]);
        assert_eq!(lines("one two three four five six seven eight nine ten")[1], "four five six…");
        assert!(lines("").is_empty());
        assert_eq!(room(["abc", "abcde"].into_iter()), 5.0 * CHARACTER + MARGIN);
    }
}
