//! The pictures of the lesson on scaling laws: the sweep, the fit, budgets, and a planner.

mod budgets;
mod held;
mod planner;

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Level, Picture, Series, Stroke};
use super::super::state::{Run, State};
use super::curves::Curves;
use super::parts::{Card, Shown, or_waiting};
use super::table::table;
use crate::format::{short, typeset};
use gradus_core::scaling::{EPOCH, HOFFMANN, Interval, Law};
use gradus_lessons::check::Number;
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::scaling_laws::Figures;
use leptos::prelude::*;

/// The run that holds the prediction; the model that it is about comes after it.
const FORETOLD: &str = "prediction";

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "tokens",
        label: "tokens of each run",
        paths: &["tokens"],
        control: Control::Number(Numbers {
            min: 250_000.0,
            max: 8_000_000.0,
            whole: true,
            log: true,
            usual: [500_000.0, 4_000_000.0, 8_000_000.0],
            marks: &[("breaks it", 250_000.0)],
        }),
        hint: "Fewer tokens: the law is read from the curves’ first stretch.",
    },
    Knob {
        id: "lr",
        label: "learning rate at width 32",
        paths: &["lr"],
        control: Control::Number(Numbers {
            min: 0.001,
            max: 0.2,
            whole: false,
            log: true,
            usual: [0.015, 0.015, 0.015],
            marks: &[("breaks it", 0.15)],
        }),
        hint: "Ten times too high, and larger models overshoot.",
    },
];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    // Whether the learner has guessed the largest model's loss, or does not want to: until then no picture tells.
    let open = RwSignal::new(held::kept().is_some());
    let sweep = Signal::derive(move || {
        let floor = figures.with(|f| f.as_ref().map(|f| f.floor));
        let mut picture = store.state.with(|s| curves(s, open.get()));
        picture.levels = floor
            .map(|value| Level { name: format!("entropy of the text {value:.2}"), value, limit: true })
            .into_iter()
            .collect();
        picture
    });
    view! {
        <Card title="Loss falls as a power law" live=true aside="one line a model, named by its parameters">
            <LineChart title="Loss falls as a power law" picture=sweep
                axes=Axes { x: "tokens read", y: "loss on held-out text, nats a token", log_x: true, log_y: true } />
            <Show when=move || !open.get()>
                <p class="note">"The largest model’s curve is left out until you have guessed where it ends: the card “The model it had not seen” asks."</p>
            </Show>
        </Card>
        <Fit figures />
        <held::Held figures open store />
        <budgets::Budgets figures open />
        <planner::Planner figures />
        <Curves store label=size before=Signal::derive(move || (!open.get()).then_some(FORETOLD)) />
    }
}

/// The held-out losses of every run against its tokens; training losses until there are some. Of the model that is
/// trained after the prediction only where all are wanted.
fn curves(state: &State, all: bool) -> Picture {
    let seen = state.runs.iter().take_while(|r| all || r.name != FORETOLD);
    let runs = seen.filter(|r| r.metrics.contains_key("num_tokens"));
    let series = runs.enumerate().map(|(i, run)| {
        let tokens = state.curve(&run.name, "num_tokens");
        let at = |step: u64| {
            let i = tokens.partition_point(|t| t.0 < step);
            tokens.get(i).map(|t| t.1)
        };
        let measured = state.curve(&run.name, "eval_loss");
        let training = state.curve(&run.name, "loss");
        let points: Vec<_> = if measured.len() > 1 {
            measured.iter().filter_map(|(s, l)| Some((at(*s)?, *l))).collect()
        } else {
            let mean = |c: &[(u64, f64)]| c.iter().map(|p| p.1).sum::<f64>() / c.len() as f64;
            training.chunks(20).filter_map(|c| Some((at(c.last()?.0)?, mean(c)))).collect()
        };
        Series { name: size(run), points, stroke: Stroke::Joined, color: i + 1 }
    });
    Picture { series: series.collect(), levels: Vec::new() }
}

/// A model by the number of its parameters, or by its width where that is not known yet.
fn size(run: &Run) -> String {
    let parameters = run.metrics.get("num_parameters").and_then(|of| of.last());
    parameters.map_or_else(|| format!("width {}", run.name.trim_start_matches('d')), |p| short(p.1))
}

#[component]
fn Fit(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="The five numbers of the law" aside="L = E + A/Nᵅ + B/Dᵝ">
            {or_waiting(figures, "When the smaller models are trained, the law is fitted to their losses.", |f| {
                // Below a millionth of a nat the fit has found no floor at all.
                let number = |x: f64| typeset(&Number(if x.abs() < 1e-6 { 0.0 } else { x }).to_string());
                let interval = |i: usize| format!("{} … {}", number(f.intervals[i].low), number(f.intervals[i].high));
                let factor = |i: usize| f.factors.map_or(String::new(), |of| format!("{} … {}", number(of[i].low), number(of[i].high)));
                let law = |name: &str, l: &Law, intervals: Option<[String; 5]>| {
                    let [e, a, b, alpha, beta] = intervals.unwrap_or_default();
                    let cell = |v: f64, interval: String| view! { {Number(v).to_string()}<small>{interval}</small> }.into_any();
                    vec![name.to_owned().into_any(), cell(l.e, e), cell(l.a, a), cell(l.b, b), cell(l.alpha, alpha), cell(l.beta, beta)]
                };
                let known = f.known_floor.map(|k| {
                    let wide = |i: Interval| format!("{} … {}", Number(i.low), Number(i.high));
                    law("yours, E known", &k.fit.law, Some([String::new(), String::new(), String::new(), wide(k.alpha), wide(k.beta)]))
                });
                let mut rows = vec![law("yours, least squares", &f.fit.law, Some([interval(0), factor(0), factor(1), interval(1), interval(2)]))];
                rows.extend(known);
                rows.extend([
                    law("yours, Huber", &f.huber.law, None),
                    law("Hoffmann 2022", &HOFFMANN, None),
                    law("Besiroglu 2024", &EPOCH, None),
                ]);
                view! {
                    {table("Constants of the law", "numbers-table", &["fit", "E", "A", "B", "α", "β"], rows)}
                    <p class="note">{format!("Small type: the middle 95 % of the bootstrap’s fits. The text’s true entropy is {:.3} nats a token: the row “E known” holds E there. Where E’s interval is wide, a smaller E with smaller exponents fits almost as well. The published constants are of other text and other tokens.", f.floor)}</p>
                }
            })}
        </Card>
    }
}
