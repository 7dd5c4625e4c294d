//! Every metric of every run, as curves: what a lesson shows beside its own pictures.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::plot::{Axes, Picture, Series, Stroke};
use super::super::state::{Run, State};
use leptos::prelude::*;
use std::collections::BTreeSet;

/// One metric of all runs; the learner chooses which.
#[component]
pub(super) fn Curves(
    store: LessonStore,
    /// The metric that is shown first, where the recipe has it.
    #[prop(default = "loss")]
    first: &'static str,
    /// A run's name as the lesson's other pictures have it.
    label: fn(&Run) -> String,
    /// Its colour there; runs without one take the next in turn.
    #[prop(default = |_| None)]
    color: fn(&str) -> Option<usize>,
    /// Only the runs before this one are shown.
    #[prop(optional, into)]
    before: Signal<Option<&'static str>>,
) -> impl IntoView {
    let shown = move |s: &State| {
        let before = before.get();
        s.runs.iter().position(|r| Some(&*r.name) == before).unwrap_or(s.runs.len())
    };
    let names = Memo::new(move |_| {
        store.state.with(|s| {
            let runs = s.runs.iter().take(shown(s));
            runs.flat_map(|r| r.metrics.keys().cloned()).collect::<BTreeSet<_>>()
        })
    });
    let chosen = RwSignal::new(first.to_owned());
    let metric = Memo::new(move |_| {
        let chosen = chosen.get();
        names
            .with(|n| if n.contains(&chosen) { Some(chosen) } else { n.first().cloned() })
            .unwrap_or_default()
    });
    let picture = Signal::derive(move || {
        let metric = metric.get();
        store.state.with(|s| {
            let runs = s.runs.iter().take(shown(s)).filter_map(|r| Some((r, r.metrics.get(&metric)?)));
            let series = runs.enumerate().map(|(i, (run, curve))| {
                let points: Vec<_> = curve.iter().map(|(x, y)| (*x as f64, *y)).collect();
                let stroke = if points.len() < 3 { Stroke::Dots } else { Stroke::Solid };
                Series { name: label(run), points, stroke, color: color(&run.name).unwrap_or(i + 1) }
            });
            Picture { series: series.collect(), levels: Vec::new() }
        })
    });
    view! {
        <section class="card" aria-labelledby="curves-title" data-live="true">
            <header>
                <h2 id="curves-title">"Every curve of the run"</h2>
                <label class="inline" hidden=move || names.with(BTreeSet::is_empty)>"metric"
                    <select on:change=move |e| chosen.set(event_target_value(&e)) prop:value=move || metric.get()>
                        {move || names.get().into_iter().map(|n| {
                            let selected = n == metric.get_untracked();
                            view! { <option value=n.clone() selected=selected>{n.clone()}</option> }
                        }).collect_view()}
                    </select>
                </label>
            </header>
            <LineChart title="Every curve of the run" picture
                axes=Axes { x: "step", y: "value of the metric", log_x: false, log_y: false } />
        </section>
    }
}
