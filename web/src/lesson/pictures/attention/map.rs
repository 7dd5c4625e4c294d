//! A head's map of attention as a picture: large, with a row that can be picked, and small, one a head.

use super::super::parts::bar;
use gradus_lessons::instruments::Probe;
use leptos::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Side of the large map, in the units of its picture.
const SIDE: f64 = 240.0;
/// Shades of a large map.
const SHADES: f32 = 100.0;
/// Shades of a small map.
const FEW_SHADES: f32 = 20.0;

/// The squares of a map `[n, n]` whose sides are `side`, `apart` from each other: one path for all of the same shade, of
/// which there are as many as `shades`. (A square each would be thousands of elements.)
fn squares(map: &[f32], n: usize, side: f64, apart: f64, shades: f32) -> impl IntoView + use<> {
    let mut paths = BTreeMap::<u8, String>::new();
    for (i, j) in (0..n).flat_map(|i| (0..=i).map(move |j| (i, j))) {
        let shade = (map[i * n + j].clamp(0.0, 1.0) * shades).round() as u8;
        if shade > 0 {
            let (x, y, edge) = (j as f64 * side, i as f64 * side, side - apart);
            // Writing into a string does not fail.
            let _ = write!(paths.entry(shade).or_default(), "M{x:.2} {y:.2}h{edge:.2}v{edge:.2}h-{edge:.2}z");
        }
    }
    let path =
        |(shade, d)| view! { <path d=d fill-opacity=format!("{:.2}", f32::from(shade) / shades)></path> };
    paths.into_iter().map(path).collect_view()
}

/// Every head's map, small; pressing one picks it.
pub(super) fn small_maps(
    probe: &Probe,
    picked: (usize, usize),
    pick: RwSignal<Option<(usize, usize)>>,
) -> impl IntoView + use<> {
    let n = probe.tokens.len();
    let heads = (0..probe.layers()).flat_map(|l| (0..probe.heads).map(move |h| (l, h)));
    let buttons = heads.map(|(l, h)| {
        view! {
            <button type="button" class="thumb" aria-pressed=((l, h) == picked).to_string()
                aria-label=format!("{0}.{1}: layer {0}, head {1}", l + 1, h + 1) on:click=move |_| pick.set(Some((l, h)))>
                <svg viewBox=format!("0 0 {n} {n}") aria-hidden="true">{squares(probe.map(l, h), n, 1.0, 0.0, FEW_SHADES)}</svg>
                <span>{format!("{}.{}", l + 1, h + 1)}</span>
            </button>
        }
    });
    view! { <div class="thumbs" role="group" aria-label="Layer and head">{buttons.collect_view()}</div> }
}

/// A map `[n, n]` as squares; a press on a row picks it, and so do the arrow keys.
pub(super) fn heat(
    words: &[String],
    map: &[f32],
    picked: usize,
    row: RwSignal<usize>,
) -> impl IntoView + use<> {
    let n = words.len();
    let cell = SIDE / n as f64;
    let (left, top) = (58.0, 50.0);
    // The ground below the diagonal, one strip a row, which can be pressed.
    let rows = (0..n).map(|i| view! {
        <rect x="0" y=i as f64 * cell width=(i + 1) as f64 * cell - 1.0 height=cell on:click=move |_| row.set(i)></rect>
    }).collect_view();
    // More words than lines of type: every second one is named.
    let every = (n as f64 * 11.0 / SIDE).ceil() as usize;
    let names = words.iter().enumerate().map(|(i, w)| {
        let middle = (i as f64 + 0.5) * cell;
        let strong = i == picked;
        let shown = strong || i % every == 0;
        shown.then(|| view! {
            <text x=left - 5.0 y=top + middle + 4.0 text-anchor="end" class:strong=strong on:click=move |_| row.set(i)>{w.clone()}</text>
            <text class="faint" text-anchor="start" transform=format!("translate({} {}) rotate(-50)", left + middle, top - 5.0)>{w.clone()}</text>
        })
    }).collect_view();
    let step = move |by: isize| row.set(picked.saturating_add_signed(by).min(n - 1));
    let keys = move |e: leptos::ev::KeyboardEvent| {
        let by = match e.key().as_str() {
            "ArrowUp" => -1,
            "ArrowDown" => 1,
            _ => return,
        };
        e.prevent_default();
        step(by);
    };
    let most = (0..=picked).max_by(|&a, &b| map[picked * n + a].total_cmp(&map[picked * n + b])).unwrap_or(0);
    let label = format!(
        "Map of attention over {n} tokens. Row {}, “{}”, looks most at “{}”: {:.2}. Arrow keys change the row.",
        picked + 1,
        words[picked],
        words[most],
        map[picked * n + most]
    );
    view! {
        <div>
            <svg class="picture heat" viewBox="0 0 310 294" role="img" tabindex="0" aria-label=label on:keydown=keys>
                <g transform=format!("translate({left} {top})")>
                    <g class="rows">{rows}</g>
                    <g class="shares">{squares(map, n, cell, 1.0, SHADES)}</g>
                </g>
                {names}
                <rect class="picked" x=left - 1.0 y=top + picked as f64 * cell - 1.0 width=SIDE height=cell + 1.0 rx="3"></rect>
            </svg>
            <div class="stepper">
                <button type="button" disabled=picked == 0 on:click=move |_| step(-1)>"Row up"</button>
                <button type="button" disabled=picked + 1 == n on:click=move |_| step(1)>"Row down"</button>
            </div>
        </div>
    }
}

/// The picked row's shares as bars, the largest first, those that matter.
pub(super) fn shares(words: &[String], map: &[f32], picked: usize) -> impl IntoView + use<> {
    let n = words.len();
    let mut order: Vec<usize> = (0..=picked).collect();
    order.sort_by(|&a, &b| map[picked * n + b].total_cmp(&map[picked * n + a]));
    let rows = order.into_iter().take(8).map(|j| {
        let share = f64::from(map[picked * n + j]);
        bar(format!("{} {}", j + 1, words[j]), share, 1, format!("{share:.3}"))
    });
    let sum: f64 = map[picked * n..][..=picked].iter().map(|&p| f64::from(p)).sum();
    view! {
        <h3>{format!("“{}”, place {}, looks at", words[picked], picked + 1)}</h3>
        <ul class="bars tight">{rows.collect_view()}</ul>
        <p class="note">{format!("All {} shares sum to {sum:.3}.", picked + 1)}</p>
    }
}
