//! The home page: a model that learns while you look. Its prose and the stair of steps are plain HTML in
//! `index.html`, so that they are there before any of this is loaded.

use crate::store::Store;
use crate::views::{DeviceBadge, LossChart, Numbers, SampleText};
use crate::widgets::{Files, Knobs, Message, OwnTextButton, OwnTextDialog, Spoken, Status, Transport};
use gradus_core::protocol::Source;
use leptos::{portal::Portal, prelude::*};

/// The card “Learning right now”, and the two places outside of it that belong to the run.
#[component]
pub(crate) fn Laboratory(store: Store) -> impl IntoView {
    let seed = RwSignal::new(String::new());
    let subject = move || {
        store.run.with(|r| match r.started.as_ref().map(|s| &s.config.source) {
            Some(Source::Text { .. }) => "Learning your text",
            _ => "Learning right now",
        })
    };
    let place = |id| document().get_element_by_id(id);
    view! {
        <header>
            <h2>{subject}</h2>
            <Status store />
        </header>
        <Message store />
        <SampleText store />
        <LossChart store />
        <Numbers store />
        <Transport store seed />
        <Knobs store seed />
        <Files store />
        <Spoken store />
        <OwnTextDialog store />
        {place("device-place").map(|mount| view! { <Portal mount><DeviceBadge store /></Portal> })}
        {place("actions-place").map(|mount| view! { <Portal mount><OwnTextButton store /></Portal> })}
    }
}
