//! Remembers predictions and quiz answers, and lets the page know when a run of the learner's own is done. The forms
//! stand in the page's HTML and work without this.

use super::LessonStore;
use super::present::RevealButton;
use super::state::{Phase, Shown};
use gradus_lessons::recipe::Size;
use leptos::portal::Portal;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, Event, HtmlInputElement};

/// Restores what was chosen, keeps what will be, and marks the page when the answer may be shown.
pub(crate) fn follow(store: LessonStore) {
    let Some(main) = document().query_selector("main.lesson").ok().flatten() else { return };
    let slug = store.lesson.slug();
    restore(&main, slug);
    let on_change = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        let input = event.target().and_then(|t| t.dyn_into::<HtmlInputElement>().ok());
        if let (Some(input), Ok(Some(storage))) =
            (input.filter(|i| i.type_() == "radio"), window().local_storage())
        {
            // A full or forbidden store only means that the choice is forgotten with the page.
            let _ = storage.set_item(&key(slug, &input.name()), &input.value());
        }
    });
    let _ = main.add_event_listener_with_callback("change", on_change.as_ref().unchecked_ref());
    on_change.forget();
    Effect::new(move |_| {
        let (phase, own) = (store.phase.get(), matches!(store.shown.get(), Shown::Live | Shown::Kept));
        let done = own && phase == Phase::Done;
        let _ = main.set_attribute("data-phase", if done { "done" } else { phase.name() });
        let quick = store.state.with_untracked(|s| s.size == Size::Smoke);
        let _ = main.toggle_attribute_with_force("data-quick", quick);
    });
}

fn key(slug: &str, name: &str) -> String {
    format!("gradus.{slug}.{name}")
}

fn restore(main: &Element, slug: &str) {
    let (Ok(Some(storage)), Ok(inputs)) =
        (window().local_storage(), main.query_selector_all("input[type=radio]"))
    else {
        return;
    };
    for i in 0..inputs.length() {
        let Some(input) = inputs.get(i).and_then(|n| n.dyn_into::<HtmlInputElement>().ok()) else { continue };
        if storage.get_item(&key(slug, &input.name())).ok().flatten().is_some_and(|v| v == input.value()) {
            input.set_checked(true);
        }
    }
}

/// The teacher's button, within the form of the prediction.
#[component]
pub(crate) fn Reveal(store: LessonStore) -> impl IntoView {
    let form = document().query_selector("form.predict").ok().flatten();
    form.map(|mount| view! { <Portal mount><RevealButton present=store.present /></Portal> })
}
