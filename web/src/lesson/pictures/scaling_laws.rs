//! The pictures of the lesson on scaling laws: the sweep, the fit, budgets, and a planner.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Level, Picture, Series, Stroke};
use super::super::state::State;
use super::curves::Curves;
use super::parts::{Card, Shown, or_waiting};
use gradus_core::scaling::{EPOCH, HOFFMANN, Law, Optimum, kaplan_optimum};
use gradus_lessons::check::Number;
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::scaling_laws::Figures;
use leptos::prelude::*;

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
    let sweep = Signal::derive(move || {
        let floor = figures.with(|f| f.as_ref().map(|f| f.floor));
        let mut picture = store.state.with(curves);
        picture.levels = floor
            .map(|value| Level { name: format!("entropy of the text {value:.2}"), value, limit: true })
            .into_iter()
            .collect();
        picture
    });
    view! {
        <Card title="Loss falls as a power law" aside="one line a model, named by its parameters">
            <LineChart title="Loss falls as a power law" picture=sweep
                axes=Axes { x: "tokens read", y: "loss on held-out text, nats a token", log_x: true, log_y: true } />
        </Card>
        <Fit figures />
        <Held figures />
        <Budgets figures />
        <Planner figures />
        <Curves store />
    }
}

/// The held-out losses of every run against its tokens; training losses until there are some.
fn curves(state: &State) -> Picture {
    let runs = state.runs.iter().filter(|r| r.metrics.contains_key("num_tokens"));
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
        let size = state.curve(&run.name, "num_parameters").last().map(|p| p.1);
        let name =
            size.map_or_else(|| format!("width {}", run.name.trim_start_matches('d')), crate::format::short);
        Series { name, points, stroke: Stroke::Joined, color: i + 1 }
    });
    Picture { series: series.collect(), levels: Vec::new() }
}

#[component]
fn Fit(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="The five numbers of the law" aside="L = E + A/Nᵅ + B/Dᵝ">
            {or_waiting(figures, "When the smaller models are trained, the law is fitted to their losses.", |f| {
                let interval = |i: usize| format!("{} … {}", Number(f.intervals[i].low), Number(f.intervals[i].high));
                let law = |name: &str, l: &Law, intervals: Option<[String; 3]>| {
                    let [e, alpha, beta] = intervals.unwrap_or_default();
                    let cell = |v: f64, interval: String| view! { <td>{Number(v).to_string()}<small>{interval}</small></td> };
                    view! {
                        <tr><th scope="row">{name.to_owned()}</th>{cell(l.e, e)}{cell(l.a, String::new())}{cell(l.b, String::new())}{cell(l.alpha, alpha)}{cell(l.beta, beta)}</tr>
                    }
                };
                view! {
                    <div class="wide numbers-table" tabindex="0" role="group" aria-label="Constants of the law">
                        <table>
                            <thead><tr><th scope="col">"fit"</th><th scope="col">"E"</th><th scope="col">"A"</th><th scope="col">"B"</th><th scope="col">"α"</th><th scope="col">"β"</th></tr></thead>
                            <tbody>
                                {law("yours, least squares", &f.fit.law, Some([interval(0), interval(1), interval(2)]))}
                                {law("yours, Huber", &f.huber.law, None)}
                                {law("Hoffmann 2022", &HOFFMANN, None)}
                                {law("Epoch 2024", &EPOCH, None)}
                            </tbody>
                        </table>
                    </div>
                    <p class="note">{format!("Small type: 95 % intervals of the bootstrap. The text’s true entropy is {:.3} nats a token; E is compared with it in the table below. The published constants are of other text and other tokens.", f.floor)}</p>
                }
            })}
        </Card>
    }
}

/// The law's prediction for the model it has not seen, beside what came.
#[component]
fn Held(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="The model it had not seen" aside="predicted before it was trained">
            {or_waiting(figures, "The largest model is trained last. The fit must foretell its loss.", |f| {
                let measured = f.held_out.last().map_or(f64::NAN, |m| m.loss);
                let p = f.prediction;
                let (low, high) = (p.low.min(measured).min(f.floor), p.high.max(measured));
                let room = (high - low).max(1e-3) * 1.15;
                let at = move |v: f64| 10.0 + (v - low + room * 0.06) / room * 480.0;
                let label = format!("Predicted {:.3}, interval {:.3} to {:.3}; measured {measured:.3}; entropy of the text {:.3}", p.loss, p.low, p.high, f.floor);
                let mark = move |v: f64, y: f64, name: String, class: &'static str| view! {
                    <g class=class><line x1=at(v) x2=at(v) y1="34" y2="66"></line><text x=at(v) y=y text-anchor="middle">{name}</text></g>
                };
                view! {
                    <svg class="picture" viewBox="0 0 500 104" role="img" aria-label=label>
                        <line class="axis" x1="10" x2="490" y1="50" y2="50"></line>
                        <rect class="interval" x=at(p.low) y="42" width=at(p.high) - at(p.low) height="16" rx="4"></rect>
                        {mark(p.loss, 26.0, format!("predicted {:.3}", p.loss), "theory")}
                        {mark(measured, 84.0, format!("measured {measured:.3}"), "measured")}
                        {mark(f.floor, 100.0, format!("entropy {:.3}", f.floor), "limit")}
                    </svg>
                }
            })}
        </Card>
    }
}

/// IsoFLOP profiles: for one bill, loss against size.
#[component]
fn Budgets(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let series =
            f.budgets.iter().step_by((f.budgets.len() / 5).max(1)).enumerate().map(|(i, b)| Series {
                name: format!("C = {:.1e}", b.c),
                points: b.profile.clone(),
                stroke: Stroke::Joined,
                color: i + 1,
            });
        Picture { series: series.collect(), levels: Vec::new() }
    });
    view! {
        <Card title="One bill, many sizes" aside="each line spends the same number of operations">
            <LineChart title="One bill, many sizes" picture
                empty="After the run: for each bill, the loss against the size of the model."
                axes=Axes { x: "parameters, N", y: "loss, nats a token", log_x: true, log_y: false } />
        </Card>
    }
}

/// From a budget to N and D, by four laws.
#[component]
fn Planner(figures: Shown<Figures>) -> impl IntoView {
    let budget = RwSignal::new(5.76e23_f64);
    let typed = RwSignal::new(String::from("5.76e23"));
    let wrong = move || typed.with(|t| parse(t).is_none());
    let rows = move || {
        let c = budget.get();
        let ours = figures.with(|f| f.as_ref().map(|f| f.fit.law.optimum(c)));
        let rows = [
            ("your fit", ours),
            ("Kaplan 2020", Some(kaplan_optimum(c))),
            ("Hoffmann 2022, as printed", Some(HOFFMANN.optimum(c))),
            ("Epoch 2024", Some(EPOCH.optimum(c))),
        ];
        rows.into_iter().filter_map(|(name, o)| o.map(|o| row(name, o))).collect_view()
    };
    let slid = move |power: String| {
        if let Ok(power) = power.parse::<f64>() {
            budget.set(10_f64.powf(power));
            typed.set(format!("{:.2e}", 10_f64.powf(power)));
        }
    };
    view! {
        <Card title="What would you build?" aside="compute-optimal N and D">
            <label class="number">
                <span>"budget C, operations"</span>
                <input type="range" min="12" max="27" step="0.05" aria-label="budget, powers of ten"
                    prop:value=move || budget.get().log10().to_string()
                    on:input=move |e| slid(event_target_value(&e)) />
                <input type="text" inputmode="decimal" aria-label="budget C, operations" prop:value=move || typed.get() aria-invalid=move || wrong().to_string()
                    on:change=move |e| {
                        typed.set(event_target_value(&e));
                        if let Some(c) = typed.with_untracked(|t| parse(t)) { budget.set(c) }
                    } />
            </label>
            <Show when=wrong><p class="field-error">"Write a number from 1e9 to 1e30, such as 5.76e23."</p></Show>
            <div class="wide" tabindex="0" role="group" aria-label="Plans">
                <table>
                    <thead><tr><th scope="col">"law"</th><th scope="col">"parameters N"</th><th scope="col">"tokens D"</th><th scope="col">"D / N"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            {move || figures.get().map(|f| view! {
                <p class="note">{format!("Rounding: at 5.76e23, constants that round to Hoffmann’s printed ones advise anything from {:.0} to {:.0} tokens a parameter.", f.rounding[0], f.rounding[1])}</p>
            })}
        </Card>
    }
}

fn parse(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|c: &f64| (1e9..=1e30).contains(c))
}

fn row(name: &'static str, o: Optimum) -> impl IntoView {
    view! {
        <tr><th scope="row">{name}</th><td>{format!("{:.2e}", o.n)}</td><td>{format!("{:.2e}", o.d)}</td><td>{Number(o.d / o.n).to_string()}</td></tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_must_be_a_number_within_reason() {
        assert_eq!(parse(" 5.76e23 "), Some(5.76e23));
        for bad in ["", "many", "-1", "1e99", "nan"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
