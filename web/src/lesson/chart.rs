//! A chart of curves: a canvas that fits its place, a legend whose entries can be pressed, a read-out under the pointer
//! or the arrow keys, a stretch of it enlarged by dragging or by the keys + and −, the same numbers as a table, and both
//! as files.

use super::plot::{self, Axes, LEFT, Palette, Picture, Series};
use crate::browser;
use crate::format::typeset;
use crate::views::{Canvas, Sheet, on_demand};
use gradus_lessons::check::Number;
use leptos::{ev, html, prelude::*};
use plotters::prelude::IntoDrawingArea;
use std::collections::BTreeSet;

/// Rows of the table for each curve.
const ROWS: usize = 12;

/// Curves over one axis.
#[component]
pub(crate) fn LineChart(
    /// Names the chart, for the heading, the files and who cannot see it.
    title: &'static str,
    axes: Axes,
    /// What is drawn.
    #[prop(into)]
    picture: Signal<Picture>,
    /// What to say while there is nothing to draw.
    #[prop(default = "The curve begins with the first step.")]
    empty: &'static str,
) -> impl IntoView {
    // Made once for all who read it here: a derived signal is worked out anew for each.
    let picture = Memo::new(move |_| picture.get());
    let hidden = RwSignal::new(BTreeSet::<String>::new());
    // The stretch of the x axis that is shown; all of it for none.
    let window_x = RwSignal::new(None::<(f64, f64)>);
    let shown = Memo::new(move |_| {
        let mut picture = picture.get();
        hidden.with(|h| picture.series.retain(|s| !h.contains(&s.name)));
        if let Some(stretch) = window_x.get() {
            picture.cut(stretch);
        }
        picture
    });
    let canvas = NodeRef::<html::Canvas>::new();
    let redraw = on_demand(canvas, move |sheet| {
        shown.try_with_untracked(|p| paint(sheet, p, axes));
    });
    Effect::new(move |_| {
        shown.track();
        redraw();
    });

    // The read-out: where along the axis, from 0 to 1.
    let picked = RwSignal::new(None::<f64>);
    let part = move |event: &ev::PointerEvent| {
        let width = f64::from(canvas.get_untracked()?.client_width());
        let room = width - LEFT - shown.with_untracked(|p| plot::right(width, p));
        Some(((f64::from(event.offset_x()) - LEFT) / room).clamp(0.0, 1.0))
    };
    // Where a drag began; a mouse's only, for a finger scrolls the page.
    let dragged = RwSignal::new(None::<f64>);
    let press = move |event: ev::PointerEvent| {
        if event.pointer_type() == "mouse" && event.button() == 0 {
            dragged.set(part(&event));
        }
    };
    let seek = move |event: ev::PointerEvent| picked.set(part(&event));
    let enlarge = move |from: f64, to: f64| {
        let at =
            shown.with_untracked(|p| Some((plot::value_at(p, axes, from)?, plot::value_at(p, axes, to)?)));
        // A stretch with nothing in it would leave nothing to come back from.
        let some = |(low, high): (f64, f64)| {
            picture.with_untracked(|p| {
                p.series.iter().flat_map(|s| &s.points).filter(|p| (low..=high).contains(&p.0)).count() > 1
            })
        };
        if let Some(stretch) = at.filter(|s| some(*s)) {
            window_x.set(Some(stretch));
        }
    };
    let release = move |event: ev::PointerEvent| {
        let (Some(from), Some(to)) = (dragged.get_untracked(), part(&event)) else { return };
        dragged.set(None);
        if (to - from).abs() > 0.03 {
            enlarge(from.min(to), from.max(to));
        }
    };
    let walk = move |event: ev::KeyboardEvent| {
        let now = picked.get_untracked().unwrap_or(1.0);
        let next = match event.key().as_str() {
            "+" | "=" => {
                enlarge((now - 0.25).max(0.0), (now + 0.25).min(1.0));
                picked.get_untracked()
            }
            "-" => {
                window_x.set(None);
                picked.get_untracked()
            }
            "ArrowLeft" => Some((now - 0.02).max(0.0)),
            "ArrowRight" => Some((now + 0.02).min(1.0)),
            "Home" => Some(0.0),
            "End" => Some(1.0),
            "Escape" => None,
            _ => return,
        };
        event.prevent_default();
        picked.set(next);
    };
    let readout = move || picked.get().and_then(|part| shown.with(|p| readout(p, axes, part)));
    let place = move || {
        let (Some(part), Some(canvas)) = (picked.get(), canvas.get()) else {
            return (String::new(), "right");
        };
        let width = f64::from(canvas.client_width());
        let room = width - LEFT - shown.with(|p| plot::right(width, p));
        (format!("left: {:.1}px", LEFT + part * room), if part > 0.5 { "left" } else { "right" })
    };
    // The stretch that is being dragged over.
    let stretch = move || {
        let (from, to) = (dragged.get()?, picked.get()?);
        let width = f64::from(canvas.get()?.client_width());
        let room = width - LEFT - shown.with(|p| plot::right(width, p));
        let (low, high) = (from.min(to), from.max(to));
        Some(format!("left: {:.1}px; width: {:.1}px", LEFT + low * room, (high - low) * room))
    };
    let nothing = Memo::new(move |_| picture.with(|p| p.series.iter().all(|s| s.points.is_empty())));
    // The legend is built anew when a curve comes or goes, not when one grows.
    let keys = Memo::new(move |_| {
        let key = |s: &Series| Series { name: s.name.clone(), points: Vec::new(), ..*s };
        picture.with(|p| p.series.iter().map(key).collect::<Vec<_>>())
    });
    let levels =
        Memo::new(move |_| if nothing.get() { Vec::new() } else { picture.with(|p| p.levels.clone()) });
    let file = move |end: &str| format!("gradus-{}.{end}", title.to_lowercase().replace(' ', "-"));
    let png = move |_| {
        if let Some(canvas) = canvas.get_untracked() {
            browser::save_canvas(&file("png"), &canvas);
        }
    };
    let csv = move |_| browser::save_text(&file("csv"), &picture.with_untracked(|p| table_csv(p, axes)));

    view! {
        <figure class="chart">
            <p class="y-name">{axes.y}</p>
            <div class="plot" tabindex="0" role="group"
                aria-label=format!("{title}. Arrow keys read it out, plus and minus enlarge it; the table below has the numbers.")
                on:pointermove=seek
                on:pointerdown=press
                on:pointerup=release
                on:dblclick=move |_| window_x.set(None)
                on:pointerleave=move |_| {
                    picked.set(None);
                    dragged.set(None);
                }
                on:blur=move |_| picked.set(None)
                on:keydown=walk>
                <canvas node_ref=canvas aria-hidden="true"></canvas>
                <div class="cursor" hidden=move || readout().is_none() style=move || place().0 data-side=move || place().1>
                    <output aria-live="polite">{move || readout()}</output>
                </div>
                <div class="stretch" hidden=move || stretch().is_none() style=move || stretch().unwrap_or_default()></div>
                <Show when=move || nothing.get()><p class="empty">{empty}</p></Show>
            </div>
            <figcaption>
                {move || keys.with(|k| k.iter().map(|s| legend(s, hidden)).collect_view())}
                {move || levels.with(|l| l.iter().map(|l| view! {
                    <span class="level" data-limit=l.limit.to_string()>{l.name.clone()}</span>
                }).collect_view())}
                <Show when=move || window_x.get().is_some()>
                    <button type="button" class="quiet whole" on:click=move |_| window_x.set(None)>"Whole curve"</button>
                </Show>
                <span class="files-of" hidden=move || nothing.get()>
                    <button type="button" class="quiet" on:click=png aria-label=format!("{title} as a picture, PNG")>"PNG"</button>
                    <button type="button" class="quiet" on:click=csv aria-label=format!("{title} as numbers, CSV")>"CSV"</button>
                </span>
            </figcaption>
            <Table axes picture=shown />
        </figure>
    }
}

fn legend(series: &Series, hidden: RwSignal<BTreeSet<String>>) -> impl IntoView + use<> {
    let name = series.name.clone();
    let (pressed, toggled) = (name.clone(), name.clone());
    let toggle = move |_| {
        hidden.update(|h| {
            if !h.remove(&toggled) {
                h.insert(toggled.clone());
            }
        });
    };
    view! {
        <button type="button" class="key" data-stroke=format!("{:?}", series.stroke).to_lowercase()
            style=format!("--key: var(--s{})", (series.color.max(1) - 1) % 6 + 1)
            aria-pressed=move || (!hidden.with(|h| h.contains(&pressed))).to_string() on:click=toggle>{name}</button>
    }
}

/// Some points of each curve, for those who cannot see it or want the numbers.
#[component]
fn Table(axes: Axes, picture: Memo<Picture>) -> impl IntoView {
    let open = RwSignal::new(false);
    let rows = move || {
        if !open.get() {
            return Vec::new();
        }
        picture.with(|p| {
            let some = |s: &Series| {
                let last = s.points.len().saturating_sub(1);
                let mut picks: Vec<usize> = (0..ROWS).map(|i| i * last / (ROWS - 1)).collect();
                picks.dedup();
                let name = s.name.clone();
                picks
                    .into_iter()
                    .filter_map(|i| s.points.get(i).copied())
                    .map(move |(x, y)| (name.clone(), x, y))
                    .collect::<Vec<_>>()
            };
            p.series.iter().flat_map(some).collect()
        })
    };
    view! {
        <details class="table" on:toggle=move |_| open.update(|o| *o = !*o)>
            <summary>"As a table"</summary>
            <table>
                <thead><tr><th scope="col">"curve"</th><th scope="col">{axes.x}</th><th scope="col">{axes.y}</th></tr></thead>
                <tbody>
                    {move || rows().into_iter().map(|(name, x, y)| view! {
                        <tr><th scope="row">{name}</th><td>{typeset(&Number(x).to_string())}</td><td>{typeset(&Number(y).to_string())}</td></tr>
                    }).collect_view()}
                </tbody>
            </table>
        </details>
    }
}

/// Every point as `curve,x,y`.
fn table_csv(picture: &Picture, axes: Axes) -> String {
    let plain = |text: &str| text.replace([',', '"'], " ");
    let mut out = format!("curve,{},{}\n", plain(axes.x), plain(axes.y));
    for series in &picture.series {
        for (x, y) in &series.points {
            out.push_str(&format!("{},{x},{y}\n", plain(&series.name)));
        }
    }
    out
}

/// What every curve says at this part of the axis.
fn readout(picture: &Picture, axes: Axes, part: f64) -> Option<String> {
    let x = plot::value_at(picture, axes, part)?;
    let nearest =
        |s: &Series| s.points.iter().min_by(|a, b| (a.0 - x).abs().total_cmp(&(b.0 - x).abs())).copied();
    let mut said = None;
    let mut parts = Vec::new();
    for series in &picture.series {
        if let Some((at, y)) = nearest(series) {
            said.get_or_insert(at);
            parts.push(format!("{} {}", series.name, typeset(&Number(y).to_string())));
        }
    }
    let name = axes.x.split(',').next().unwrap_or(axes.x);
    Some(format!("{name} {}: {}", Number(said?), parts.join(" · ")))
}

fn paint(sheet: &Sheet<'_>, picture: &Picture, axes: Axes) {
    let Some(backend) = Canvas::new(sheet) else { return };
    let pen = backend.pen();
    let area = backend.into_drawing_area();
    if let Err(error) = plot::draw((&area, &pen), picture, axes, &Palette::read(), sheet.scale) {
        leptos::logging::error!("the chart could not be drawn: {error}");
    }
}
