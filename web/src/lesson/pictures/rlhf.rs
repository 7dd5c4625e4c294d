//! The pictures of the lesson RLHF: the judge, four models in memory, score against truth, estimates of the KL, answers
//! token by token.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Picture, Series, Stroke};
use super::curves::Curves;
use super::parts::{Card, Shown, means, or_waiting, word};
use crate::format::bytes;
use gradus_core::train::{Answer, ModelBytes};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::rlhf::{Figures, Gao, Point};
use leptos::prelude::*;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "kl_coef",
        label: "kl_coef (β) of the first run",
        paths: &["ppo.kl_coef"],
        control: Control::Number(Numbers {
            min: 0.0,
            max: 1.0,
            whole: false,
            log: false,
            usual: [0.1, 0.1, 0.1],
            marks: &[("breaks it", 0.0)],
        }),
        hint: "The charge for leaving the reference.",
    },
    Knob {
        id: "cliprange",
        label: "cliprange (ε)",
        paths: &["ppo.cliprange", "hacked.cliprange"],
        control: Control::Number(Numbers {
            min: 0.01,
            max: 1_000.0,
            whole: false,
            log: true,
            usual: [0.2, 0.2, 0.2],
            marks: &[("no clip", 1_000.0)],
        }),
        hint: "How far one round may move a token’s probability.",
    },
    Knob {
        id: "bias",
        label: "bias in the labels",
        paths: &["preferences.bias"],
        control: Control::Number(Numbers {
            min: 0.0,
            max: 5.0,
            whole: false,
            log: false,
            usual: [0.0, 0.0, 0.0],
            marks: &[("loves flattery", 3.0)],
        }),
        hint: "What the labeller adds for each flattering word.",
    },
];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[Role::Base];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    let line = move |run: &'static str, metric: &'static str, name: &str, color: usize| {
        store.state.with(|s| Series {
            name: name.into(),
            points: s.curve(run, metric).iter().map(|(x, y)| (*x as f64, *y)).collect(),
            color,
            ..Series::default()
        })
    };
    let drawn = |series: Vec<Series>| Picture {
        series: series.into_iter().filter(|s| !s.points.is_empty()).collect(),
        levels: Vec::new(),
    };
    let judge = Signal::derive(move || {
        let accuracy = store.state.with(|s| means(s.curve("reward", "accuracy")));
        drawn(vec![Series { name: "on the batch".into(), points: accuracy, color: 1, ..Series::default() }])
    });

    let truth = Signal::derive(move || {
        drawn(vec![line("ppo", "gold", "gold, with KL", 1), line("ppo-hacked", "gold", "gold, without", 2)])
    });
    let score = Signal::derive(move || {
        drawn(vec![
            line("ppo", "objective/scores", "score, with KL", 1),
            line("ppo-hacked", "objective/scores", "score, without", 2),
        ])
    });
    let kl = Signal::derive(move || {
        drawn(vec![
            line("ppo", "objective/kl_exact", "exact", 1),
            line("ppo", "objective/kl", "k1", 2),
            line("ppo", "objective/kl_k3", "k3", 3),
        ])
    });
    view! {
        <Card title="The judge learns" aside="share of pairs whose chosen answer scores higher; means over steps">
            <LineChart title="The judge learns" picture=judge
                axes=Axes { x: "step of the reward model", y: "accuracy on the batch", log_x: false, log_y: false } />
        </Card>
        <Card title="What the judge says, and what is true" aside="two runs of PPO: with and without a charge for KL">
            <div class="two">
                <LineChart title="What the judge says" picture=score empty="PPO has not begun."
                    axes=Axes { x: "PPO iteration", y: "reward model’s score", log_x: false, log_y: false } />
                <LineChart title="What is true" picture=truth empty="PPO has not begun."
                    axes=Axes { x: "PPO iteration", y: "gold reward", log_x: false, log_y: false } />
            </div>
        </Card>
        <Turn figures />
        <Answers figures />
        <Card title="Three readings of the leash" aside="KL from the reference, first run, nats an answer">
            <LineChart title="Three readings of the leash" picture=kl empty="PPO has not begun."
                axes=Axes { x: "PPO iteration", y: "KL of an answer, nats", log_x: false, log_y: false } />
        </Card>
        <Memory figures />
        <Curves store first="objective/rlhf_reward" />
    }
}

/// Gold reward against the distance travelled, and Gao's form.
#[component]
fn Turn(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        // As the fit has it: gained since the mean of the first five iterations.
        let start: Vec<_> = f.hacked.iter().take(5).map(|p| p.answered.gold).collect();
        let first = start.iter().sum::<f64>() / start.len().max(1) as f64;
        Picture {
            series: vec![
                Series {
                    name: "without charge".into(),
                    points: travelled(&f.hacked, first),
                    stroke: Stroke::Dots,
                    color: 2,
                },
                Series {
                    name: "with charge".into(),
                    points: travelled(&f.ppo, first),
                    stroke: Stroke::Dots,
                    color: 1,
                },
                Series {
                    name: "d(α − β ln d)".into(),
                    points: form(f.gao, &f.hacked),
                    stroke: Stroke::Dashed,
                    color: 5,
                },
            ],
            levels: Vec::new(),
        }
    });
    view! {
        <Card title="It rises, turns and falls" aside="gold reward gained against the distance from the reference">
            <LineChart title="It rises, turns and falls" picture
                empty="After the run: the true reward against √KL, with the form of Gao et al. 2022."
                axes=Axes { x: "distance d = √KL, KL in nats an answer", y: "gold reward gained", log_x: false, log_y: false } />
            {or_waiting(figures, "", |f| view! { <p class="note">{format!("Gao’s form, fitted to the run without a charge, explains {:.0} % of the variance (α {:.2}, β {:.2}).", 100.0 * f.gao.r2, f.gao.alpha, f.gao.beta)}</p> })}
        </Card>
    }
}

/// Distance and gold gained, sorted by distance.
fn travelled(points: &[Point], first: f64) -> Vec<(f64, f64)> {
    let mut out: Vec<_> = points.iter().map(|p| (p.kl.max(0.0).sqrt(), p.answered.gold - first)).collect();
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    out
}

fn form(gao: Gao, points: &[Point]) -> Vec<(f64, f64)> {
    let far = points.iter().map(|p| p.kl.max(0.0).sqrt()).fold(0.0, f64::max);
    (1..=60).map(|i| far * f64::from(i) / 60.0).map(|d| (d, d * (gao.alpha - gao.beta * d.ln()))).collect()
}

/// What is shown under each token.
const LENSES: [&str; 4] = ["advantage", "KL", "reward", "value"];

/// Answers of the last iterations, token by token.
#[component]
fn Answers(figures: Shown<Figures>) -> impl IntoView {
    let hacked = RwSignal::new(false);
    let lens = RwSignal::new(0_usize);
    let index = RwSignal::new(0_usize);
    let body = move || {
        let f = figures.get()?;
        let answers = if hacked.get() { &f.hacked_answers } else { &f.answers };
        let answer = answers.get(index.get() % answers.len().max(1))?;
        Some(strip(answer, lens.get()))
    };
    view! {
        <Card title="An answer, token by token" aside="last iteration of PPO">
            <div class="tabs">
                <span role="group" aria-label="Run">
                    <button type="button" aria-pressed=move || (!hacked.get()).to_string() on:click=move |_| hacked.set(false)>"with charge"</button>
                    <button type="button" aria-pressed=move || hacked.get().to_string() on:click=move |_| hacked.set(true)>"without charge"</button>
                </span>
                <span role="group" aria-label="Number under each token">
                    {LENSES.iter().enumerate().map(|(i, name)| view! {
                        <button type="button" aria-pressed=move || (lens.get() == i).to_string() on:click=move |_| lens.set(i)>{*name}</button>
                    }).collect_view()}
                </span>
                <button type="button" on:click=move |_| index.update(|i| *i += 1) disabled=move || figures.with(Option::is_none)>"Next answer"</button>
            </div>
            {move || match body() {
                Some(body) => body.into_any(),
                None => view! { <p class="empty">"After the run: answers of both policies, with advantage, KL, reward and value of each token."</p> }.into_any(),
            }}
        </Card>
    }
}

fn strip(answer: &Answer, lens: usize) -> impl IntoView + use<> {
    let value = |t: &gradus_core::train::TokenNumbers| -> f64 {
        match lens {
            0 => f64::from(t.advantage),
            1 => f64::from(t.kl),
            2 => f64::from(t.reward),
            _ => f64::from(t.value),
        }
    };
    let most = answer.tokens.iter().map(|t| value(t).abs()).fold(1e-9, f64::max);
    let prompt: Vec<_> = answer.prompt.iter().map(|t| word(*t)).collect();
    let tokens = answer.tokens.iter().map(|t| {
        let v = value(t);
        let color = if v < 0.0 { "var(--s2)" } else { "var(--s3)" };
        let strength = (v.abs() / most * 45.0).round();
        view! { <span class="token" style=format!("background: color-mix(in srgb, {color} {strength}%, var(--raised)); color: var(--ink)")>{word(t.token)}<i>{format!("{v:+.2}")}</i></span> }
    }).collect_view();
    let kl: f64 = answer.tokens.iter().map(|t| f64::from(t.kl)).sum();
    view! {
        <p class="asked"><b>{prompt.join(" ")}</b></p>
        <p class="tokens" role="group" aria-label=format!("The answer’s tokens with their {}", LENSES[lens.min(3)])>{tokens}</p>
        <p class="note">{format!("Score of the reward model {:+.2}; exact KL of the answer {kl:.2} nats.", answer.score)}</p>
    }
}

/// The four models and their bytes.
#[component]
fn Memory(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="Four models in memory" aside="weights dark, gradients and optimiser pale">
            {or_waiting(figures, "After the run: the bytes of policy, value, reference and reward model.", |f| {
                let most = f.models.iter().map(|m| m.weights + m.training).max().unwrap_or(1) as f64;
                let total: u64 = f.models.iter().map(|m| m.weights + m.training).sum();
                let row = |m: &ModelBytes| {
                    let part = |n: u64| format!("width: {:.1}%", n as f64 / most * 100.0);
                    let learns = if m.training > 0 { "learns" } else { "frozen" };
                    view! {
                        <li><span class="name">{format!("{}, {learns}", m.name)}</span><span class="track split"><i style=part(m.weights)></i><i class="pale" style=part(m.training)></i></span><span class="value">{bytes(m.weights + m.training)}</span></li>
                    }
                };
                view! {
                    <ul class="bars">{f.models.iter().map(row).collect_view()}</ul>
                    <p class="note">{format!("Together {}. DPO, the next lesson, needs only the policy and the reference.", bytes(total))}</p>
                }
            })}
        </Card>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaos_form_starts_at_zero_and_turns() {
        let points = [Point { answered: Default::default(), proxy: 0.0, kl: 16.0 }];
        let curve = form(Gao { alpha: 1.0, beta: 1.0, r2: 1.0 }, &points);
        let top = curve.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        // d(1 − ln d) is highest where its derivative −ln d is 0.
        assert!((top.0 - 1.0).abs() < 0.07 && curve[curve.len() - 1].1 < 0.0);
    }
}
