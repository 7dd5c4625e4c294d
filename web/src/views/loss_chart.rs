//! The loss chart: a canvas that lays itself out for its real size, a read-out under the pointer or the
//! arrow keys, and the same numbers as a table.

use super::canvas::Canvas;
use super::loss_plot::{self, LEFT, Palette, RIGHT};
use super::sheet::{Sheet, on_demand};
use crate::format::grouped;
use crate::{state::RunState, store::Store};
use leptos::{ev, html, prelude::*};
use plotters::prelude::IntoDrawingArea;
use std::time::Duration;

/// Rows of the table.
const ROWS: usize = 12;
/// How often the table is made anew: a screen reader should not be chased by it.
const TABLE_EVERY: Duration = Duration::from_secs(5);

/// The loss of the run, live.
#[component]
pub(crate) fn LossChart(store: Store) -> impl IntoView {
    let canvas = NodeRef::<html::Canvas>::new();
    let redraw = on_demand(canvas, move |sheet| {
        store.run.try_with_untracked(|run| paint(sheet, run));
    });
    Effect::new(move |_| {
        store.run.track();
        redraw();
    });

    // The read-out: the step under the pointer, if any.
    let picked = RwSignal::new(None::<usize>);
    let seek = move |event: ev::PointerEvent| {
        let Some(canvas) = canvas.get_untracked() else { return };
        let inside = (f64::from(event.offset_x()) - LEFT) / (f64::from(canvas.client_width()) - LEFT - RIGHT);
        picked.set(
            store.run.with_untracked(|run| nearest(run, inside.clamp(0.0, 1.0) * loss_plot::x_max(run))),
        );
    };
    let walk = move |event: ev::KeyboardEvent| {
        let len = store.run.with_untracked(|r| r.losses.len());
        let last = len.saturating_sub(1);
        let jump = (len / 50).max(1);
        let now = picked.get_untracked().unwrap_or(last);
        let next = match event.key().as_str() {
            "ArrowLeft" => now.saturating_sub(jump),
            "ArrowRight" => (now + jump).min(last),
            "Home" => 0,
            "End" => last,
            "Escape" => {
                picked.set(None);
                return;
            }
            _ => return,
        };
        event.prevent_default();
        picked.set((len > 0).then_some(next));
    };
    let readout = move || {
        let index = picked.get()?;
        store.run.with(|run| {
            let (&(step, loss), smooth) = (run.losses.get(index)?, run.smooth(index)?);
            let part = step as f64 / loss_plot::x_max(run);
            Some((part, format!("step {}: loss {loss:.3}, smoothed {smooth:.3}", grouped(step))))
        })
    };
    let place = move || {
        readout().map(|(part, _)| {
            let side = if part > 0.5 { "left" } else { "right" };
            (format!("left: calc({LEFT}px + {part:.5} * (100% - {}px))", LEFT + RIGHT), side)
        })
    };

    view! {
        <figure class="chart">
            <div
                class="plot"
                tabindex="0"
                role="group"
                aria-label="Training loss by step. Arrow keys read it out; the table below has the numbers."
                on:pointermove=seek
                on:pointerleave=move |_| picked.set(None)
                on:blur=move |_| picked.set(None)
                on:keydown=walk
            >
                <canvas node_ref=canvas aria-hidden="true"></canvas>
                <div
                    class="cursor"
                    hidden=move || place().is_none()
                    style=move || place().map(|p| p.0).unwrap_or_default()
                    data-side=move || place().map(|p| p.1)
                >
                    <output aria-live="polite">{move || readout().map(|r| r.1)}</output>
                </div>
                <Show when=move || store.run.with(|r| r.losses.is_empty())>
                    <p class="empty">"The curve begins with the first step."</p>
                </Show>
            </div>
            <figcaption>
                <span class="key measured">"loss, nats per token"</span>
                <Show when=move || store.run.with(|r| !r.validation.is_empty())>
                    <span class="key held-out">"on held-out text"</span>
                </Show>
                <Show when=move || store.run.with(|r| r.floor().is_some())>
                    <span class="key limit">"the least possible"</span>
                </Show>
                <Show when=move || store.run.with(|r| r.bigram().is_some())>
                    <span class="key theory">"a model of token pairs"</span>
                </Show>
            </figcaption>
            <Table store />
        </figure>
    }
}

/// Some rows of the run, for those who cannot see the curve or want the numbers.
#[component]
fn Table(store: Store) -> impl IntoView {
    let rows = RwSignal::new(Vec::new());
    let refresh = move || {
        if let Some(fresh) = store.run.try_with_untracked(table_rows) {
            rows.try_set(fresh);
        }
    };
    let timer = set_interval_with_handle(refresh, TABLE_EVERY).ok();
    on_cleanup(move || {
        if let Some(timer) = timer {
            timer.clear();
        }
    });
    view! {
        <details class="table" on:toggle=move |_| refresh()>
            <summary>"The curve as a table"</summary>
            <table>
                <thead>
                    <tr>
                        <th scope="col">"Step"</th>
                        <th scope="col">"Loss"</th>
                        <th scope="col">"Smoothed"</th>
                    </tr>
                </thead>
                <tbody>
                    {move || {
                        rows.get()
                            .into_iter()
                            .map(|(step, loss, smooth)| {
                                view! {
                                    <tr>
                                        <td>{grouped(step)}</td>
                                        <td>{format!("{loss:.3}")}</td>
                                        <td>{format!("{smooth:.3}")}</td>
                                    </tr>
                                }
                            })
                            .collect_view()
                    }}
                </tbody>
            </table>
        </details>
    }
}

fn table_rows(run: &RunState) -> Vec<(u64, f32, f64)> {
    let last = run.losses.len().saturating_sub(1);
    let mut rows: Vec<_> = (0..ROWS)
        .map(|i| i * last / (ROWS - 1))
        .filter_map(|i| Some((run.losses.get(i)?.0, run.losses.get(i)?.1, run.smooth(i)?)))
        .collect();
    rows.dedup();
    rows
}

/// The index of the loss nearest to a step.
fn nearest(run: &RunState, step: f64) -> Option<usize> {
    let after = run.losses.partition_point(|l| (l.0 as f64) < step);
    let distance = |i: &usize| (run.losses[*i].0 as f64 - step).abs();
    [after.wrapping_sub(1), after]
        .into_iter()
        .filter(|i| *i < run.losses.len())
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

fn paint(sheet: &Sheet<'_>, run: &RunState) {
    let Some(backend) = Canvas::new(sheet) else { return };
    if let Err(error) = loss_plot::draw(&backend.into_drawing_area(), run, &Palette::read(), sheet.scale) {
        leptos::logging::error!("the chart could not be drawn: {error}");
    }
}
