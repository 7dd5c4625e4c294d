//! Free text: the model goes on, and at every place one can read what it expected.

use super::super::super::LessonStore;
use super::super::super::prompt::PromptField;
use super::super::parts::{Card, ModelChoice, bar};
use crate::format::sentence;
use gradus_lessons::ask::{Continuation, Continue, PromptText};
use gradus_lessons::recipe::Role;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// A prompt of the learner's own.
#[component]
pub(super) fn FreeText(store: LessonStore) -> impl IntoView {
    let role = RwSignal::new(Role::Base);
    let text = RwSignal::new("zup red ; bim goat ; zup red ; bim".to_owned());
    let temperature = RwSignal::new(0.0_f32);
    let (seed, place) = (RwSignal::new(1_u32), RwSignal::new(usize::MAX));
    let said = RwSignal::new(None::<Continuation>);
    let (asking, wrong) = (RwSignal::new(false), RwSignal::new(None::<String>));
    let ask = move |_| {
        if asking.get_untracked() {
            return;
        }
        asking.set(true);
        let ask = Continue {
            prompt: PromptText { text: text.get_untracked(), chat: false },
            max_tokens: 16,
            temperature: temperature.get_untracked(),
            seed: seed.get_untracked(),
            top: 6,
        };
        // What is drawn is drawn anew each time.
        seed.update(|s| *s += 1);
        spawn_local(async move {
            match store.ask_continue(role.get_untracked(), ask).await {
                Ok(found) => {
                    wrong.set(None);
                    place.set(found.prompt - 1);
                    said.set(Some(found));
                }
                Err(why) => wrong.set(Some(sentence(&why))),
            }
            asking.set(false);
        });
    };
    let body = move || {
        said.with(|s| {
            let s = s.as_ref()?;
            let at = place.get().min(s.places.len() - 1);
            let tokens = s.places.iter().enumerate().map(|(i, p)| view! {
                <button type="button" class="token" data-bears=(i >= s.prompt).to_string() aria-pressed=(i == at).to_string()
                    on:click=move |_| place.set(i)>{p.word.clone()}<i>{p.p.map_or("–".to_owned(), |p| format!("{p:.2}"))}</i></button>
            });
            let here = &s.places[at];
            let bars = here.next.iter().map(|c| bar(c.word.clone(), c.p, 1, format!("{:.3}", c.p)));
            Some(view! {
                <p class="tokens small" data-testid="continued">{tokens.collect_view()}</p>
                <h3>{format!("Expected after “{}”, place {}", here.word, at + 1)}</h3>
                <ul class="bars tight" data-testid="expected-next">{bars.collect_view()}</ul>
                <p class="note">{format!("Entropy here: {:.2} nats. Under each word: the probability that it had. Marked words are the model’s; press a word to see what was expected after it. Weights changed: {}.", here.entropy, s.weights_changed)}</p>
            })
        })
    };
    view! {
        <Card title="Your own prompt" lasting=true aside="any words of the language">
            <div class="ask-row">
                <ModelChoice store role />
                <label class="inline">"temperature"
                    <select on:change=move |e| if let Ok(t) = event_target_value(&e).parse() { temperature.set(t) }>
                        <option value="0">"0: the likeliest word"</option><option value="0.7">"0.7"</option><option value="1">"1: as it believes"</option>
                    </select>
                </label>
            </div>
            <PromptField label="prompt" id="free-text" text />
            <div class="ask-row">
                <button type="button" class="main" data-testid="continue" disabled=move || asking.get() on:click=ask>"Go on"</button>
            </div>
            <p class="field-error" aria-live="polite" data-testid="free-error">{move || wrong.get()}</p>
            {body}
        </Card>
    }
}
