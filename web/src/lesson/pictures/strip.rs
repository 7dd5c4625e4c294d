//! Tokens in a row, each with a number under it: an SVG that is read with the pointer or the arrow keys.

use super::super::picture_file::room;
use leptos::{ev, prelude::*};

/// Height of a row of tokens.
const ROW: f64 = 50.0;
/// Between two tokens.
const GAP: f64 = 6.0;

/// A token and what stands under it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cell {
    /// The token.
    pub(super) word: String,
    /// Under it; may be empty.
    pub(super) number: String,
    /// Its colour, from −1 (orange) over 0 (none) to 1 (green).
    pub(super) tone: f64,
    /// Whether it is only context: drawn pale.
    pub(super) faint: bool,
    /// All that is to be said of it.
    pub(super) say: String,
}

/// Where each token stands in lines of `room`: x, y and width; and the height of all.
fn layout(cells: &[Cell], room: f64) -> (Vec<[f64; 3]>, f64) {
    let (mut x, mut y) = (1.0, 1.0);
    let place = |cell: &Cell| {
        // Widths of letters are not known before they are drawn; these are those of wide fonts.
        let letters = cell.word.chars().count() as f64 * 8.2;
        let width = (letters.max(cell.number.chars().count() as f64 * 6.8) + 14.0).min(room - 2.0);
        if x > 1.0 && x + width > room {
            (x, y) = (1.0, y + ROW);
        }
        let place = [x, y, width];
        x += width + GAP;
        place
    };
    let places = cells.iter().map(place).collect();
    // The last row's lower border too.
    (places, y + ROW - GAP + 1.0)
}

/// The colour of a tone.
fn fill(cell: &Cell) -> String {
    let series = if cell.tone < 0.0 { "--s2" } else { "--s3" };
    let strength = (cell.tone.abs().min(1.0) * 45.0).round();
    let ground = if cell.faint { "--sunken" } else { "--raised" };
    format!("fill: color-mix(in srgb, var({series}) {strength}%, var({ground}))")
}

/// The tokens; the picked one is said below.
#[component]
pub(super) fn Strip(
    /// What these tokens are.
    #[prop(into)]
    label: Signal<String>,
    /// They.
    #[prop(into)]
    cells: Signal<Vec<Cell>>,
) -> impl IntoView {
    let room = room();
    let picked = RwSignal::new(None::<usize>);
    let count = move || cells.with(Vec::len);
    let at = move || picked.get().filter(|i| *i < count());
    let walk = move |event: ev::KeyboardEvent| {
        let last = count().saturating_sub(1);
        let now = at();
        let next = match event.key().as_str() {
            "ArrowRight" => Some(now.map_or(0, |i| (i + 1).min(last))),
            "ArrowLeft" => Some(now.map_or(last, |i| i.saturating_sub(1))),
            "Home" => Some(0),
            "End" => Some(last),
            "Escape" => None,
            _ => return,
        };
        event.prevent_default();
        picked.set(next);
    };
    let drawn = move || {
        let room = room.get();
        cells.with(|cells| {
            let (places, height) = layout(cells, room);
            let tokens = cells.iter().zip(places).enumerate().map(|(i, (cell, [x, y, width]))| {
                let middle = x + width / 2.0;
                let class = if cell.faint { "cell faint" } else { "cell" };
                view! {
                    <g class=class class:picked=move || at() == Some(i) on:click=move |_| picked.set(Some(i))>
                        <rect x=x y=y width=width height=ROW - GAP rx="6" style=fill(cell)></rect>
                        <text class="word" x=middle y=y + if cell.number.is_empty() { 27.0 } else { 19.0 } text-anchor="middle">{cell.word.clone()}</text>
                        <text class="under" x=middle y=y + 36.0 text-anchor="middle">{cell.number.clone()}</text>
                    </g>
                }
            });
            let tokens = tokens.collect_view();
            view! {
                <svg class="picture strip" viewBox=format!("0 0 {room} {height}") role="group" tabindex="0"
                    aria-label=move || format!("{}. Arrow keys read the tokens.", label.get()) on:keydown=walk>{tokens}</svg>
            }
        })
    };
    let said = move || {
        at().and_then(|i| {
            cells.with(|c| {
                c.get(i).map(|cell| format!("“{}”, token {} of {}: {}", cell.word, i + 1, c.len(), cell.say))
            })
        })
    };
    view! {
        {drawn}
        <output class="note readout" aria-live="polite">{move || said().unwrap_or_else(|| "Press a token, or use the arrow keys, for all that is known of it.".into())}</output>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_fill_lines_and_never_leave_them() {
        let cell = |word: &str| Cell { word: word.into(), number: "+0.12".into(), ..Cell::default() };
        let cells: Vec<_> = (0..12).map(|i| cell(&"ab".repeat(1 + i % 4))).collect();
        for room in [300.0, 640.0] {
            let (places, height) = layout(&cells, room);
            assert!(places.iter().all(|[x, y, w]| x + w <= room && y + ROW - GAP <= height + 1e-9));
            // No two overlap.
            for pair in places.windows(2) {
                assert!(pair[1][1] > pair[0][1] || pair[1][0] >= pair[0][0] + pair[0][2] + GAP - 1e-9);
            }
            assert!(places[11][1] > 1.0 || room > 600.0);
        }
        // One word wider than the line is cut to it.
        assert_eq!(layout(&[cell(&"x".repeat(99))], 300.0).0[0][2], 298.0);
        assert_eq!(layout(&[], 300.0).0.len(), 0);
    }

    #[test]
    fn colours_follow_the_sign() {
        assert!(fill(&Cell { tone: -0.5, ..Cell::default() }).contains("--s2) 23%"));
        assert!(fill(&Cell { tone: 2.0, ..Cell::default() }).contains("--s3) 45%"));
    }
}
