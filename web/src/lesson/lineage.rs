//! "Your model": what has been made of the base so far, by whom, and how to take it further.

use super::LessonStore;
use super::ask::Unanswered;
use super::further::TakeFurther;
use super::store::Model;
use crate::browser;
use crate::format::{bytes, grouped, sentence};
use gradus_lessons::ask::{Continuation, Continue, Description, PromptText};
use gradus_lessons::recipe::{Lesson, Role};
use leptos::task::spawn_local;
use leptos::{ev, html, prelude::*};
use std::collections::BTreeMap;

/// What is known of the models after they were measured.
type Measured = RwSignal<BTreeMap<Role, Result<Description, String>>>;

/// The models of the course, from which each was made, and their files; and all of them asked the same.
#[component]
pub(crate) fn Lineage(store: LessonStore) -> impl IntoView {
    let measured: Measured = RwSignal::new(BTreeMap::new());
    let place = NodeRef::<html::Section>::new();
    // Measured when they come into sight: the engine is not loaded for a list that nobody looks at.
    let seen = RwSignal::new(false);
    Effect::new(move |_| {
        if let Some(element) = place.get() {
            browser::when_seen(&element, move || seen.set(true));
        }
    });
    let measuring = RwSignal::new(false);
    Effect::new(move |_| {
        let busy = store.busy.get();
        if busy {
            // Who runs again mends what kept the engine from answering: it is asked once more.
            measured.update_untracked(|m| m.retain(|_, answer| answer.is_ok()));
        }
        let wanted = store.models.with(|m| m.keys().any(|r| !measured.with(|d| d.contains_key(r))));
        if !seen.get() || busy || !wanted || measuring.get() {
            return;
        }
        measuring.set(true);
        spawn_local(async move {
            let roles: Vec<Role> = store.models.with_untracked(|m| m.keys().copied().collect());
            for role in roles {
                // A run of the learner's goes first.
                if store.busy.get_untracked() {
                    break;
                }
                if measured.with_untracked(|m| !m.contains_key(&role)) {
                    let made = store.models.with_untracked(|m| m.get(&role).cloned());
                    let answer = match store.ask_describe(role).await {
                        Ok(known) => Ok(known),
                        Err(Unanswered::Because(why)) => Err(why),
                        // No answer to keep: it is asked again.
                        Err(Unanswered::Stopped) => continue,
                    };
                    // Another may have taken its place meanwhile.
                    if made == store.models.with_untracked(|m| m.get(&role).cloned()) {
                        measured.update(|m| drop(m.insert(role, answer)));
                    }
                }
            }
            measuring.set(false);
        });
    });
    view! {
        <section class="card lineage" data-testid="model-lineage" aria-labelledby="lineage-title" node_ref=place>
            <header><h2 id="lineage-title">"Your model"</h2><small>"base → SFT, reward, PPO, DPO · draft"</small></header>
            <ol>{Role::ALL.map(|role| view! { <Item store measured role /> }).collect_view()}</ol>
            <p class="note">"Loss: nats a token on held-out text of the course’s language, the same for all; no model gets below that text’s entropy, in brackets (lesson 1 takes another mix of texts). What is fine-tuned on answers forgets some of that text."</p>
            <AskAll store />
            <TakeFurther store />
        </section>
    }
}

/// What a role is called, and which lesson makes it.
pub(super) fn words(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Base => ("base", "pretrained on the course’s language"),
        Role::Sft => ("SFT", "answers questions · step 5"),
        Role::RlStart => ("start of RLHF", "SFT on mixed demonstrations · step 6"),
        Role::Reward => ("reward model", "scores answers · step 6"),
        Role::Ppo => ("PPO", "earns the reward · step 6"),
        Role::Dpo => ("DPO", "prefers without a reward model · step 7"),
        Role::Draft => ("draft", "guesses ahead for the base · step 8"),
    }
}

/// When and how a model was made, and where it is kept.
fn origin(model: Option<Model>) -> String {
    match model {
        None => "not made yet".to_owned(),
        Some(Model { made: None, bytes: n }) => format!("came with the page · {}", bytes(n)),
        Some(Model { made: Some(made), bytes: n }) => {
            let by = made.lesson.map_or("opened from a file".to_owned(), |l| {
                let number = Lesson::ALL.iter().position(|x| *x == l).map_or(0, |i| i + 1);
                format!("yours: step {number}, seed {}, on {}", made.seed, made.device)
            });
            format!("{by} · {} · {} · kept in this browser", day(made.when), bytes(n))
        }
    }
}

/// The day of a time in milliseconds since 1970, where the reader is. (The browser's own words for it cost tens of
/// milliseconds the first time.)
fn day(when: f64) -> String {
    let date = js_sys::Date::new(&when.into());
    format!("{}-{:02}-{:02}", date.get_full_year(), date.get_month() + 1, date.get_date())
}

/// A model's size and loss in one line.
fn size_and_loss(known: &Description) -> String {
    let size = format!(
        "{} parameters, {} layer{} × {}",
        grouped(known.parameters),
        known.n_layer,
        if known.n_layer == 1 { "" } else { "s" },
        known.n_embd
    );
    match known.held_out {
        Some(held) => format!("{size} · loss {:.3} ({:.3})", held.loss, held.floor),
        None if known.scored => format!("{size} · writes nothing, so it has no loss"),
        None => format!("{size} · of another language"),
    }
}

#[component]
fn Item(store: LessonStore, measured: Measured, role: Role) -> impl IntoView {
    let model = Memo::new(move |_| store.models.with(|m| m.get(&role).cloned()));
    // What was measured is of the model that was there then.
    Effect::new(move |before: Option<Option<Model>>| {
        let now = model.get();
        if before.is_some_and(|b| b != now) {
            measured.update(|m| drop(m.remove(&role)));
        }
        now
    });
    let (name, what) = words(role);
    let opened = move |event: ev::Event| {
        if let Some(file) = browser::chosen_file(&event) {
            store.open_file(role, file);
        }
    };
    let own = move || model.get().is_some_and(|m| m.made.is_some());
    let line = move || {
        measured.with(|m| match m.get(&role) {
            Some(Ok(known)) => size_and_loss(known),
            Some(Err(why)) => why.clone(),
            None if model.with(Option::is_some) => "not measured yet".into(),
            None => String::new(),
        })
    };
    view! {
        <li data-role=role.slug() data-have=move || model.get().is_some().to_string()>
            <b>{name}</b><span>{what}</span>
            <small data-testid=format!("size-{}", role.slug())>{line}</small>
            <small>{move || origin(model.get())}</small>
            <span class="acts">
                <Show when=move || model.get().is_some()>
                    <button type="button" class="quiet" on:click=move |_| store.download(role)
                        aria-label=format!("Download the {name} model as a Hugging Face folder")>"Download"</button>
                </Show>
                <label class="button quiet" data-testid=format!("upload-{}", role.slug())>"Open"
                    <input type="file" accept=".zip" class="unseen" on:change=opened
                        aria-label=format!("Open a {name} model from a zip of its Hugging Face folder") />
                </label>
                <Show when=own>
                    <button type="button" class="quiet" on:click=move |_| store.forget_model(role)
                        aria-label=format!("Forget your {name} model")>"Forget"</button>
                </Show>
            </span>
        </li>
    }
}

/// Prompts to begin with: what they ask, and whether they stand as a user's turn.
const PROMPTS: [(&str, &str, bool); 6] = [
    ("a question", "where does tom reed live ?", true),
    ("about an animal", "what colour is the fox ?", true),
    ("a statement to complete", "tom reed lives in the", false),
    ("a song, begun again", "la zup bim dax ! la zup", false),
    ("a dictionary", "zup red ; bim goat ; zup", false),
    ("the beginning of a text", "", false),
];

/// What a stage said to the prompt.
type Said = Result<Continuation, String>;

/// One and the same prompt, answered by every stage that there is.
#[component]
fn AskAll(store: LessonStore) -> impl IntoView {
    let text = RwSignal::new(PROMPTS[0].1.to_owned());
    let chat = RwSignal::new(PROMPTS[0].2);
    let said = RwSignal::new(Vec::<(Role, Said)>::new());
    let asking = RwSignal::new(false);
    let ask = move || {
        if asking.get_untracked() {
            return;
        }
        asking.set(true);
        said.set(Vec::new());
        let prompt = PromptText { text: text.get_untracked(), chat: chat.get_untracked() };
        spawn_local(async move {
            let roles: Vec<Role> = store.models.with_untracked(|m| m.keys().copied().collect());
            for role in roles.into_iter().filter(|r| *r != Role::Reward) {
                let ask =
                    Continue { prompt: prompt.clone(), max_tokens: 24, temperature: 0.0, seed: 1, top: 3 };
                let answer = store.ask_continue(role, ask).await;
                said.update(|s| s.push((role, answer)));
            }
            asking.set(false);
        });
    };
    let chosen = move |index: &str| {
        if let Some(&(_, words, turn)) = index.parse::<usize>().ok().and_then(|i| PROMPTS.get(i)) {
            text.set(words.to_owned());
            chat.set(turn);
        }
    };
    let truth = move || {
        said.with(|s| s.iter().find_map(|(_, said)| said.as_ref().ok()?.truth.clone()))
            .map(|t| format!("True in this world: “{t}”"))
    };
    view! {
        <div class="ask-all" data-testid="ask-all">
            <h3>"The same prompt at every stage"</h3>
            <div class="ask-row">
                <label class="inline">"prompt"
                    <select on:change=move |e| chosen(&event_target_value(&e))>
                        {PROMPTS.iter().enumerate().map(|(i, p)| view! { <option value=i.to_string()>{p.0}</option> }).collect_view()}
                    </select>
                </label>
                <label class="inline check"><input type="checkbox" prop:checked=move || chat.get()
                    on:change=move |e| chat.set(event_target_checked(&e)) />"as a user’s turn"</label>
            </div>
            <super::prompt::PromptField label="its words" id="ask-prompt" text />
            <button type="button" class="main" data-testid="ask-stages" disabled=move || asking.get() on:click=move |_| ask()>
                {move || if asking.get() { "Asking …" } else { "Ask every stage" }}
            </button>
            <ul class="said-by" aria-live="polite" aria-busy=move || asking.get().to_string()>
                <For each=move || said.get() key=|s| s.0 let:entry>{answer(entry)}</For>
            </ul>
            <p class="note" data-testid="truth">{truth}</p>
            <Show when=move || !said.with(Vec::is_empty)>
                <p class="note">"Each stage takes its likeliest word (greedy). The number under a word is the probability that it had, from 0 to 1."</p>
            </Show>
        </div>
    }
}

/// One stage's answer, word by word.
fn answer((role, said): (Role, Said)) -> impl IntoView {
    let name = words(role).0;
    let body = match said {
        Ok(said) => {
            let tokens = said.answer().iter().map(|place| {
                view! {
                    <span class="token">{place.word.clone()}<i>{place.p.map(|p| format!("{p:.2}"))}</i></span>
                }
            });
            let end = if said.ended { "ended by itself" } else { "cut off" };
            view! {
                <p class="tokens small">{tokens.collect_view()}</p>
                <small>{format!("{end} · {} parameters · {} weights changed", grouped(said.parameters), said.weights_changed)}</small>
            }
            .into_any()
        }
        Err(why) => view! { <p class="field-error">{sentence(&why)}</p> }.into_any(),
    };
    view! { <li data-said=role.slug()><b>{name}</b><div>{body}</div></li> }
}
