//! The laboratory of a lesson: run bar, pictures, table, models.

use super::bar::{RunBar, Settings};
use super::checks::Checks;
use super::lineage::Lineage;
use super::state::{Phase, Shown};
use super::{LessonStore, pictures, predict};
use crate::browser;
use gradus_core::protocol::DeviceChoice;
use gradus_lessons::recipe::Lesson;
use leptos::portal::Portal;
use leptos::prelude::*;

/// The lesson of this short name.
pub(crate) fn lesson_named(slug: &str) -> Option<Lesson> {
    Lesson::ALL.into_iter().find(|l| l.slug() == slug)
}

/// All that stands beside the prose.
#[component]
pub(crate) fn LessonPage(store: LessonStore) -> impl IntoView {
    predict::follow(store);
    store.present.follow();
    let place = document().get_element_by_id("device-place");
    let known = Memo::new(move |_| store.state.with(|s| s.device.as_ref().map(|d| (d.name.clone(), d.gpu))));
    let device = move || {
        known.get().map(|(name, gpu)| {
            let kind = if gpu { "WebGPU" } else { "CPU" };
            let name = if name.contains("CPU") { name } else { format!("{name} · {kind}") };
            view! { <span class="tag"><i class="dot" class:waiting=move || !store.busy.get()></i><span class="name">{name}</span></span> }
        })
    };
    view! {
        <RunBar store />
        <Notice store />
        <NoWebGpu store />
        <Settings store />
        <Origin store />
        <p class="note concealed-note">"What came is hidden until “Reveal” is pressed, beside the prediction."</p>
        <div class="pictures" data-shown=move || store.shown.get().name()
            data-stale=move || store.stale().to_string()>{pictures::of(store)}</div>
        <Checks store />
        <Lineage store />
        <predict::Reveal store />
        {place.map(|mount| view! { <Portal mount>{device}</Portal> })}
    }
}

/// What a reader without WebGPU should know before a run.
#[component]
fn NoWebGpu(store: LessonStore) -> impl IntoView {
    let asked = move || store.choices.with(|c| c.device == DeviceChoice::Gpu);
    view! {
        <Show when=|| !browser::has_webgpu()>
            <p class="note no-webgpu" data-testid="no-webgpu">
                "This browser offers no WebGPU, so runs are computed on the CPU in WebAssembly: the same steps, more slowly. "
                "For the GPU open the page in a recent Chrome, Edge or Safari, over https or on localhost."
                <Show when=asked>" The device chosen is the GPU; the run will take the CPU instead."</Show>
            </p>
        </Show>
    }
}

/// What went wrong, and what to do.
#[component]
fn Notice(store: LessonStore) -> impl IntoView {
    let failure = Memo::new(move |_| {
        store.state.with(|s| (s.phase == Phase::Failed).then(|| s.failure.clone()).flatten())
    });
    view! {
        <div role="alert">
            {move || failure.get().map(|text| view! {
                <div class="message" data-tone="error" data-testid="failure">
                    <p>{crate::format::sentence(&text)}</p>
                    <div class="answers"><button type="button" on:click=move |_| store.run()>"Run again"</button></div>
                </div>
            })}
            {move || store.notice.get().map(|text| view! {
                <div class="message" data-tone="warning" data-testid="notice">
                    <p>{text}</p>
                    <div class="answers">
                        <button type="button" on:click=move |_| store.notice.set(None)>"Close"</button>
                    </div>
                </div>
            })}
        </div>
    }
}

/// Whose numbers are on the screen.
#[component]
fn Origin(store: LessonStore) -> impl IntoView {
    let text = Memo::new(move |_| {
        let stale = store.stale();
        let wanted_gpu = store.choices.with(|c| c.device == DeviceChoice::Gpu);
        store.state.with(|s| {
            let device = s.device.as_ref().map_or("an unknown device", |d| d.name.as_str());
            match s.shown {
                Shown::Nothing => "Nothing has been run yet. Press Run: everything you will see is computed here.".into(),
                Shown::Shipped => format!(
                    "You see a recorded run that came with the page: the lesson’s length, seed {}, {} on {device}. Press Run to make your own.",
                    s.seed,
                    crate::format::duration(s.seconds.unwrap_or(0.0)),
                ),
                Shown::Kept => format!("Your last run, kept in this browser: seed {}, on {device}.", s.seed),
                Shown::Live => match s.phase {
                    Phase::Done => format!("Your run: seed {}, on {device}.", s.seed),
                    Phase::Failed => "The run failed before its end: curves stop where it did.".into(),
                    _ if s.device.as_ref().is_some_and(|d| !d.gpu) && wanted_gpu => format!(
                        "Live, from seed {}, on the CPU instead of the GPU: {}.",
                        s.seed,
                        s.device.as_ref().map_or("", |d| d.reason.trim_end_matches('.')),
                    ),
                    _ if stale => format!(
                        "Live, from seed {}. Pictures marked “the run before” are drawn anew when this one is done.",
                        s.seed,
                    ),
                    _ => format!("Live, from seed {}.", s.seed),
                },
            }
        })
    });
    view! { <p class="origin" data-testid="origin" data-shown=move || store.shown.get().name()>{text}</p> }
}
