//! Where the page wakes up.

use crate::lesson::{LessonPage, LessonStore, lesson_named};
use crate::widgets::ResetEverything;
use crate::{pages::Laboratory, stair, store::Store};
use leptos::mount::mount_to;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// Puts the laboratory of the home page into what `index.html` has already painted.
pub fn start_home() {
    let Some(place) = wake() else { return };
    mount_to(place, || {
        let store = Store::new();
        store.begin();
        view! { <Laboratory store /> }
    })
    .forget();
}

/// Puts a lesson's laboratory beside its text.
pub fn start_lesson() {
    let Some(place) = wake() else { return };
    let Some(lesson) = place.get_attribute("data-lesson").and_then(|slug| lesson_named(&slug)) else {
        leptos::logging::error!("the page names no lesson");
        return;
    };
    let root = place.get_attribute("data-root").unwrap_or_else(|| "./".into());
    mount_to(place, move || {
        let store = LessonStore::new(lesson, &root);
        store.begin();
        view! { <LessonPage store /> }
    })
    .forget();
}

/// What every page does first. Gives the place of its laboratory, empty.
fn wake() -> Option<HtmlElement> {
    std::panic::set_hook(Box::new(|info| {
        leptos::logging::error!("{info}");
        let place = document().get_element_by_id("fault");
        if let Some(place) = place.and_then(|p| p.dyn_into::<HtmlElement>().ok()) {
            place.set_hidden(false);
        }
    }));
    let place = document().get_element_by_id("laboratory").and_then(|p| p.dyn_into::<HtmlElement>().ok());
    let Some(place) = place else {
        leptos::logging::error!("the page has no element #laboratory");
        return None;
    };
    place.set_inner_html("");
    place.remove_attribute("aria-busy").ok();
    if let Some(foot) =
        document().get_element_by_id("reset-place").and_then(|p| p.dyn_into::<HtmlElement>().ok())
    {
        mount_to(foot, || view! { <ResetEverything /> }).forget();
    }
    stair::show();
    show_place_in_course();
    Some(place)
}

/// Scrolls the list of lessons, which is wider than a phone, to the one that is open.
fn show_place_in_course() {
    let find = |what| document().query_selector(what).ok().flatten();
    if let (Some(list), Some(here)) = (find(".lessons"), find(".lessons [aria-current]"))
        && let Ok(here) = here.dyn_into::<HtmlElement>()
    {
        list.set_scroll_left(here.offset_left() - (list.client_width() - here.offset_width()) / 2);
    }
}
