//! The pictures of the lesson on attention: every head's map through training, one head number by number, recall against
//! distance, what a head is worth, and why the scores are divided by √d.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob};
use super::super::plot::{Axes, Level, Picture, Series, Stroke};
use super::curves::Curves;
use super::parts::{Card, Shown, bar, or_waiting, word};
use crate::format::grouped;
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
        <Maps figures />
        <Trace figures />
        <Forming figures />
        <Recall figures />
        <Ablations figures />
        <Root figures />
        <Curves store />
    }
}

/// A head's map at a moment of the training; a row can be picked and read.
#[component]
fn Maps(figures: Shown<Figures>) -> impl IntoView {
    let (head, moment, row) = (RwSignal::new(0_usize), RwSignal::new(usize::MAX), RwSignal::new(usize::MAX));
    let moments = move || figures.with(|f| f.as_ref().map_or(0, |f| f.snapshots.len()));
    let body = move || {
        let f = figures.get()?;
        let snapshot = f.snapshots.get(moment.get().min(f.snapshots.len().saturating_sub(1)))?;
        let heads: Vec<(usize, usize)> = snapshot
            .maps
            .iter()
            .enumerate()
            .flat_map(|(l, layer)| (0..layer.len()).map(move |h| (l, h)))
            .collect();
        let (l, h) = *heads.get(head.get().min(heads.len().saturating_sub(1)))?;
        let map = snapshot.maps.get(l)?.get(h)?;
        let words: Vec<String> = f.example.iter().map(|t| word(*t)).collect();
        let n = words.len();
        let at = row.get().min(n - 1);
        let buttons = heads.iter().enumerate().map(|(i, (l, h))| view! {
            <button type="button" aria-pressed=move || (head.get() == i).to_string() on:click=move |_| head.set(i)>{format!("{}.{}", l + 1, h + 1)}</button>
        }).collect_view();
        let shares: Vec<_> = (0..=at).map(|j| (words[j].clone(), f64::from(map[at * n + j]))).collect();
        let read = shares.into_iter().map(|(w, v)| bar(w, v, 1, format!("{v:.3}"))).collect_view();
        Some(view! {
            <div class="tabs" role="group" aria-label="Layer and head">{buttons}</div>
            <div class="two">
                {heat(&words, map, at, row)}
                <div>
                    <h3>{format!("“{}” looks at", words[at])}</h3>
                    <ul class="bars tight">{read}</ul>
                </div>
            </div>
            <p class="note">{format!("Layer.head; after {} steps, {} tokens; held-out loss {:.3} nats a token. The row’s shares sum to 1.", grouped(snapshot.step), grouped(snapshot.num_tokens), snapshot.eval_loss)}</p>
        })
    };
    view! {
        <Card title="Where every head looks" aside="a song, begun a second time">
            {move || match body() {
                Some(body) => body.into_any(),
                None => view! { <p class="empty">"After the run: the map of every head, at eight moments of the training."</p> }.into_any(),
            }}
            <label class="number"><span>"moment of the training"</span>
                <input type="range" min="0" prop:max=move || moments().saturating_sub(1).to_string()
                    prop:value=move || moment.get().min(moments().saturating_sub(1)).to_string()
                    on:input=move |e| if let Ok(i) = event_target_value(&e).parse() { moment.set(i) } />
                <output>{move || format!("{} of {}", (moment.get().min(moments().saturating_sub(1)) + 1).min(moments()), moments())}</output>
            </label>
        </Card>
    }
}

/// A map `[n, n]` as squares; a click on a row picks it.
fn heat(words: &[String], map: &[f32], picked: usize, row: RwSignal<usize>) -> impl IntoView + use<> {
    let n = words.len();
    let cell = 240.0 / n as f64;
    let (left, top) = (58.0, 50.0);
    let squares = (0..n).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|(i, j)| {
        let share = (f64::from(map[i * n + j]) * 100.0).clamp(0.0, 100.0);
        view! { <rect x=left + j as f64 * cell y=top + i as f64 * cell width=cell - 1.0 height=cell - 1.0 style=format!("fill: color-mix(in srgb, var(--s1) {share:.0}%, var(--sunken))") on:click=move |_| row.set(i)></rect> }
    }).collect_view();
    let names = words.iter().enumerate().map(|(i, w)| {
        let middle = (i as f64 + 0.5) * cell;
        let strong = i == picked;
        view! {
            <text x=left - 5.0 y=top + middle + 4.0 text-anchor="end" class:strong=strong on:click=move |_| row.set(i)>{w.clone()}</text>
            <text class="faint" text-anchor="start" transform=format!("translate({} {}) rotate(-50)", left + middle, top - 5.0)>{w.clone()}</text>
        }
    }).collect_view();
    let step = move |by: isize| row.set(picked.saturating_add_signed(by).min(n - 1));
    view! {
        <div>
            <svg class="picture heat" viewBox="0 0 310 294" role="img" aria-label="Map of attention: each row is a token that looks, each column a token looked at; the list beside has the picked row’s numbers">
                {squares}{names}
                <rect class="picked" x=left - 1.0 y=top + picked as f64 * cell - 1.0 width=240.0 height=cell + 1.0 rx="3"></rect>
            </svg>
            <div class="stepper">
                <button type="button" disabled=picked == 0 on:click=move |_| step(-1)>"Row up"</button>
                <button type="button" disabled=picked + 1 == n on:click=move |_| step(1)>"Row down"</button>
            </div>
        </div>
    }
}

/// The strongest induction head at the last token, from scores to shares.
#[component]
fn Trace(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="One head, number by number" aside="the last token of the song">
            {or_waiting(figures, "After the run: query and keys, scores, mask, softmax, mixture.", |f| {
                let t = &f.trace;
                let words: Vec<String> = t.tokens.iter().map(|x| word(*x)).collect();
                let strip = |title: &'static str, values: Vec<Option<f64>>| {
                    let most = values.iter().flatten().map(|v| v.abs()).fold(1e-9, f64::max);
                    let cells = words.iter().zip(values).map(|(w, v)| {
                        let (text, style) = match v {
                            None => ("−∞".to_owned(), String::new()),
                            Some(v) => {
                                let color = if v < 0.0 { "var(--s2)" } else { "var(--s1)" };
                                (format!("{v:.2}"), format!("background: color-mix(in srgb, {color} {:.0}%, var(--raised)); color: var(--ink)", v.abs() / most * 45.0))
                            }
                        };
                        view! { <span class="token" style=style>{w.clone()}<i>{text}</i></span> }
                    }).collect_view();
                    view! { <h3>{title}</h3><p class="tokens small" role="group" aria-label=title>{cells}</p> }
                };
                let list = |x: &[f32]| x.iter().map(|v| format!("{v:.2}")).collect::<Vec<_>>().join("  ");
                let (query, mix) = (list(&t.query), list(&t.mix));
                view! {
                    <p class="note">{format!("Layer {}, head {}, at “{}”. Its query q, {} numbers:", t.layer + 1, t.head + 1, words.get(t.position).cloned().unwrap_or_default(), t.query.len())}</p>
                    <p class="vector">{query}</p>
                    {strip("q · k with every token", t.scores.iter().map(|s| Some(*s)).collect())}
                    {strip("divided by √d", t.scaled.iter().map(|s| Some(*s)).collect())}
                    {strip("masked, then softmax: shares", t.weights.iter().zip(&t.masked).map(|(w, m)| m.map(|_| f64::from(*w))).collect())}
                    <h3>"The mixture of values"</h3>
                    <p class="vector">{mix}</p>
                }
            })}
        </Card>
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
                let row = |r: &Run| view! {
                    <tr><th scope="row">{label(&r.name).to_owned()}</th><td>{grouped(r.parameters)}</td><td>{format!("{:.3}", r.eval_loss)}</td><td>{r.sequential_steps}</td><td>{format!("{:.1} ms", 1e3 * r.seconds_per_step)}</td></tr>
                };
                view! {
                    <div class="wide" tabindex="0" role="group" aria-label="The networks">
                        <table>
                            <thead><tr><th scope="col">"network"</th><th scope="col">"parameters"</th><th scope="col">"loss, nats a token"</th><th scope="col">"steps one after the other"</th><th scope="col">"time a step"</th></tr></thead>
                            <tbody>{f.runs.iter().map(row).collect_view()}</tbody>
                        </table>
                    </div>
                }
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
            {or_waiting(figures, "After the run: what each head is worth, on all text and on lines sung before.", |f| {
                let most = f.ablations.iter().map(|a| a.cost.max(a.cost_of_repeats)).fold(1e-6, f64::max);
                let rows = f.ablations.iter().map(|a| view! {
                    {bar(format!("{}.{} all text", a.layer + 1, a.head + 1), a.cost.max(0.0) / most, 1, format!("{:+.3}", a.cost))}
                    {bar("sung before".into(), a.cost_of_repeats.max(0.0) / most, 2, format!("{:+.3}", a.cost_of_repeats))}
                }).collect_view();
                view! { <ul class="bars">{rows}</ul> }
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
                vec![Level { name: "all 64 alike: ln 64".into(), value: 64_f64.ln(), limit: true }],
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
    const NAMES: [&str; 3] = ["variance of q · k", "entropy of the shares", "gradient through softmax"];
    view! {
        <Card title="Why the square root" aside="random queries and keys of variance 1">
            <div class="tabs" role="group" aria-label="What is shown">
                {NAMES.iter().enumerate().map(|(i, name)| view! {
                    <button type="button" aria-pressed=move || (which.get() == i).to_string() on:click=move |_| which.set(i)>{*name}</button>
                }).collect_view()}
            </div>
            <LineChart title="Why the square root" picture
                empty="At the start of the run: what happens to the scores as heads grow."
                axes=Axes { x: "d, numbers in a key", y: "variance; entropy in nats; norm of the Jacobian", log_x: true, log_y: true } />
        </Card>
    }
}
