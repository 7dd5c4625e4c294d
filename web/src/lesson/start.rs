//! From which models a run begins: those that came with the page, the learner's own, or one from a file.

use super::LessonStore;
use super::lineage::words;
use super::pictures;
use super::state::State;
use super::store::Model;
use crate::browser;
use crate::format::bytes;
use gradus_lessons::recipe::{Lesson, Role};
use leptos::task::spawn_local;
use leptos::{html, prelude::*};

/// One line for each model that the lesson needs; nothing where it makes its own.
#[component]
pub(super) fn StartsFrom(store: LessonStore) -> impl IntoView {
    let needs = pictures::needs(store.lesson);
    if needs.is_empty() {
        return view! {
            <p class="note starts" data-testid="starts-from">
                "This lesson needs no model: it trains its own from random weights."
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
    let input = NodeRef::<html::Input>::new();
    let opened = move |_| {
        let Some(element) = input.get_untracked() else { return };
        let Some(file) = element.files().and_then(|f| f.get(0)) else { return };
        // The same file may be chosen again.
        element.set_value("");
        spawn_local(async move {
            match browser::read_bytes(&file).await {
                Some(zip) => store.upload(role, zip),
                None => {
                    store.notice.set(Some("The browser could not read this file. Choose it again.".into()));
                }
            }
        });
    };
    let busy = move || store.state.with(State::busy);
    view! {
        <li data-start=role.slug() data-from=move || if missing() { "none" } else if shipped() { "shipped" } else { "own" }>
            <label><b>{name}</b>
                <select disabled=move || busy() || !own()
                    prop:value=move || if shipped() { "shipped" } else { "own" }
                    on:change=move |e| store.start_from_shipped(role, event_target_value(&e) == "shipped")>
                    <option value="shipped">{move || if missing() { "made on the way" } else { "the one that came with the page" }}</option>
                    <Show when=own>
                        <option value="own" selected=move || !shipped()>{move || model.get().as_ref().map(describe)}</option>
                    </Show>
                </select>
            </label>
            <label class="button quiet" class:disabled=busy>"Open a file …"
                <input type="file" accept=".zip" class="unseen" node_ref=input disabled=busy on:change=opened
                    aria-label=format!("Open a {name} model from a file, the zip of a Hugging Face folder") />
            </label>
        </li>
    }
}
