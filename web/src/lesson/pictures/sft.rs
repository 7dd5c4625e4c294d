//! The pictures of the lesson SFT: which tokens bear loss, the curves, answers side by side, what was forgotten.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Picture, Series};
use super::curves::Curves;
use super::parts::{Shown, means};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::sft::{Figures, Variant};
use leptos::prelude::*;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "lr",
        label: "learning rate",
        paths: &["lr"],
        control: Control::Number(Numbers {
            min: 0.00001,
            max: 0.05,
            whole: false,
            log: true,
            usual: [0.0015, 0.0015, 0.0015],
            marks: &[("breaks it", 0.015)],
        }),
        hint: "Ten times too high, and the model forgets its language.",
    },
    Knob {
        id: "pairs",
        label: "question–answer pairs",
        paths: &["pairs"],
        control: Control::Number(Numbers {
            min: 50.0,
            max: 8_000.0,
            whole: true,
            log: true,
            usual: [1_000.0, 4_000.0, 4_000.0],
            marks: &[("learns them by heart", 100.0)],
        }),
        hint: "With few pairs it learns them by heart.",
    },
    Knob {
        id: "rank",
        label: "LoRA rank",
        paths: &["lora.rank"],
        control: Control::Number(Numbers {
            min: 1.0,
            max: 16.0,
            whole: true,
            log: false,
            usual: [8.0, 8.0, 8.0],
            marks: &[],
        }),
        hint: "Numbers in each adapter: rank × (in + out).",
    },
];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[Role::Base];

/// The four ways to fine-tune, by the names of their runs.
const WAYS: [&str; 4] = ["masked", "unmasked", "replay", "lora"];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    let loss = Signal::derive(move || {
        store.state.with(|s| {
            let series = WAYS.iter().enumerate().map(|(i, name)| Series {
                name: label(name).into(),
                points: means(s.curve(name, "completion_loss")),
                color: i + 1,
                ..Series::default()
            });
            Picture { series: series.filter(|s| !s.points.is_empty()).collect(), levels: Vec::new() }
        })
    });
    view! {
        <Weights figures />
        <section class="card" aria-labelledby="sft-loss">
            <header><h2 id="sft-loss">"Loss on the answers"</h2><small>"four ways, means over steps"</small></header>
            <LineChart title="Loss on the answers" picture=loss
                axes=Axes { x: "step", y: "loss on the answers’ tokens, nats a token", log_x: false, log_y: true } />
        </section>
        <Answers figures />
        <Forgetting figures />
        <Curves store />
    }
}

/// A variant's name as a learner reads it.
fn label(name: &str) -> &str {
    match name {
        "masked" => "prompt masked",
        "unmasked" => "not masked",
        "replay" => "with replay",
        "lora" => "LoRA",
        name => name,
    }
}

/// One pair, token by token, by whether its tokens bear loss.
#[component]
fn Weights(figures: Shown<Figures>) -> impl IntoView {
    let masked = RwSignal::new(true);
    let pair = move || {
        let words = |text: &String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let figures = figures.get()?;
        let mut answer = words(figures.truths.first()?);
        answer.push("<end>".into());
        Some((words(figures.questions.first()?), answer))
    };
    let strip = move || {
        let (question, answer) = pair().unwrap_or_default();
        let token = |text: String, bears: bool| {
            view! { <span class="token" data-bears=bears.to_string()>{text}<i>{if bears { "1" } else { "0" }}</i></span> }
        };
        let prompt = !masked.get();
        let question = question.into_iter().map(|t| token(t, prompt));
        question.chain(answer.into_iter().map(|t| token(t, true))).collect_view()
    };
    view! {
        <section class="card" aria-labelledby="weights-title">
            <header>
                <h2 id="weights-title">"Which tokens bear loss"</h2>
                <label class="inline">
                    <input type="checkbox" prop:checked=move || masked.get()
                        on:change=move |e| masked.set(event_target_checked(&e)) />
                    "mask the prompt"
                </label>
            </header>
            <Show when=move || pair().is_some()
                fallback=|| view! { <p class="empty">"A question and its answer will stand here, token by token."</p> }>
                <p class="tokens" role="group"
                    aria-label="A pair of the training data; 1: the token bears loss, 0: it does not">{strip}</p>
            </Show>
            <p class="note">"Under each token stands its weight in the loss. Filled tokens are learned, the others only read."</p>
        </section>
    }
}

/// Held-out questions and what each model makes of them.
#[component]
fn Answers(figures: Shown<Figures>) -> impl IntoView {
    let index = RwSignal::new(0_usize);
    let count = move || figures.with(|f| f.as_ref().map_or(0, |f| f.questions.len()));
    let turn = move |_| index.update(|i| *i = (*i + 1) % count().max(1));
    let body = move || {
        let figures = figures.get()?;
        let i = index.get();
        let (question, truth) = (figures.questions.get(i)?.clone(), figures.truths.get(i)?.clone());
        let row = |v: &Variant| {
            let answer = v.answers.get(i).cloned().unwrap_or_default();
            let mark = if plain(&answer).starts_with(&plain(&truth)) { "right" } else { "wrong" };
            view! {
                <tr>
                    <th scope="row">{label(&v.name).to_owned()}</th>
                    <td class="said">{answer}</td>
                    <td><span class="verdict" data-verdict=mark>{mark}</span></td>
                </tr>
            }
        };
        let rows: Vec<_> = figures.variants.iter().map(row).collect();
        Some(view! {
            <p class="asked"><b>{question}</b><small>"true: " {truth}</small></p>
            <div class="wide" tabindex="0" role="group" aria-label="Answers"><table><tbody>{rows}</tbody></table></div>
        })
    };
    view! {
        <section class="card" aria-labelledby="answers-title">
            <header>
                <h2 id="answers-title">"One question, five models"</h2>
                <button type="button" on:click=turn disabled=move || count() < 2>"Next question"</button>
            </header>
            {move || match body() {
                Some(body) => body.into_any(),
                None => view! { <p class="empty">"After the run: questions that no model has seen, and five answers to each."</p> }.into_any(),
            }}
        </section>
    }
}

/// The answer without its end mark.
fn plain(answer: &str) -> String {
    answer.replace("<end>", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What each way gains and costs.
#[component]
fn Forgetting(figures: Shown<Figures>) -> impl IntoView {
    let rows = move || {
        let figures = figures.get()?;
        let most = figures.variants.iter().map(|v| v.forgetting).fold(1e-6, f64::max);
        Some(figures.variants.iter().map(|v| forgotten(v, most)).collect_view())
    };
    view! {
        <section class="card" aria-labelledby="forgetting-title">
            <header>
                <h2 id="forgetting-title">"What it gained, what it forgot"</h2>
                <small>"held-out questions and held-out text"</small>
            </header>
            {move || match rows() {
                Some(rows) => view! {
                    <div class="wide" tabindex="0" role="group" aria-label="Gains and costs">
                        <table>
                            <thead><tr>
                                <th scope="col">"way"</th><th scope="col">"right"</th><th scope="col">"stops"</th>
                                <th scope="col" colspan="2">"pretraining loss, nats a token more"</th>
                            </tr></thead>
                            <tbody>{rows}</tbody>
                        </table>
                    </div>
                }.into_any(),
                None => view! { <p class="empty">"After the run: right answers, answers that end, and how much of the language was lost."</p> }.into_any(),
            }}
        </section>
    }
}

fn forgotten(variant: &Variant, most: f64) -> impl IntoView + use<> {
    let width = (variant.forgetting.max(0.0) / most * 100.0).clamp(0.5, 100.0);
    view! {
        <tr>
            <th scope="row">{label(&variant.name).to_owned()}</th>
            <td>{format!("{:.0} %", variant.answered.correct * 100.0)}</td>
            <td>{format!("{:.0} %", variant.answered.stopped * 100.0)}</td>
            <td>{format!("{:+.3}", variant.forgetting)}</td>
            <td class="bar-cell"><i style=format!("width: {width:.1}%")></i></td>
        </tr>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_compared_without_its_end() {
        assert_eq!(plain("it is  red . <end>"), "it is red .");
    }
}
