//! The pictures of the lesson on speculative decoding: a round step by step, tokens a call, the clock.

mod lanes;
mod round;

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Level, Picture, Series, Stroke};
use super::curves::Curves;
use super::parts::{Card, Shown, or_waiting};
use super::table::{table, texts};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::speculative_decoding::{Clock as Clocked, Figures, Trial};
use leptos::prelude::*;
use std::collections::BTreeSet;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "proposals",
        label: "guesses a round, K",
        paths: &["proposals"],
        control: Control::Choice {
            options: &[
                ("as the length says", "null"),
                ("only 1", "[1]"),
                ("only 8", "[8]"),
                ("3 and 6", "[3,6]"),
            ],
            usual: 0,
        },
        hint: "In the lesson’s length 1, 2, 4 and 8. More guesses yield more tokens a call, with falling returns.",
    },
    Knob {
        id: "draft",
        label: "the draft",
        paths: &["shapes"],
        control: Control::Choice {
            options: &[
                ("as the length says", "null"),
                ("1 layer × 8 channels (breaks it)", "[[1,8]]"),
                ("1 × 16", "[[1,16]]"),
                ("2 × 24", "[[2,24]]"),
                ("2 × 48", "[[2,48]]"),
            ],
            usual: 0,
        },
        hint: "In the lesson’s length two: 1 layer × 16 channels, and 2 × 24. A larger draft guesses better and costs more.",
    },
    Knob {
        id: "prompts",
        label: "stories continued",
        paths: &["prompts"],
        control: Control::Number(Numbers {
            min: 8.0,
            max: 256.0,
            whole: true,
            log: true,
            usual: [32.0, 64.0, 256.0],
            marks: &[],
        }),
        hint: "More of them, and the counts come closer to the formula.",
    },
];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[Role::Base];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    view! {
        <round::Rounds figures />
        <PerCall figures />
        <Clock figures />
        <Law figures />
        <Curves store label=|run| label(&run.name) />
    }
}

/// A run's name as a learner reads it: `1x16-t0` is 1x16, greedy.
fn label(run: &str) -> String {
    match (run.split_once('-'), run.strip_suffix("-t0"), run.strip_suffix("-t1")) {
        (_, Some(draft), _) => format!("{draft}, greedy"),
        (_, _, Some(draft)) => format!("{draft}, temperature 1"),
        (Some(("draft", draft)), ..) => format!("{draft}, training"),
        (Some(("clock", draft)), ..) => format!("{draft}, the clock"),
        _ => run.into(),
    }
}

/// Tokens a call against K, counted and by the formula.
#[component]
fn PerCall(figures: Shown<Figures>) -> impl IntoView {
    let sampled = RwSignal::new(true);
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let trials = || f.trials.iter().filter(|t| (t.temperature > 0.0) == sampled.get());
        let drafts: BTreeSet<_> = trials().map(|t| t.draft.clone()).collect();
        let series = drafts.iter().enumerate().flat_map(|(i, draft)| {
            let of = |value: fn(f64, f64) -> f64| {
                let rows = trials().filter(|t| t.draft == *draft);
                rows.map(|t| (t.proposals as f64, value(t.tokens_per_call, t.expected))).collect::<Vec<_>>()
            };
            [
                Series { name: draft.clone(), points: of(|m, _| m), stroke: Stroke::Dots, color: i + 1 },
                Series {
                    name: format!("{draft}, formula"),
                    points: of(|_, e| e),
                    stroke: Stroke::Dashed,
                    color: i + 1,
                },
            ]
        });
        Picture { series: series.collect(), levels: Vec::new() }
    });
    view! {
        <Card title="Tokens for each call of the target" aside="dots counted, dashes (1 − αᴷ⁺¹)/(1 − α)">
            <div class="tabs" role="group" aria-label="Temperature">
                <button type="button" aria-pressed=move || sampled.get().to_string() on:click=move |_| sampled.set(true)>"sampled, temperature 1"</button>
                <button type="button" aria-pressed=move || (!sampled.get()).to_string() on:click=move |_| sampled.set(false)>"greedy, temperature 0"</button>
            </div>
            <LineChart title="Tokens for each call of the target" picture
                empty="After the run: how many tokens one call of the target yields."
                axes=Axes { x: "guesses a round, K", y: "tokens a call", log_x: false, log_y: false } />
            {or_waiting(figures, "", move |f| numbers(f, sampled))}
        </Card>
    }
}

/// α two ways, and every count beside its formula.
fn numbers(f: &Figures, sampled: RwSignal<bool>) -> impl IntoView + use<> {
    let trials = f.trials.clone();
    let counts = move || {
        let shown = trials.iter().filter(|t| (t.temperature > 0.0) == sampled.get());
        let row = |t: &Trial| {
            texts([
                format!("{}, K = {}", t.draft, t.proposals),
                crate::format::grouped(t.parameters),
                format!("{:.3}", t.acceptance),
                format!("{:.3}", t.independent),
                format!("{:.2}", t.tokens_per_call),
                format!("{:.2}", t.expected),
                format!("{:.2} ×", t.ideal_speed_up),
            ])
        };
        let other = if sampled.get() { "1 − TV on other text" } else { "same favourite on other text" };
        let columns = ["draft", "numbers", "α counted", other, "tokens a call", "formula", "ideal speed-up"];
        table("Acceptance and tokens a call", "mono", &columns, shown.map(row).collect())
    };
    view! {
        {counts}
        <p class="note">{format!("Names such as 1x16 are drafts: 1 layer, 16 channels. The target has {} numbers. The ideal speed-up is (1 − αᴷ⁺¹)/(1 − α)/(Kc + 1), with c the draft’s share of the target’s numbers.", crate::format::grouped(f.target_parameters))}</p>
    }
}

/// Seconds in microseconds.
fn micros(seconds: f64) -> String {
    format!("{} µs", crate::format::grouped((1e6 * seconds).round() as u64))
}

/// Within 2 % nobody can tell.
fn verdict(speed_up: f64) -> &'static str {
    match speed_up {
        s if s > 1.02 => "gains",
        s if s < 0.98 => "loses",
        _ => "breaks even",
    }
}

/// Measured speed-up against K.
#[component]
fn Clock(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let drafts: BTreeSet<_> = f.clock.iter().map(|c| c.draft.clone()).collect();
        let series = drafts.iter().enumerate().flat_map(|(i, draft)| {
            let of = |value: fn(f64, f64) -> f64| {
                let rows = f.clock.iter().filter(|c| c.draft == *draft);
                rows.map(|c| (c.proposals as f64, value(c.speed_up, c.expected))).collect::<Vec<_>>()
            };
            [
                Series {
                    name: format!("{draft} measured"),
                    points: of(|m, _| m),
                    stroke: Stroke::Joined,
                    color: i + 1,
                },
                Series {
                    name: format!("{draft} formula"),
                    points: of(|_, e| e),
                    stroke: Stroke::Dashed,
                    color: i + 1,
                },
            ]
        });
        Picture {
            series: series.collect(),
            levels: vec![Level { name: "as fast as without a draft".into(), value: 1.0, limit: false }],
        }
    });
    view! {
        <Card title="The clock, honestly" aside="greedy, one text at a time, on this run’s device">
            <LineChart title="The clock, honestly" picture
                empty="After the run: how much faster, or slower, it really was."
                axes=Axes { x: "guesses a round, K", y: "speed-up over the target alone, ×", log_x: false, log_y: false } />
            {or_waiting(figures, "", |f| {
                let row = |c: &Clocked| {
                    let mut cells = texts([
                        format!("{}, K = {}", c.draft, c.proposals),
                        micros(c.plain),
                        micros(c.speculative),
                        format!("{:.2}", c.cost),
                    ]);
                    cells.push(view! { <b>{format!("{:.2} ×", c.speed_up)}</b> }.into_any());
                    cells.push(verdict(c.speed_up).into_any());
                    cells
                };
                let columns = ["draft", "a token alone", "with draft", "c measured", "speed-up", "verdict"];
                view! {
                    {table("Times", "mono", &columns, f.clock.iter().map(row).collect())}
                    <p class="note">"c is the time of one token of the draft alone over that of one token of the target alone. The formula takes this c and assumes that checking K + 1 tokens costs as much as writing one. Below 1 the draft costs more than it saves."</p>
                }
            })}
        </Card>
    }
}

/// χ² of drawn pairs against the target's law, by the exact rule and by a broken one.
#[component]
fn Law(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="Is it the target’s law?" aside="Pearson’s χ² on pairs of drawn tokens">
            {or_waiting(figures, "After the run: two tests, one of the rule above and one of a rule that is wrong.", |f| {
                let rows = f.fits.iter().map(|fit| {
                    let rule = if fit.exact { "max(0, p − q), scaled" } else { "p itself (wrong)" };
                    let (mark, said) = if fit.p_value >= 0.001 { ("right", "fits") } else { ("wrong", "does not fit") };
                    let p = if fit.p_value < 1e-4 { "below 0.0001".to_owned() } else { format!("{:.4}", fit.p_value) };
                    let verdict = view! { <span class="verdict" data-verdict=mark>{said}</span> };
                    let mut cells = texts([rule.into(), crate::format::grouped(fit.samples as u64), p]);
                    cells.push(verdict.into_any());
                    cells
                }).collect();
                let columns = ["a rejection is replaced from", "pairs drawn", "p-value", "the target’s law"];
                view! {
                    {table("Chi-square tests", "mono", &columns, rows)}
                    <p class="note">"The p-value is the chance of counts at least as far from the target’s law if they were drawn from it. The exact rule should give any value from 0 to 1; the wrong rule is caught at once."</p>
                }
            })}
        </Card>
    }
}
