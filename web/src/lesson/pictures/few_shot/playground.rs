//! The playground: one list with 0, 1, … 8 solved examples, the model's probabilities beside a perfect reader's; and
//! many such lists, for models of several sizes.

use super::super::super::LessonStore;
use super::super::super::chart::LineChart;
use super::super::super::plot::{Axes, Picture, Series, Stroke};
use super::super::parts::{Card, ModelChoice, Number, Stepper};
use crate::format::{grouped, sentence, short};
use gradus_lessons::ask::{Graded, GradedShots, Shot, Shots, ShotsAnswer};
use gradus_lessons::recipe::Role;
use gradus_lessons::world::few_shot::Task;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The numbers of examples.
const SHOTS: [usize; 5] = [0, 1, 2, 4, 8];
/// Lists for each number of examples.
const LISTS: usize = 128;

/// What a task is about, and what its knob counts.
fn about(task: Task) -> (&'static str, &'static str) {
    match task {
        Task::Dict => ("a made-up word stands for a known one", "different words"),
        Task::Sort => ("a made-up word stands for a kind of things", "different kinds"),
        Task::Rule => ("all examples name the same trait of an animal", "rules"),
    }
}

/// One list, more and more of it.
#[component]
pub(super) fn Playground(store: LessonStore) -> impl IntoView {
    let role = RwSignal::new(Role::Base);
    let task = RwSignal::new(Task::Dict);
    let (items, seed, index) = (RwSignal::new(3_usize), RwSignal::new(1_u32), RwSignal::new(0_usize));
    let answer = RwSignal::new(None::<ShotsAnswer>);
    let (asking, wrong) = (RwSignal::new(false), RwSignal::new(None::<String>));
    let chosen = move || {
        let ask = Shots {
            task: task.get_untracked(),
            shots: SHOTS.to_vec(),
            items: items.get_untracked(),
            seed: seed.get_untracked(),
            top: 6,
        };
        (role.get_untracked(), ask)
    };
    let ask = move || {
        if asking.get_untracked() {
            return;
        }
        asking.set(true);
        wrong.set(None);
        spawn_local(async move {
            loop {
                let (who, ask) = chosen();
                let found = store.ask_shots(who, ask.clone()).await;
                // Another choice was made meanwhile: what is shown has to be its answer.
                if chosen() != (who, ask) {
                    continue;
                }
                match found {
                    Ok(found) => answer.set(Some(found)),
                    Err(why) => {
                        answer.set(None);
                        wrong.set(Some(sentence(&why)));
                    }
                }
                break;
            }
            asking.set(false);
        });
    };
    // Another choice is another question: asked again as soon as there is an answer to replace.
    Effect::new(move |before: Option<()>| {
        role.track();
        task.track();
        items.track();
        seed.track();
        if before.is_some() && answer.with_untracked(Option::is_some) {
            ask();
        }
    });
    let count = Signal::derive(move || answer.with(|a| a.as_ref().map_or(0, |a| a.rows.len())));
    // Named, because a `>` inside a tag ends it.
    let several = move || count.get() > 1;
    let body = move || {
        answer.with(|a| {
            let a = a.as_ref()?;
            let row = a.rows.get(index.get().min(a.rows.len().saturating_sub(1)))?;
            Some(view! {
                {prompt(row)}
                <div class="two">{beliefs(row)}<div>{growth(&a.rows, row.shots)}</div></div>
                <p class="note" data-testid="weights-changed">{format!("Weights changed by asking: {} of {}.", a.weights_changed, grouped(a.parameters))}</p>
            })
        })
    };
    view! {
        <Card title="Try it: examples in the prompt" lasting=true aside=Signal::derive(move || about(task.get()).0.to_owned())>
            <div class="tabs" role="group" aria-label="Task">
                {Task::ALL.map(|t| view! {
                    <button type="button" aria-pressed=move || (task.get() == t).to_string() on:click=move |_| task.set(t)>{t.name()}</button>
                }).collect_view()}
            </div>
            <div class="ask-row"><ModelChoice store role /></div>
            <Show when=move || task.get() != Task::Rule>
                <Number label="different words in the list (fewer: burstier; kinds to sort: 3 at most)" value=items choices=&[1, 2, 3, 5, 8] />
            </Show>
            <div class="ask-row">
                <button type="button" class="main" data-testid="ask-shots" disabled=move || asking.get() on:click=move |_| ask()>"Ask with 0, 1, 2, 4, 8 examples"</button>
                <button type="button" disabled=move || asking.get() on:click=move |_| { seed.update(|s| *s += 1); }>"Another list"</button>
            </div>
            <p class="field-error" aria-live="polite">{move || wrong.get()}</p>
            {body}
            <Show when=several><Stepper what="number of examples" index=index count=count /></Show>
            <Grades store task items />
        </Card>
    }
}

/// The list as it stands, the item to solve at its end.
fn prompt(row: &Shot) -> impl IntoView + use<> {
    let words: Vec<&str> = row.prompt.split(' ').collect();
    let last = words.len().saturating_sub(1);
    let tokens = words.into_iter().enumerate().map(|(i, w)| {
        view! { <span class="token" data-bears=(i == last).to_string()>{w.to_owned()}</span> }
    });
    view! {
        <p class="note">{format!("{} examples, then the item to solve. Right: “{}”.", row.shots, row.right.word)}</p>
        <p class="tokens small" data-testid="shots-prompt">{tokens.collect_view()}</p>
    }
}

/// What may come next: the model's probability and the perfect reader's.
fn beliefs(row: &Shot) -> impl IntoView + use<> {
    let right = row.right.word.clone();
    let rows = row.candidates.iter().map(|c| {
        let bar = |p: f64, color: usize| {
            let style = format!("width: {:.1}%; background: var(--s{color})", (p * 100.0).clamp(0.0, 100.0));
            view! { <span class="track"><i style=style></i></span><span class="value">{format!("{p:.3}")}</span> }
        };
        let mark = if c.word == right { " ✓" } else { "" };
        view! {
            <li class="pair"><span class="name">{format!("{}{mark}", c.word)}</span>{bar(c.model, 1)}{bar(c.bayes, 5)}</li>
        }
    });
    view! {
        <div>
            <h3>"Probability of each answer"</h3>
            <p class="key"><i style="background: var(--s1)"></i>"model" <i style="background: var(--s5)"></i>"perfect reader (Bayes)"</p>
            <ul class="bars pairs" data-testid="beliefs">{rows.collect_view()}</ul>
        </div>
    }
}

/// The right answer's probability as examples are added.
fn growth(rows: &[Shot], now: usize) -> impl IntoView + use<> {
    let lines = rows.iter().map(|r| {
        view! {
            <tr aria-current=(r.shots == now).then_some("true")>
                <th scope="row">{r.shots}</th><td>{format!("{:.3}", r.right.model)}</td><td>{format!("{:.3}", r.right.bayes)}</td>
                <td>{if r.seen { "yes" } else { "no" }}</td>
            </tr>
        }
    });
    view! {
        <h3>"The right answer"</h3>
        <table class="mono">
            <thead><tr><th scope="col">"examples"</th><th scope="col">"model"</th><th scope="col">"Bayes"</th><th scope="col">"told?"</th></tr></thead>
            <tbody>{lines.collect_view()}</tbody>
        </table>
    }
}

/// A model's accuracy against the number of examples.
#[derive(Clone, PartialEq)]
struct Curve {
    role: Role,
    parameters: u64,
    rows: Vec<GradedShots>,
}

/// Many lists: every model of another size, beside the best possible.
#[component]
fn Grades(store: LessonStore, task: RwSignal<Task>, items: RwSignal<usize>) -> impl IntoView {
    let curves = RwSignal::new(Vec::<Curve>::new());
    let (asking, wrong) = (RwSignal::new(false), RwSignal::new(None::<String>));
    // Of other lists: no longer what the controls say.
    Effect::new(move |_| {
        task.track();
        items.track();
        curves.set(Vec::new());
        wrong.set(None);
    });
    let chosen = move || (task.get_untracked(), items.get_untracked());
    let grade = move |_| {
        asking.set(true);
        curves.set(Vec::new());
        wrong.set(None);
        let (task, items) = chosen();
        spawn_local(async move {
            let roles: Vec<Role> = store.models.with_untracked(|m| m.keys().copied().collect());
            for role in roles.into_iter().filter(|r| [Role::Base, Role::Sft, Role::Draft].contains(r)) {
                let ask = Graded { task, shots: SHOTS.to_vec(), items, seed: 1, prompts: LISTS };
                let found = async {
                    let known = store.ask_describe(role).await?;
                    Ok::<_, String>(Curve {
                        role,
                        parameters: known.parameters,
                        rows: store.ask_grade(role, ask).await?,
                    })
                };
                let found = found.await;
                if chosen() != (task, items) {
                    break;
                }
                match found {
                    Ok(curve) => curves.update(|c| c.push(curve)),
                    Err(why) => wrong.set(Some(sentence(&why))),
                }
            }
            asking.set(false);
        });
    };
    let picture = Signal::derive(move || {
        curves.with(|curves| {
            let points = |rows: &[GradedShots], of: fn(&GradedShots) -> f64| {
                rows.iter().map(|r| (r.shots as f64, 100.0 * of(r))).collect::<Vec<_>>()
            };
            let mut series: Vec<_> = curves
                .iter()
                .enumerate()
                .map(|(i, c)| Series {
                    name: format!("{}, {}", c.role.slug(), short(c.parameters as f64)),
                    points: points(&c.rows, |r| r.measured),
                    stroke: Stroke::Joined,
                    color: i + 1,
                })
                .collect();
            if let Some(first) = curves.first() {
                let points = points(&first.rows, |r| r.bayes);
                series.push(Series {
                    name: "best possible".into(),
                    points,
                    stroke: Stroke::Dashed,
                    color: 5,
                });
            }
            Picture { series, levels: Vec::new() }
        })
    });
    view! {
        <div class="ask-row">
            <button type="button" data-testid="grade" disabled=move || asking.get() on:click=grade>
                {move || if asking.get() { "Asking …".to_owned() } else { format!("Ask {LISTS} such lists of each model") }}
            </button>
        </div>
        <p class="field-error" aria-live="polite">{move || wrong.get()}</p>
        <Show when=move || !curves.with(Vec::is_empty)>
            <LineChart title="Models of several sizes" picture
                axes=Axes { x: "examples in the prompt", y: "right answers, %", log_x: false, log_y: false } />
        </Show>
    }
}
