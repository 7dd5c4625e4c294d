//! The pictures of the lesson on attention: every head's map through training, one head number by number, recall against
//! distance, what a head is worth, and why the scores are divided by √d.

mod inspect;
mod map;

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob};
use super::super::plot::{Axes, Level, Picture, Series, Stroke};
use super::curves::Curves;
use super::parts::{Card, Shown, or_waiting};
use super::table::{table, texts};
use crate::format::{grouped, typeset};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::attention::{Figures, Run};
use leptos::prelude::*;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "scale",
        label: "divide by √d",
        paths: &["model.scale_attn_weights"],
        control: Control::Choice { options: &[("yes", "true"), ("no (breaks it)", "false")], usual: 0 },
        hint: "Without it the scores grow with the size of a head.",
    },
    Knob {
        id: "heads",
        label: "heads in a layer",
        paths: &["model.n_head"],
        control: Control::Choice {
            options: &[("as the length says", "null"), ("1", "1"), ("2", "2"), ("8", "8")],
            usual: 0,
        },
        hint: "The same width, cut into more or fewer heads.",
    },
    Knob {
        id: "one_head",
        label: "train one wide head beside it",
        paths: &["one_head"],
        control: Control::Choice {
            options: &[("as the length says", "null"), ("yes", "true"), ("no", "false")],
            usual: 0,
        },
        hint: "A third model of equal size; takes half as long again.",
    },
];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    view! {
        <inspect::Inspector store figures />
        <Forming figures />
        <Recall figures />
        <Ablations figures />
        <Root figures />
        <Curves store label=|run| label(&run.name).into() />
    }
}

/// Scores of the best heads over the training.
#[component]
fn Forming(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let best = |first: bool, of: fn(&gradus_lessons::instruments::HeadScore) -> f64| {
            f.snapshots
                .iter()
                .map(|s| {
                    let heads = s.heads.iter().filter(|h| (h.layer == 0) == first);
                    (s.step as f64, heads.map(of).fold(0.0, f64::max))
                })
                .collect::<Vec<_>>()
        };
        Picture {
            series: vec![
                Series {
                    name: "token before".into(),
                    points: best(true, |h| h.previous),
                    stroke: Stroke::Joined,
                    color: 1,
                },
                Series {
                    name: "induction".into(),
                    points: best(false, |h| h.induction),
                    stroke: Stroke::Joined,
                    color: 2,
                },
            ],
            levels: Vec::new(),
        }
    });
    view! {
        <Card title="Heads find themselves jobs" aside="best head of layer 1, best head of a later layer">
            <LineChart title="Heads find themselves jobs" picture
                empty="After the run: how much attention lands where an induction head should look."
                axes=Axes { x: "training step", y: "share of attention on the right place", log_x: false, log_y: false } />
        </Card>
    }
}

/// What is recalled from how far.
#[component]
fn Recall(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let line = |(i, run): (usize, &Run)| Series {
            name: label(&run.name).into(),
            points: run.recall.iter().map(|r| (r.distance as f64, 100.0 * r.accuracy)).collect(),
            stroke: Stroke::Joined,
            color: i + 1,
        };
        Picture { series: f.runs.iter().enumerate().map(line).collect(), levels: Vec::new() }
    });
    view! {
        <Card title="Recall against distance" aside="a word’s meaning, given so many tokens before">
            <LineChart title="Recall against distance" picture
                empty="After the run: attention and a recurrent network of equal size, asked for words from ever farther back."
                axes=Axes { x: "tokens between", y: "right answers, %", log_x: false, log_y: false } />
            {or_waiting(figures, "", |f| {
                let row = |r: &Run| {
                    texts([
                        label(&r.name).into(),
                        grouped(r.parameters),
                        format!("{:.3}", r.eval_loss),
                        r.sequential_steps.to_string(),
                        format!("{:.1} ms", 1e3 * r.seconds_per_step),
                    ])
                };
                let columns =
                    ["network", "parameters", "loss, nats a token", "layers in line for 64 tokens", "time of a training step"];
                table("The networks", "", &columns, f.runs.iter().map(row).collect())
            })}
        </Card>
    }
}

fn label(name: &str) -> &str {
    match name {
        "gru" => "recurrent (GRU)",
        "one-head" => "one wide head",
        "one-layer" => "one layer",
        name => name,
    }
}

/// What cutting each head out costs.
#[component]
fn Ablations(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="Cut a head out" aside="loss without it, nats a token more">
            {or_waiting(figures, "After the run: what each head is worth, on all text, on words sung before, and on meanings that a dictionary gave before.", |f| {
                let most = f.ablations.iter().map(|a| a.cost.max(a.cost_of_repeats).max(a.cost_of_meanings)).fold(1e-6, f64::max);
                let rows = f.ablations.iter().map(|a| {
                    let costs = [a.cost, a.cost_of_repeats, a.cost_of_meanings].into_iter().enumerate().map(|(i, cost)| {
                        let width = (100.0 * cost / most).clamp(0.0, 100.0);
                        view! {
                            <span class="track"><i style=format!("width: {width:.1}%; background: var(--s{})", i + 1)></i></span>
                            <span class="value">{typeset(&format!("{cost:+.3}"))}</span>
                        }
                    });
                    view! { <li><span class="name">{format!("layer {}, head {}", a.layer + 1, a.head + 1)}</span>{costs.collect_view()}</li> }
                }).collect_view();
                let key = ["all text", "words sung before", "meanings given before"].into_iter().enumerate().map(|(i, name)| {
                    view! { <span><i style=format!("background: var(--s{})", i + 1)></i>{name}</span> }
                });
                view! {
                    <p class="key">{key.collect_view()}</p>
                    <ul class="bars several">{rows}</ul>
                }
            })}
        </Card>
    }
}

/// Random queries and keys of growing size, with and without √d.
#[component]
fn Root(figures: Shown<Figures>) -> impl IntoView {
    let which = RwSignal::new(0_usize);
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let line = |name: &str,
                    color,
                    of: &dyn Fn(&gradus_lessons::instruments::theory::Width) -> f64,
                    stroke| Series {
            name: name.into(),
            points: f.widths.iter().map(|w| (w.d as f64, of(w))).collect(),
            stroke,
            color,
        };
        let (series, levels) = match which.get() {
            0 => (
                vec![
                    line("measured", 1, &|w| w.variance, Stroke::Joined),
                    line("theory: d", 5, &|w| w.d as f64, Stroke::Dashed),
                ],
                vec![],
            ),
            1 => (
                vec![
                    line("with √d", 1, &|w| w.scaled.entropy, Stroke::Joined),
                    line("without", 2, &|w| w.unscaled.entropy, Stroke::Joined),
                ],
                vec![
                    Level { name: "all 64 alike: ln 64".into(), value: 64_f64.ln(), limit: true },
                    Level {
                        name: "theory with √d: ln 64 − ½".into(),
                        value: 64_f64.ln() - 0.5,
                        limit: false,
                    },
                ],
            ),
            _ => (
                vec![
                    line("with √d", 1, &|w| w.scaled.jacobian, Stroke::Joined),
                    line("without", 2, &|w| w.unscaled.jacobian, Stroke::Joined),
                ],
                vec![],
            ),
        };
        Picture { series, levels }
    });
    const MEANT: [&str; 3] = [
        "Variance of a score.",
        "Entropy of a query’s shares, nats.",
        "Size (norm) of the derivatives of the shares in the scores.",
    ];
    const NAMES: [&str; 3] = ["variance of q · k", "entropy of the shares", "gradient through softmax"];
    view! {
        <Card title="Why the square root" aside="random queries and keys of variance 1">
            <div class="tabs" role="group" aria-label="What is shown">
                {NAMES.iter().enumerate().map(|(i, name)| view! {
                    <button type="button" aria-pressed=move || (which.get() == i).to_string() on:click=move |_| which.set(i)>{*name}</button>
                }).collect_view()}
            </div>
            <p class="note">{move || MEANT[which.get()]}</p>
            <LineChart title="Why the square root" picture
                empty="At the start of the run: what happens to the scores as heads grow."
                axes=Axes { x: "d, numbers in a key", y: "value", log_x: true, log_y: true } />
        </Card>
    }
}
