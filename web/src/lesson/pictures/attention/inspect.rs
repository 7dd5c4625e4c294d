//! Attention number by number: any layer, head and position, of the model of this run at any moment of its training,
//! or of any model of the course over a text of the learner's own.

use super::super::super::LessonStore;
use super::super::super::prompt::PromptField;
use super::super::parts::{Card, ModelChoice, Shown, Stepper, bar, in_turn, word};
use super::map::{heat, shares, small_maps};
use crate::format::{grouped, sentence, typeset};
use gradus_lessons::ask::{Candidate, ProbeText, PromptText};
use gradus_lessons::instruments::{HeadTrace, Probe};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::attention::Figures;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// What is looked at.
#[derive(Clone, PartialEq)]
struct Seen {
    probe: Probe,
    words: Vec<String>,
    /// Whose it is, and when.
    caption: String,
    /// The one head that an older record traced, where it has no other numbers.
    traced: Option<HeadTrace>,
}

/// A text of the learner's own under the lens, and what cutting a head did to it.
#[derive(Clone, PartialEq)]
struct Own {
    seen: Arc<Seen>,
    next: Vec<Candidate>,
    /// Mean loss on the text, nats a token; none for a single token.
    loss: Option<f64>,
    cut: Option<(usize, usize)>,
}

/// The picture.
#[component]
pub(super) fn Inspector(store: LessonStore, figures: Shown<Figures>) -> impl IntoView {
    let figures = in_turn(figures);
    let (typed, moment) = (RwSignal::new(false), RwSignal::new(usize::MAX));
    let own = RwSignal::new(None::<Own>);
    let (pick, row) = (RwSignal::new(None::<(usize, usize)>), RwSignal::new(usize::MAX));
    let moments = Signal::derive(move || figures.with(|f| f.as_ref().map_or(0, |f| f.snapshots.len())));
    let seen = Memo::new(move |_| {
        if typed.get() {
            return own.with(|o| o.as_ref().map(|o| o.seen.clone()));
        }
        let f = figures.get()?;
        let snapshot = f.snapshots.get(moment.get().min(f.snapshots.len().saturating_sub(1)))?;
        let caption = format!(
            "The run’s model after {} steps, {} tokens; held-out loss {:.3} nats a token.",
            grouped(snapshot.step),
            grouped(snapshot.num_tokens),
            snapshot.eval_loss
        );
        let words = f.example.iter().map(|t| word(*t)).collect();
        let (probe, traced) = match &snapshot.probe {
            Some(probe) => (probe.clone(), None),
            None => (maps_alone(&f.example, &snapshot.maps), Some(f.trace.clone())),
        };
        Some(Arc::new(Seen { probe, words, caption, traced }))
    });
    // The head that the learner picked, or the strongest induction head; of what there is.
    let head = Memo::new(move |_| {
        let first = figures.with(|f| f.as_ref().map_or((0, 0), |f| (f.trace.layer, f.trace.head)));
        let (l, h) = pick.get().unwrap_or(first);
        seen.with(|s| {
            s.as_ref()
                .map_or((0, 0), |s| (l.min(s.probe.layers().saturating_sub(1)), h.min(s.probe.heads - 1)))
        })
    });
    let at = Memo::new(move |_| {
        seen.with(|s| s.as_ref().map_or(0, |s| row.get().min(s.words.len().saturating_sub(1))))
    });
    let body = move || {
        let s = seen.get()?;
        let (l, h) = head.get();
        let (map, at) = (s.probe.map(l, h), at.get());
        Some(view! {
            {small_maps(&s.probe, (l, h), pick)}
            <h3>{format!("Layer {}, head {}", l + 1, h + 1)}</h3>
            <div class="two">
                {heat(&s.words, map, at, row)}
                <div>{shares(&s.words, map, at)}{(!typed.get()).then(|| worth(figures, (l, h)))}</div>
            </div>
            <p class="note">{s.caption.clone()}</p>
        })
    };
    // Named, because a `>` inside a tag ends it.
    let several = move || !typed.get() && moments.get() > 1;
    let waiting = move || {
        if typed.get() {
            "Press “Look inside”: every head’s map of your text will stand here."
        } else {
            "After the run: the map of every head, at several moments of the training."
        }
    };
    view! {
        <Card title="Where every head looks" aside="rows look, columns are looked at" svg=true>
            <div class="tabs" role="group" aria-label="Whose attention">
                <button type="button" aria-pressed=move || (!typed.get()).to_string() on:click=move |_| typed.set(false)>"the run’s model, a song"</button>
                <button type="button" data-testid="own-text" aria-pressed=move || typed.get().to_string() on:click=move |_| typed.set(true)>"a text of your own"</button>
            </div>
            <Show when=move || typed.get()><OwnText store own head /></Show>
            {move || match body() {
                Some(body) => body.into_any(),
                None => view! { <p class="empty">{waiting()}</p> }.into_any(),
            }}
            <Show when=several>
                <Stepper what="moment of training" index=moment count=moments />
            </Show>
        </Card>
        <Card title="One head, number by number" aside=Signal::derive(move || {
            let (l, h) = head.get();
            format!("layer {}, head {}", l + 1, h + 1)
        })>
            <Numbers seen head at />
        </Card>
    }
}

/// What an older record kept of a moment: maps.
fn maps_alone(tokens: &[u32], maps: &[Vec<Vec<f32>>]) -> Probe {
    Probe {
        tokens: tokens.to_vec(),
        heads: maps.first().map_or(1, Vec::len).max(1),
        channels: 0,
        scaled: true,
        normed: Vec::new(),
        qkv: Vec::new(),
        probs: maps.iter().map(|layer| layer.concat()).collect(),
        mixed: Vec::new(),
    }
}

/// What cutting this head out of the finished model costs.
fn worth(figures: Shown<Figures>, (layer, head): (usize, usize)) -> impl IntoView {
    figures.with(|f| {
        let cut = f.as_ref()?.ablations.iter().find(|a| (a.layer, a.head) == (layer, head))?;
        Some(view! {
            <p class="note">{typeset(&format!("Cut out at the end of training, this head costs {:+.3} nats a token on all text, {:+.3} on words sung before.", cut.cost, cut.cost_of_repeats))}</p>
        })
    })
}

/// The learner's own text: which model reads it, and what it expects next, with and without the picked head.
#[component]
fn OwnText(store: LessonStore, own: RwSignal<Option<Own>>, head: Memo<(usize, usize)>) -> impl IntoView {
    let text = RwSignal::new("la zup bim dax ! la zup bim".to_owned());
    let role = RwSignal::new(Role::Base);
    let (asking, wrong) = (RwSignal::new(false), RwSignal::new(None::<String>));
    // What the whole model said, for comparison once a head is cut.
    let whole = RwSignal::new(None::<Own>);
    let ask = move |cut: Option<(usize, usize)>| {
        if asking.get_untracked() {
            return;
        }
        asking.set(true);
        let prompt = PromptText { text: text.get_untracked(), chat: false };
        let without = cut.into_iter().map(|(l, h)| [l, h]).collect();
        let who = role.get_untracked();
        spawn_local(async move {
            match store.ask_probe(who, ProbeText { prompt, without }).await {
                Ok(probed) => {
                    wrong.set(None);
                    let caption = match cut {
                        None => format!("The {} model, your text.", who.slug()),
                        Some((l, h)) => format!("The {} model without head {}.{}.", who.slug(), l + 1, h + 1),
                    };
                    let n = probed.logp.len() as f64;
                    let loss = (n > 0.0).then(|| -probed.logp.iter().map(|&p| f64::from(p)).sum::<f64>() / n);
                    let seen =
                        Arc::new(Seen { probe: probed.probe, words: probed.words, caption, traced: None });
                    let found = Own { seen, next: probed.next, loss, cut };
                    if cut.is_none() {
                        whole.set(Some(found.clone()));
                    }
                    own.set(Some(found));
                }
                Err(why) => wrong.set(Some(sentence(&why))),
            }
            asking.set(false);
        });
    };
    let expected = move || {
        let o = own.get()?;
        let bars = |o: &Own, color| {
            o.next.iter().map(|c| bar(c.word.clone(), c.p, color, format!("{:.3}", c.p))).collect_view()
        };
        let loss =
            |o: &Own| o.loss.map_or(String::new(), |l| format!("loss on the text {l:.3} nats a token"));
        let without = o.cut.map(|(l, h)| {
            let cost = whole.with(|w| Some(o.loss? - w.as_ref()?.loss?)).map(|c| typeset(&format!(", {c:+.3}")));
            view! {
                <div><h3>{format!("Without head {}.{}", l + 1, h + 1)}</h3><ul class="bars tight">{bars(&o, 2)}</ul><p class="note">{loss(&o)}{cost}</p></div>
            }
        });
        let first = whole.get().unwrap_or_else(|| o.clone());
        Some(view! {
            <div class="two" data-testid="expected">
                <div><h3>"What it expects next"</h3><ul class="bars tight">{bars(&first, 1)}</ul><p class="note">{loss(&first)}</p></div>
                {without}
            </div>
        })
    };
    view! {
        <div class="ask-row">
            <ModelChoice store role />
        </div>
        <PromptField label="text" id="probe-text" text />
        <div class="ask-row">
            <button type="button" class="main" data-testid="probe" disabled=move || asking.get() on:click=move |_| ask(None)>"Look inside"</button>
            <button type="button" data-testid="cut-head" disabled=move || asking.get() || own.with(Option::is_none)
                on:click=move |_| ask(Some(head.get_untracked()))>
                {move || { let (l, h) = head.get(); format!("Cut out head {}.{}", l + 1, h + 1) }}
            </button>
        </div>
        <p class="field-error" aria-live="polite">{move || wrong.get()}</p>
        {expected}
    }
}

/// The operations, in their order.
const STEPS: usize = 7;

/// One head at one position, operation by operation.
#[component]
fn Numbers(seen: Memo<Option<Arc<Seen>>>, head: Memo<(usize, usize)>, at: Memo<usize>) -> impl IntoView {
    let step = RwSignal::new(STEPS - 1);
    // The token whose key and value are read; usually the one that is looked at most.
    let key = RwSignal::new(None::<usize>);
    Effect::new(move |_| {
        head.track();
        at.track();
        key.set(None);
    });
    let body = move || {
        let s = seen.get()?;
        let ((l, h), at) = (head.get(), at.get());
        let trace = s.probe.trace(l, h, at).or_else(|| s.traced.clone())?;
        let (l, h, at) = (trace.layer, trace.head, trace.position);
        let only = s.traced.as_ref().map(|_| format!("This recorded run kept the numbers of one head only: layer {}, head {}, the last token. Run it here, or take a text of your own, and any can be read.", l + 1, h + 1));
        let most = (0..=at).max_by(|&a, &b| trace.weights[a].total_cmp(&trace.weights[b])).unwrap_or(0);
        let key_at = key.get().unwrap_or(most).min(s.words.len() - 1);
        let all = operations(&s, &trace, l, key_at, key);
        let shown = all.into_iter().take(step.get().min(STEPS - 1) + 1).collect_view();
        Some(view! { <p class="note">{only}</p><ol class="operations">{shown}</ol> })
    };
    view! {
        {move || match body() {
            Some(body) => body.into_any(),
            None => view! { <p class="empty">"After the run: token, query and keys, scores, scale, mask, softmax, mixture."</p> }.into_any(),
        }}
        <Stepper what="operation" index=step count=STEPS />
    }
}

/// What each operation makes.
fn operations(
    s: &Seen,
    trace: &HeadTrace,
    layer: usize,
    key_at: usize,
    key: RwSignal<Option<usize>>,
) -> Vec<AnyView> {
    let list = |x: &[f32]| x.iter().map(|v| typeset(&format!("{v:.2}"))).collect::<Vec<_>>().join("  ");
    let (at, d) = (trace.position, trace.query.len());
    let (own, other) = (&s.words[at], &s.words[key_at]);
    let strip = |title: &'static str, values: Vec<Option<f64>>| {
        let most = values.iter().flatten().map(|v| v.abs()).fold(1e-9, f64::max);
        let cells = s.words.iter().zip(values).enumerate().map(|(j, (w, v))| {
            let (text, style) = match v {
                None => ("−∞".to_owned(), String::new()),
                Some(v) => {
                    let color = if v < 0.0 { "var(--s2)" } else { "var(--s1)" };
                    (typeset(&format!("{v:.2}")), format!("background: color-mix(in srgb, {color} {:.0}%, var(--raised)); color: var(--ink)", v.abs() / most * 45.0))
                }
            };
            view! { <button type="button" class="token" style=style aria-pressed=(j == key_at).to_string() on:click=move |_| key.set(Some(j))>{w.clone()}<i>{text}</i></button> }
        }).collect_view();
        view! { <p class="tokens small" role="group" aria-label=title>{cells}</p> }
    };
    let input = s.probe.input(layer, at).map_or_else(
        || "Its numbers are kept for the last moment of the training only.".to_owned(),
        |x| format!("{}  …", list(&x[..x.len().min(16)])),
    );
    let product: f64 = trace.scores[key_at];
    let divided = if s.probe.scaled {
        format!("3 · divided by √d = √{d} = {:.2}", (d as f64).sqrt())
    } else {
        format!(
            "3 · not divided by √d = {:.2}: this model goes on from the scores themselves",
            (d as f64).sqrt()
        )
    };
    let before: Vec<Option<f64>> =
        if s.probe.scaled { &trace.scaled } else { &trace.scores }.iter().map(|x| Some(*x)).collect();
    let sum: f64 = trace.weights.iter().map(|&w| f64::from(w)).sum();
    let item = |title: String, body: AnyView| view! { <li><h3>{title}</h3>{body}</li> }.into_any();
    vec![
        item(
            format!("0 · “{own}” at place {}: the vector that the layer reads, {} numbers", at + 1, d * s.probe.heads),
            view! { <p class="vector">{input}</p> }.into_any(),
        ),
        item(
            format!("1 · times three matrices: query, key, value, {d} numbers each"),
            view! {
                <p class="vector"><b>{format!("q of “{own}”    ")}</b>{list(&trace.query)}</p>
                <p class="vector"><b>{format!("k of “{other}”    ")}</b>{list(&trace.keys[key_at])}</p>
                <p class="vector"><b>{format!("v of “{other}”    ")}</b>{list(&trace.values[key_at])}</p>
                <p class="note">{typeset(&format!("q · k, the sum of {d} products: {product:.3}. Press a token below to read its key and value."))}</p>
            }
            .into_any(),
        ),
        item(
            "2 · q · k with every token".into(),
            strip("Scores", trace.scores.iter().map(|x| Some(*x)).collect()).into_any(),
        ),
        item(divided, strip("Scaled scores", before).into_any()),
        item(
            "4 · masked: what is yet to come is struck out".into(),
            strip("Masked scores", trace.masked.clone()).into_any(),
        ),
        item(
            format!("5 · softmax: shares, which sum to {sum:.3}"),
            strip("Shares", trace.weights.iter().map(|w| Some(f64::from(*w))).collect()).into_any(),
        ),
        item(
            format!("6 · the mixture of the values, {d} numbers"),
            view! { <p class="vector">{list(&trace.mix)}</p> }.into_any(),
        ),
    ]
}
