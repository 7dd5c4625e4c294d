//! For teachers: large type for a projector, the prose hidden, and the answers hidden until they are revealed.

use leptos::ev;
use leptos::prelude::*;

/// Kept for the visit, so that the next lesson is presented too.
const KEY: &str = "gradus.present";

/// Whether the page is presented, and whether its answers may be seen.
#[derive(Clone, Copy)]
pub(crate) struct Present {
    /// Large type, no prose.
    pub(crate) on: RwSignal<bool>,
    /// The answers have been revealed.
    pub(crate) revealed: RwSignal<bool>,
}

impl Present {
    /// As the visit left it.
    pub(crate) fn new() -> Self {
        let kept = window().session_storage().ok().flatten().and_then(|s| s.get_item(KEY).ok().flatten());
        Self { on: RwSignal::new(kept.is_some()), revealed: RwSignal::new(false) }
    }

    /// Keeps the page's root marked, from which the style follows, and lets Escape end it.
    pub(crate) fn follow(self) {
        Effect::new(move |_| {
            let (on, revealed) = (self.on.get(), self.revealed.get());
            if let Some(root) = document().document_element() {
                for (name, set) in [("data-present", on), ("data-conceal", on && !revealed)] {
                    let _ = if set { root.set_attribute(name, "") } else { root.remove_attribute(name) };
                }
            }
            if let Ok(Some(storage)) = window().session_storage() {
                // Where nothing can be kept only this page is presented.
                let _ = if on { storage.set_item(KEY, "on") } else { storage.remove_item(KEY) };
            }
        });
        let handle = window_event_listener(ev::keydown, move |event| {
            if event.key() != "Escape" {
                return;
            }
            // A menu, a dialog or a glossary entry that is open closes first.
            let find = |what| document().query_selector(what).ok().flatten();
            if let Some(menu) = find("details.menu[open]") {
                let _ = menu.remove_attribute("open");
            } else if self.on.get_untracked() && find("dialog[open], [popover]:popover-open").is_none() {
                self.on.set(false);
            }
        });
        on_cleanup(move || handle.remove());
    }

    /// A new run has new answers.
    pub(crate) fn conceal(self) {
        self.revealed.set(false);
    }
}

/// Begins and ends it.
#[component]
pub(super) fn PresentButton(present: Present) -> impl IntoView {
    view! {
        <button type="button" data-testid="present" aria-pressed=move || present.on.get().to_string()
            title="Large type, prose and answers hidden; Escape leaves"
            on:click=move |_| {
                present.revealed.set(false);
                present.on.update(|o| *o = !*o);
            }>
            {move || if present.on.get() { "Leave (Esc)" } else { "Present" }}
        </button>
    }
}

/// Shows the answers to the class; there only while the page is presented.
#[component]
pub(super) fn RevealButton(present: Present) -> impl IntoView {
    view! {
        <Show when=move || present.on.get()>
            <p class="concealed">
                <Show when=move || !present.revealed.get()
                    fallback=|| view! { <span>"The answers are shown."</span> }>
                    <span>"The answers are hidden: let everyone commit to a prediction first."</span>
                </Show>
                <button type="button" class="main" data-testid="reveal"
                    aria-pressed=move || present.revealed.get().to_string()
                    on:click=move |_| present.revealed.update(|r| *r = !*r)>
                    {move || if present.revealed.get() { "Hide again" } else { "Reveal" }}
                </button>
            </p>
        </Show>
    }
}
