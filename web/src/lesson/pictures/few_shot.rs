//! The pictures of the lesson on few-shot prompts: accuracy against examples, and the sudden change in training.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Level, Picture, Series, Stroke};
use super::curves::Curves;
use super::parts::{Card, Shown, or_waiting};
use crate::format::grouped;
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::few_shot::{Figures, Learner};
use leptos::prelude::*;
use std::collections::BTreeSet;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "steps",
        label: "training steps",
        paths: &["steps"],
        control: Control::Number(Numbers {
            min: 200.0,
            max: 6_000.0,
            whole: true,
            log: true,
            usual: [500.0, 3_000.0, 4_000.0],
            marks: &[("breaks it", 300.0)],
        }),
        hint: "Too few, and nothing is looked up.",
    },
    Knob {
        id: "words",
        label: "different words in a test",
        paths: &["words"],
        control: Control::Number(Numbers {
            min: 2.0,
            max: 6.0,
            whole: true,
            log: false,
            usual: [3.0, 3.0, 3.0],
            marks: &[],
        }),
        hint: "The fewer, the more often each comes again: burstier.",
    },
];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    let excess = Signal::derive(move || {
        store.state.with(|s| {
            let runs = s.runs.iter().filter(|r| r.metrics.contains_key("song_excess"));
            let series = runs.enumerate().map(|(i, run)| Series {
                name: run.name.clone(),
                points: s.curve(&run.name, "song_excess").iter().map(|(x, y)| (*x as f64, *y)).collect(),
                stroke: Stroke::Joined,
                color: i + 1,
            });
            let levels = vec![Level { name: "the least possible".into(), value: 0.0, limit: true }];
            let series: Vec<_> = series.collect();
            if series.is_empty() { Picture::default() } else { Picture { series, levels } }
        })
    });
    view! {
        <Shots figures />
        <Card title="A change that comes suddenly" aside="held-out songs, beyond their entropy">
            <LineChart title="A change that comes suddenly" picture=excess
                empty="While the models train, their loss on repeated lines stands here."
                axes=Axes { x: "training step", y: "loss on songs beyond their entropy, nats a token", log_x: false, log_y: false } />
        </Card>
        <Unchanged figures />
        <Curves store />
    }
}

/// A task's accuracy against the number of examples, every model and the best possible.
#[component]
fn Shots(figures: Shown<Figures>) -> impl IntoView {
    let task = RwSignal::new(0_usize);
    let names = Memo::new(move |_| {
        figures.with(|f| {
            let all = f
                .iter()
                .flat_map(|f| &f.learners)
                .flat_map(|l| &l.accuracy)
                .map(|a| a.task.name().to_owned());
            all.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        })
    });
    let picture = Signal::derive(move || {
        let Some(figures) = figures.get() else { return Picture::default() };
        let name = names.with(|n| n.get(task.get()).cloned()).unwrap_or_default();
        let points = |learner: &Learner, of: fn(f64, f64) -> f64| {
            let rows = learner.accuracy.iter().filter(|a| a.task.name() == name);
            rows.map(|a| (a.shots as f64, 100.0 * of(a.measured, a.bayes))).collect::<Vec<_>>()
        };
        let mut series: Vec<_> = figures
            .learners
            .iter()
            .enumerate()
            .map(|(i, l)| Series {
                name: format!("{} layer{}", l.n_layer, if l.n_layer == 1 { "" } else { "s" }),
                points: points(l, |measured, _| measured),
                stroke: Stroke::Joined,
                color: i + 1,
            })
            .collect();
        if let Some(first) = figures.learners.first() {
            let points = points(first, |_, bayes| bayes);
            series.push(Series { name: "best possible".into(), points, stroke: Stroke::Dashed, color: 5 });
        }
        Picture { series, levels: Vec::new() }
    });
    view! {
        <Card title="Accuracy against examples" aside="examples stand in the prompt; nothing is trained">
            <div class="tabs" role="group" aria-label="Task">
                {move || names.get().into_iter().enumerate().map(|(i, name)| view! {
                    <button type="button" aria-pressed=move || (task.get() == i).to_string() on:click=move |_| task.set(i)>{name}</button>
                }).collect_view()}
            </div>
            <LineChart title="Accuracy against examples" picture
                empty="After the run: how many answers are right after 0, 1, 2, 4 and 8 examples."
                axes=Axes { x: "examples in the prompt", y: "right answers, %", log_x: false, log_y: false } />
        </Card>
    }
}

/// The models and what prompting changed of them.
#[component]
fn Unchanged(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="Weights changed by prompting" aside="compared bit by bit">
            {or_waiting(figures, "After the run: how many parameters differ after all the prompts.", |f| {
                let row = |l: &Learner| view! {
                    <tr><th scope="row">{format!("{} layers", l.n_layer)}</th><td>{grouped(l.parameters)}</td><td><b>{grouped(l.weights_changed)}</b></td></tr>
                };
                view! {
                    <table>
                        <thead><tr><th scope="col">"model"</th><th scope="col">"parameters"</th><th scope="col">"changed"</th></tr></thead>
                        <tbody>{f.learners.iter().map(row).collect_view()}</tbody>
                    </table>
                }
            })}
        </Card>
    }
}
