//! The pictures of the lesson SFT: which tokens bear loss, the curves, answers side by side, what was forgotten.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Picture, Series};
use super::super::state::Shown as Seen;
use super::curves::Curves;
use super::parts::{Card, Shown, Stepper, bar, means, or_waiting, word};
use super::strip::{Cell, Strip};
use crate::format::grouped;
use gradus_core::train::Example;
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::sft::{Figures, Variant, pairs};
use gradus_lessons::world::chat::Pair;
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
            usual: [0.0015, 0.0007, 0.0007],
            marks: &[("breaks it", 0.015)],
        }),
        hint: "Ten to twenty times too high, and the model forgets its language.",
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
            let series = WAYS
                .iter()
                .enumerate()
                .map(|(i, name)| Series::line(label(name), means(s.curve(name, "completion_loss")), i + 1));
            Picture::begun(series)
        })
    });
    view! {
        <Weights store />
        <section class="card" aria-labelledby="sft-loss" data-live="true">
            <header><h2 id="sft-loss">"The loss on the pairs"</h2><small>"four ways, means over steps"</small></header>
            <LineChart title="The loss on the pairs" picture=loss
                axes=Axes { x: "step", y: "loss on the tokens that bear it, nats a token", log_x: false, log_y: true } />
            <p class="note">"Not masked bears loss on the questions’ tokens too. Which question will be asked cannot be foreseen: that curve must stay higher, and says nothing of the answers. LoRA’s prompts are masked: its curve stays high since it is less sure of the answers that it gets right. With replay, the loss on the replayed rows is minimised too; this curve leaves it out."</p>
        </section>
        <Answers figures />
        <Forgetting figures />
        <FullOrLora figures />
        <Curves store label=|run| label(&run.name).into() />
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

/// Pairs of the training data that can be looked at.
const PAIRS: usize = 24;

/// A pair's tokens, each with its weight in the loss, as the engine lays them out.
fn weighted(pair: &Pair, masked: bool) -> Vec<Cell> {
    let example = if masked {
        Example::answer(&pair.question.prompt, &pair.answer)
    } else {
        Example::whole(&[&pair.question.prompt[..], &pair.answer].concat())
    };
    let cell = |(i, token): (usize, &u32)| {
        // `weights[t]` belongs to the prediction of token t + 1; nothing predicts the first.
        let weight = i.checked_sub(1).map(|t| example.weights.get(t).copied().unwrap_or(0.0));
        let bears = weight.is_some_and(|w| w > 0.0);
        let say = match weight {
            None => "the first token: nothing predicts it",
            Some(_) if bears => "learned: its loss counts",
            Some(_) => "read, but no loss is counted on it",
        };
        Cell {
            word: word(*token),
            number: weight.map_or("–".into(), |w| format!("{w:.0}")),
            tone: if bears { 0.7 } else { 0.0 },
            faint: !bears,
            say: say.into(),
        }
    };
    example.tokens.iter().enumerate().map(cell).collect()
}

/// Pairs, token by token, coloured by the weight of their loss.
#[component]
fn Weights(store: LessonStore) -> impl IntoView {
    let masked = RwSignal::new(true);
    let index = RwSignal::new(0_usize);
    let seed = Memo::new(move |_| {
        store.state.with(|s| if s.shown == Seen::Nothing { store.choices.with(|c| c.seed) } else { s.seed })
    });
    let pairs = Memo::new(move |_| pairs(PAIRS, seed.get()));
    let cells = Signal::derive(move || {
        pairs.with(|p| p.get(index.get()).map_or_else(Vec::new, |p| weighted(p, masked.get())))
    });
    let counted = move || cells.with(|c| (c.iter().filter(|c| c.number == "1").count(), c.len()));
    view! {
        <Card title="Which tokens bear loss" lasting=true aside=Signal::derive(move || format!("pairs of the training data of seed {}", seed.get())) svg=true>
            <label class="inline">
                <input type="checkbox" data-testid="mask" prop:checked=move || masked.get()
                    on:change=move |e| masked.set(event_target_checked(&e)) />
                "mask the prompt"
            </label>
            <Strip label="A pair of the training data; under each token its weight in the loss" cells />
            <p class="note" data-testid="weights-sum">{move || { let (n, of) = counted(); format!("{n} of {of} tokens are learned; in a step, every learned token of all its pairs counts alike. Filled tokens are learned, the others only read.") }}</p>
            <Stepper what="pair" index count=Signal::derive(move || pairs.with(Vec::len)) />
        </Card>
    }
}

/// Held-out questions and what each model makes of them.
#[component]
fn Answers(figures: Shown<Figures>) -> impl IntoView {
    let turned = RwSignal::new(0_usize);
    let count = move || figures.with(|f| f.as_ref().map_or(0, |f| f.questions.len()));
    let turn = move |_| turned.update(|i| *i += 1);
    let body = move || {
        let figures = figures.get()?;
        let i = (telling(&figures) + turned.get()) % count().max(1);
        let (question, truth) = (figures.questions.get(i)?.clone(), figures.truths.get(i)?.clone());
        let row = |v: &Variant| {
            let answer = v.answers.get(i).cloned().unwrap_or_default();
            let (mark, said) = verdict(&answer, &truth);
            view! {
                <tr>
                    <th scope="row">{label(&v.name).to_owned()}</th>
                    <td class="said">{answer}</td>
                    <td><span class="verdict" data-verdict=mark>{said}</span></td>
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

/// The first question that shows what was learned: fine-tuning answers it, the base model does not. The first of all
/// if there is none.
fn telling(figures: &Figures) -> usize {
    let right = |v: &Variant, i: usize| {
        v.answers.get(i).zip(figures.truths.get(i)).is_some_and(|(a, t)| verdict(a, t).0 == "right")
    };
    let learned = |i: &usize| {
        let by = |name: &str| figures.variants.iter().any(|v| v.name == name && right(v, *i));
        by("masked") && !by("base")
    };
    (0..figures.questions.len()).find(learned).unwrap_or(0)
}

/// The answer without its end mark.
fn plain(answer: &str) -> String {
    answer.replace("<end>", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether an answer is the true statement, holds it, or neither.
fn verdict(answer: &str, truth: &str) -> (&'static str, &'static str) {
    let (said, truth) = (plain(answer), plain(truth));
    if said == truth && answer.contains("<end>") {
        ("right", "exact")
    } else if format!(" {said} ").contains(&format!(" {truth} ")) {
        ("right", "right, and more")
    } else {
        ("wrong", "wrong")
    }
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
                                <th scope="col">"way"</th><th scope="col">"right"</th><th scope="col">"exact"</th><th scope="col">"stops"</th>
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
            <td>{format!("{:.0}\u{a0}%", variant.answered.correct * 100.0)}</td>
            <td>{variant.exact.map_or("–".into(), |e| format!("{:.0}\u{a0}%", e * 100.0))}</td>
            <td>{format!("{:.0}\u{a0}%", variant.answered.stopped * 100.0)}</td>
            <td>{format!("{:+.3}", variant.forgetting)}</td>
            <td class="bar-cell"><i style=format!("width: {width:.1}%")></i></td>
        </tr>
    }
}

/// One number of both, as bars.
fn group(
    name: &'static str,
    pair: [&Variant; 2],
    // A full bar; of the larger one if there is no most.
    most: Option<f64>,
    of: fn(&Variant) -> (f64, String),
) -> impl IntoView + use<> {
    let both = pair.map(of);
    let most = most.unwrap_or_else(|| both.iter().map(|b| b.0.abs()).fold(1e-9, f64::max));
    let rows = pair.iter().zip(both).map(|(v, (value, text))| {
        let name = if v.name == "lora" { "LoRA" } else { "all parameters" };
        // In the colour of its curve.
        let color = WAYS.iter().position(|way| *way == v.name).map_or(1, |i| i + 1);
        bar(name.into(), value.max(0.0) / most, color, text)
    });
    view! { <h3>{name}</h3><ul class="bars">{rows.collect_view()}</ul> }
}

/// Full fine-tuning beside LoRA: what is trained, what is learned, what is forgotten.
#[component]
fn FullOrLora(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="All parameters, or a thin part" aside="both with the prompt masked">
            {or_waiting(figures, "After the run: full fine-tuning beside LoRA.", move |f| {
                let of = |name: &str| f.variants.iter().find(|v| v.name == name);
                let pair = of("masked").zip(of("lora"));
                pair.map(|(full, lora)| {
                    let pair = [full, lora];
                    view! {
                        {group("numbers trained", pair, None, |v| (v.trained as f64, grouped(v.trained)))}
                        {group("right answers", pair, Some(1.0), |v| (v.answered.correct, format!("{:.0}\u{a0}%", 100.0 * v.answered.correct)))}
                        {group("forgetting, nats a token", pair, None, |v| (v.forgetting, format!("{:+.3}", v.forgetting)))}
                    }
                })
            })}
        </Card>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_compared_without_its_end() {
        assert_eq!(plain("it is  red . <end>"), "it is red .");
        assert_eq!(verdict("it is red . <end>", "it is red .").1, "exact");
        // One that does not stop is not the answer alone.
        assert_eq!(verdict("it is red .", "it is red .").1, "right, and more");
        assert_eq!(verdict("sure , it is red . <end>", "it is red .").1, "right, and more");
        assert_eq!(verdict("it is redder . <end>", "it is red .").0, "wrong");
    }

    #[test]
    fn weights_are_those_of_the_engine() {
        let pair = pairs(1, 3).remove(0);
        let (prompt, answer) = (pair.question.prompt.len(), pair.answer.len());
        let count = |masked| weighted(&pair, masked).iter().filter(|c| c.number == "1").count();
        assert_eq!(count(true), answer);
        assert_eq!(count(false), prompt + answer - 1);
        // Of a masked pair exactly the answer is learned, its end included.
        let cells = weighted(&pair, true);
        assert!(cells[..prompt].iter().all(|c| c.faint) && cells[prompt..].iter().all(|c| !c.faint));
        assert_eq!(cells.last().map(|c| c.word.as_str()), Some("<end>"));
    }
}
