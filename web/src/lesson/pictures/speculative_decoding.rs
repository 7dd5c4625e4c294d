//! The pictures of the lesson on speculative decoding: a round step by step, tokens a call, the clock.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Level, Picture, Series, Stroke};
use super::curves::Curves;
use super::parts::{Card, Shown, Stepper, bar, or_waiting, word};
use gradus_core::generate::{Proposal, Round, Verdict};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::speculative_decoding::Figures;
use leptos::prelude::*;
use std::collections::BTreeSet;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "proposals",
        label: "guesses a round, K",
        paths: &["proposals"],
        control: Control::Choice {
            options: &[("1, 2, 4, 8", "null"), ("only 1", "[1]"), ("only 8", "[8]"), ("3 and 6", "[3,6]")],
            usual: 0,
        },
        hint: "More guesses yield more tokens a call, with falling returns.",
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
        <Rounds figures />
        <PerCall figures />
        <Clock figures />
        <Curves store />
    }
}

/// One story's rounds: what was guessed, what was kept, and why.
#[component]
fn Rounds(figures: Shown<Figures>) -> impl IntoView {
    let index = RwSignal::new(0_usize);
    let count = Signal::derive(move || figures.with(|f| f.as_ref().map_or(0, |f| f.rounds.len())));
    let picked = RwSignal::new(0_usize);
    view! {
        <Card title="Guess, check, keep" aside="one story at temperature 1, every number that decided it">
            {or_waiting(figures, "After the run: the draft’s guesses, the target’s opinion of each, and the coin.", move |f| {
                let rounds = f.rounds.clone();
                view! {
                    {move || {
                        let at = index.get().min(rounds.len().saturating_sub(1));
                        let before: Vec<_> = rounds[..at].iter().flat_map(|r| &r.added).map(|t| word(*t)).collect();
                        let text = if before.is_empty() { "…".to_owned() } else { format!("… {}", before.join(" ")) };
                        view! {
                            <p class="said">{text}</p>
                            {rounds.get(at).map(|r| round(r, picked))}
                        }
                    }}
                }
            })}
            <Stepper what="round" index count />
        </Card>
    }
}

fn round(round: &Round, picked: RwSignal<usize>) -> impl IntoView + use<> {
    let last = round.proposals.len().saturating_sub(1);
    let chips = round.proposals.iter().enumerate().map(|(i, p)| {
        let (status, sign) = match p.verdict {
            Verdict::Accepted => ("accepted", "kept"),
            Verdict::Rejected => ("rejected", "rejected"),
            Verdict::NotReached => ("skipped", "not reached"),
        };
        view! {
            <button type="button" class="guess" data-verdict=status aria-pressed=move || (picked.get().min(last) == i).to_string()
                on:click=move |_| picked.set(i)><b>{word(p.token)}</b><small>{sign}</small></button>
        }
    }).collect_view();
    let proposals = round.proposals.clone();
    let drawn = round.drawn.as_ref().map(|d| {
        let title = if d.bonus { "All kept: a bonus token, drawn from p" } else { "Drawn instead, from max(0, p − q) scaled to 1" };
        let most = top(&d.law, 5);
        let highest = most.first().map_or(1.0, |t| t.1);
        view! {
            <div>
                <h3>{title}</h3>
                <ul class="bars">{most.into_iter().map(|(t, v)| bar(word(t), v / highest, 3, format!("{v:.3}{}", if t == d.token { " ← drawn" } else { "" }))).collect_view()}</ul>
            </div>
        }
    });
    let added: Vec<_> = round.added.iter().map(|t| word(*t)).collect();
    view! {
        <div class="guesses" role="group" aria-label="The draft’s guesses">{chips}</div>
        <div class="two">
            {move || proposals.get(picked.get().min(last)).map(opinion)}
            {drawn}
        </div>
        <p class="note">{format!("This round added {} token{}: {}", added.len(), if added.len() == 1 { "" } else { "s" }, added.join(" "))}</p>
    }
}

/// What draft and target think of one place.
fn opinion(p: &Proposal) -> impl IntoView + use<> {
    let at = |law: &[f32], t: u32| f64::from(law.get(t as usize).copied().unwrap_or(0.0));
    let tokens: BTreeSet<u32> = [p.token]
        .into_iter()
        .chain(top(&p.p, 3).into_iter().map(|t| t.0))
        .chain(top(&p.q, 2).into_iter().map(|t| t.0))
        .collect();
    let rows = tokens
        .into_iter()
        .map(|t| {
            let (pv, qv) = (at(&p.p, t), at(&p.q, t));
            let name = if t == p.token { format!("{} ←", word(t)) } else { word(t) };
            view! {
                {bar(name, qv, 2, format!("q {qv:.3}"))}
                {bar(String::new(), pv, 1, format!("p {pv:.3}"))}
            }
        })
        .collect_view();
    let verdict = match p.verdict {
        Verdict::Accepted => format!("coin {:.3} is below: kept", p.coin),
        Verdict::Rejected => format!("coin {:.3} is not below: rejected", p.coin),
        Verdict::NotReached => "not reached: an earlier guess was rejected".into(),
    };
    view! {
        <div>
            <h3>{format!("“{}” is kept with probability min(1, p/q) = {:.3}", word(p.token), p.acceptance)}</h3>
            <ul class="bars">{rows}</ul>
            <p class="note">{format!("{verdict}. Overlap of the two laws here, Σ min(p, q): {:.3}.", p.overlap)}</p>
        </div>
    }
}

/// The likeliest tokens of a law.
fn top(law: &[f32], n: usize) -> Vec<(u32, f64)> {
    let mut all: Vec<_> = law.iter().enumerate().map(|(t, v)| (t as u32, f64::from(*v))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(n);
    all.retain(|t| t.1 > 0.0);
    all
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
                <button type="button" aria-pressed=move || sampled.get().to_string() on:click=move |_| sampled.set(true)>"sampled, T = 1"</button>
                <button type="button" aria-pressed=move || (!sampled.get()).to_string() on:click=move |_| sampled.set(false)>"greedy, T = 0"</button>
            </div>
            <LineChart title="Tokens for each call of the target" picture
                empty="After the run: how many tokens one call of the target yields."
                axes=Axes { x: "guesses a round, K", y: "tokens a call", log_x: false, log_y: false } />
            {or_waiting(figures, "", |f| view! { <p class="note">{format!("Names such as 1x16 are drafts: 1 layer, 16 channels. The target has {} parameters.", crate::format::grouped(f.target_parameters))}</p> })}
        </Card>
    }
}

/// Measured speed-up against K.
#[component]
fn Clock(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let of = |value: fn(f64, f64) -> f64| {
            f.clock.iter().map(|c| (c.proposals as f64, value(c.speed_up, c.expected))).collect::<Vec<_>>()
        };
        Picture {
            series: vec![
                Series { name: "measured".into(), points: of(|m, _| m), stroke: Stroke::Joined, color: 1 },
                Series {
                    name: "formula with c".into(),
                    points: of(|_, e| e),
                    stroke: Stroke::Dashed,
                    color: 2,
                },
            ],
            levels: vec![Level { name: "as fast as without a draft".into(), value: 1.0, limit: false }],
        }
    });
    view! {
        <Card title="The clock, honestly" aside="greedy, one text at a time, on this run’s device">
            <LineChart title="The clock, honestly" picture
                empty="After the run: how much faster, or slower, it really was."
                axes=Axes { x: "guesses a round, K", y: "speed-up over the target alone, ×", log_x: false, log_y: false } />
            {or_waiting(figures, "", |f| {
                let c = f.clock.first().map_or(f64::NAN, |c| c.cost);
                view! { <p class="note">{format!("A call of the draft costs c = {c:.2} of a token of the target alone here. The formula assumes that checking K + 1 tokens costs as much as writing one; below 1 the draft costs more than it saves.")}</p> }
            })}
        </Card>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_first_and_the_impossible_not_at_all() {
        assert_eq!(top(&[0.25, 0.0, 0.5, 0.25], 9), [(2, 0.5), (0, 0.25), (3, 0.25)]);
        assert_eq!(top(&[0.25, 0.0, 0.75], 1), [(2, 0.75)]);
    }
}
