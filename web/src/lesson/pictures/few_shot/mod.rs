//! The pictures of the lesson on few-shot prompts: accuracy against examples, and the sudden change in training.

mod free;
mod playground;

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Level, Picture, Series, Stroke};
use super::super::state::State;
use super::curves::Curves;
use super::parts::{Card, Shown, or_waiting};
use crate::format::{grouped, short};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::few_shot::{Figures, Learner};
use gradus_lessons::world::few_shot::Task;
use leptos::prelude::*;

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
    let watched = move |metric: &'static str| Signal::derive(move || store.state.with(|s| watch(s, metric)));
    let (excess, induction) = (watched("song_excess"), watched("induction"));
    view! {
        <playground::Playground store />
        <Shots figures />
        <Card title="A change that comes suddenly" live=true aside="held-out songs, beyond their entropy">
            <LineChart title="A change that comes suddenly" picture=excess
                empty="While the models train, their loss on repeated lines stands here."
                axes=Axes { x: "training step", y: "loss on songs beyond their entropy, nats a token", log_x: false, log_y: false } />
            <p class="note" data-testid="change">{move || store.state.with(told)}</p>
        </Card>
        <Card title="… and heads that look back" live=true aside="prefix matching on dictionaries: share of attention on what followed the same word">
            <LineChart title="Heads that look back" picture=induction
                empty="While the models train, the best head’s score stands here."
                axes=Axes { x: "training step", y: "best head’s score, 0 to 1", log_x: false, log_y: false } />
        </Card>
        <Unchanged figures />
        <free::FreeText store />
        <Curves store label=|run| label(&run.name).into() />
    }
}

/// A run's name as a learner reads it.
fn label(run: &str) -> &str {
    match run {
        "1-layer" => "1 layer",
        "2-layer" => "2 layers",
        "2-layer-narrow" => "2 layers, narrow",
        run => run,
    }
}

/// A metric of every learner against its steps, and where the loss on songs fell most.
fn watch(state: &State, metric: &'static str) -> Picture {
    let runs = state.runs.iter().filter(|r| r.metrics.contains_key(metric));
    let mut series = Vec::new();
    for (i, run) in runs.enumerate() {
        let points: Vec<_> = state.curve(&run.name, metric).iter().map(|(x, y)| (*x as f64, *y)).collect();
        let top = points.iter().map(|p| p.1).fold(0.0, f64::max);
        series.push(Series { name: label(&run.name).into(), points, stroke: Stroke::Joined, color: i + 1 });
        if let Some(step) = change(state.curve(&run.name, "song_excess")) {
            let name = format!("steepest fall, {}", label(&run.name));
            series.push(Series {
                name,
                points: vec![(step, 0.0), (step, top)],
                stroke: Stroke::Dashed,
                color: i + 1,
            });
        }
    }
    let limit = metric == "song_excess";
    let levels = limit.then(|| Level { name: "the least possible".into(), value: 0.0, limit: true });
    Picture::begun(series).beside(levels)
}

/// Between which looks the curve fell most, as the step in their middle, and by how much.
fn steepest(curve: impl Iterator<Item = (u64, f64)>) -> Option<(f64, f64)> {
    let points: Vec<_> = curve.collect();
    // What falls at the very start is the first learning of all, not the change.
    let falls = points.windows(2).skip(1).map(|w| ((w[0].0 + w[1].0) as f64 / 2.0, w[0].1 - w[1].1));
    falls.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Where the loss fell most; none if nowhere by a fifth of a nat and a tenth of where it began.
fn change(curve: &[(u64, f64)]) -> Option<f64> {
    let (step, fall) = steepest(curve.iter().copied())?;
    (fall > 0.2 && fall > 0.1 * curve.first()?.1).then_some(step)
}

/// Where a head's score rose most; none if nowhere by a fiftieth.
fn rise(curve: &[(u64, f64)]) -> Option<f64> {
    let (step, rise) = steepest(curve.iter().map(|(step, score)| (*step, -score)))?;
    (rise > 0.02).then_some(step)
}

/// The change in words.
fn told(state: &State) -> String {
    let runs = state.runs.iter().filter(|r| r.metrics.contains_key("song_excess"));
    // Of a curve that has hardly begun nothing can be told.
    let runs = runs.filter(|r| state.curve(&r.name, "song_excess").len() > 4);
    // A run under way may still come to it.
    let under_way = if state.busy() { state.runs.last() } else { None };
    let said = runs.filter_map(|run| {
        Some(match change(state.curve(&run.name, "song_excess")) {
            Some(step) => {
                let heads = rise(state.curve(&run.name, "induction"));
                let heads = heads.map_or("its best head’s score does not rise".into(), |step| {
                    format!("its best head’s score rises most near step {step:.0}")
                });
                format!("{}: the loss falls most near step {step:.0}, {heads}.", label(&run.name))
            }
            None if under_way == Some(run) => return None,
            None => format!("{}: no sudden fall.", label(&run.name)),
        })
    });
    said.collect::<Vec<_>>().join(" ")
}

/// A task's accuracy against the number of examples, every model and the best possible.
#[component]
fn Shots(figures: Shown<Figures>) -> impl IntoView {
    let task = RwSignal::new(0_usize);
    let names = Memo::new(move |_| {
        figures.with(|f| {
            let asked = |task: &Task| {
                f.iter().flat_map(|f| &f.learners).flat_map(|l| &l.accuracy).any(|a| a.task == *task)
            };
            Task::ALL.into_iter().filter(asked).map(|t| t.name().to_owned()).collect::<Vec<_>>()
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
                name: shape(l),
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

/// A learner by its shape and size.
fn shape(l: &Learner) -> String {
    let layers = if l.n_layer == 1 { "layer" } else { "layers" };
    format!("{} {layers}, {}", l.n_layer, short(l.parameters as f64))
}

/// The models and what prompting changed of them.
#[component]
fn Unchanged(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="Weights changed by prompting" aside="compared bit by bit">
            {or_waiting(figures, "After the run: how many parameters differ after all the prompts.", |f| {
                let row = |l: &Learner| view! {
                    <tr><th scope="row">{shape(l)}</th><td>{grouped(l.parameters)}</td><td><b>{grouped(l.weights_changed)}</b></td></tr>
                };
                view! {
                    <div class="wide" tabindex="0" role="group" aria-label="Weights changed"><table>
                        <thead><tr><th scope="col">"model"</th><th scope="col">"parameters"</th><th scope="col">"changed"</th></tr></thead>
                        <tbody>{f.learners.iter().map(row).collect_view()}</tbody>
                    </table></div>
                }
            })}
        </Card>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_change_is_where_the_loss_falls_most_after_the_start() {
        let curve = [(100, 3.0), (200, 1.6), (300, 1.5), (400, 0.6), (500, 0.5)];
        assert_eq!(change(&curve), Some(350.0));
        let creeping: Vec<_> = (1..20).map(|i| (100 * i, 1.5 - 0.02 * i as f64)).collect();
        assert_eq!(change(&creeping), None);
        assert_eq!(change(&[]), None);
        assert_eq!(rise(&[(100, 0.03), (200, 0.02), (300, 0.04), (400, 0.3), (500, 0.4)]), Some(350.0));
        assert_eq!(rise(&[(100, 0.02), (200, 0.02), (300, 0.03), (400, 0.02)]), None);
    }
}
