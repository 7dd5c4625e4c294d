//! From which models a run begins: those that came with the page, the learner's own, or one from a file.

use super::LessonStore;
use super::lineage::words;
use super::pictures;
use super::store::Model;
use crate::browser;
use crate::format::bytes;
use gradus_lessons::recipe::{Lesson, Role};
use leptos::{ev, prelude::*};

/// One line for each model that the lesson needs; nothing where it makes its own.
#[component]
pub(super) fn StartsFrom(store: LessonStore) -> impl IntoView {
    let needs = pictures::needs(store.lesson);
    if needs.is_empty() {
        let why = match store.lesson {
            Lesson::FlashAttention => {
                "This lesson needs no model: queries, keys and values are random numbers."
            }
            Lesson::FewShot => {
                "The run needs no model: it trains its own from random weights. The two cards in which you write ask a finished one."
            }
            _ => "This lesson needs no model: it trains its own from random weights.",
        };
        return view! {
            <p class="note starts" data-testid="starts-from">
                {why}
            </p>
        }
        .into_any();
    }
    view! {
        <section class="starts" data-testid="starts-from" aria-label="Models that the run begins from">
            <h3>"The run begins from"</h3>
            <ul>{needs.iter().map(|role| view! { <Start store role=*role /> }).collect_view()}</ul>
        </section>
    }
    .into_any()
}

/// What a model is, in a few words.
fn describe(model: &Model) -> String {
    let made = model.made.as_ref().map(|made| match made.lesson {
        Some(lesson) => {
            let step = Lesson::ALL.iter().position(|l| *l == lesson).map_or(0, |i| i + 1);
            format!("yours: step {step}, seed {}", made.seed)
        }
        None => "yours: from a file".to_owned(),
    });
    format!("{} · {}", made.as_deref().unwrap_or("came with the page"), bytes(model.bytes))
}

#[component]
fn Start(store: LessonStore, role: Role) -> impl IntoView {
    let (name, _) = words(role);
    let model = Memo::new(move |_| store.models.with(|m| m.get(&role).cloned()));
    let own = move || model.get().is_some_and(|m| m.made.is_some());
    let shipped = move || !own() || store.shipped_first.with(|s| s.contains(&role));
    let missing = move || model.get().is_none();
    let opened = move |event: ev::Event| {
        if let Some(file) = browser::chosen_file(&event) {
            store.open_file(role, file);
        }
    };
    let busy = store.busy;
    view! {
        <li data-start=role.slug() data-from=move || if missing() { "none" } else if shipped() { "shipped" } else { "own" }>
            <label><b>{name}</b>
                <select disabled=move || busy.get() || !own()
                    prop:value=move || if shipped() { "shipped" } else { "own" }
                    on:change=move |e| store.start_from_shipped(role, event_target_value(&e) == "shipped")>
                    <option value="shipped">{move || if missing() { "made on the way" } else { "the one that came with the page" }}</option>
                    <Show when=own>
                        <option value="own" selected=move || !shipped()>{move || model.get().as_ref().map(describe)}</option>
                    </Show>
                </select>
            </label>
            <label class="button quiet" class:disabled=move || busy.get()>"Open a file …"
                <input type="file" accept=".zip" class="unseen" disabled=busy on:change=opened
                    aria-label=format!("Open a {name} model from a file, the zip of a Hugging Face folder") />
            </label>
        </li>
    }
}
