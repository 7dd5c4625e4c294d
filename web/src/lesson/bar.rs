//! The run bar: run, pause, step, reset, speed, seed, device, length, the lesson's knobs, share, export; and how far
//! the run is and what it costs.

use super::LessonStore;
use super::choices::{size, size_name};
use super::controls::{KnobField, Seed};
use super::data::SaveData;
use super::gauges::Gauges;
use super::present::PresentButton;
use super::start::StartsFrom;
use super::state::{Phase, State};
use crate::browser;
use crate::url::{device, device_name};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::time::Duration;

/// Steps a second that can be chosen; 0 is no limit.
const PACES: [(f64, &str); 4] =
    [(0.0, "full speed"), (20.0, "20 steps/s"), (5.0, "5 steps/s"), (1.0, "1 step/s")];

/// Everything that makes the lesson run. It stays where it is while the laboratory is scrolled.
#[component]
pub(crate) fn RunBar(store: LessonStore) -> impl IntoView {
    let (phase, busy) = (store.phase, store.busy);
    let run_label = move || match phase.get() {
        Phase::Running => "Running",
        Phase::Paused => "Go on",
        Phase::Done => "Run again",
        Phase::Ready | Phase::Failed => "Run",
    };
    view! {
        <section class="card bar" data-testid="bar" data-phase=move || phase.get().name() aria-label="Run">
            <div class="transport">
                <button type="button" class="main" data-testid="run" disabled=move || phase.get() == Phase::Running
                    on:click=move |_| store.run_or_resume()>{run_label}</button>
                <button type="button" data-testid="pause" disabled=move || phase.get() != Phase::Running
                    on:click=move |_| store.pause()>"Pause"</button>
                <button type="button" data-testid="step" on:click=move |_| store.step()>"Step"</button>
                <button type="button" data-testid="reset" on:click=move |_| store.reset()>
                    {move || if busy.get() { "Stop" } else { "Reset" }}
                </button>
                <span class="push"></span>
                <PresentButton present=store.present />
                <Share />
                <Export store />
            </div>
            <Gauges store />
        </section>
    }
}

/// What the next run is made with.
#[component]
pub(crate) fn Settings(store: LessonStore) -> impl IntoView {
    let busy = store.busy;
    view! {
        <section class="card settings" aria-label="Settings of the next run">
            <div class="knobs">
                <Seed store />
                <Device store />
                <label>"length"
                    <select data-testid="size" disabled=busy
                        prop:value=move || store.choices.with(|c| size_name(c.size))
                        on:change=move |e| if let Some(s) = size(&event_target_value(&e)) {
                            store.choices.update(|c| c.size = s);
                        }>
                        <option value="smoke">"quick try"</option>
                        <option value="default">"the lesson: minutes"</option>
                        <option value="full">"long: many minutes"</option>
                    </select>
                </label>
                <label>"speed"
                    <select data-testid="speed"
                        on:change=move |e| store.set_pace(event_target_value(&e).parse().unwrap_or(0.0))>
                        {PACES.map(|(pace, name)| view! { <option value=pace.to_string()>{name}</option> })}
                    </select>
                </label>
            </div>
            <div class="knobs own" role="group" aria-label="Knobs of this lesson">
                {store.knobs.iter().map(|knob| view! { <KnobField store knob /> }).collect_view()}
            </div>
            <StartsFrom store />
        </section>
    }
}

/// Where it computes; says so where the browser has no WebGPU.
#[component]
fn Device(store: LessonStore) -> impl IntoView {
    let webgpu = browser::has_webgpu();
    view! {
        <label>"device"
            <select data-testid="device" disabled=store.busy
                prop:value=move || store.choices.with(|c| device_name(c.device))
                on:change=move |e| if let Some(d) = device(&event_target_value(&e)) {
                    store.choices.update(|c| c.device = d);
                }>
                <option value="auto">"the quicker one"</option>
                <option value="gpu">{if webgpu { "GPU (WebGPU)" } else { "GPU: no WebGPU here" }}</option>
                <option value="cpu">"CPU (Wasm)"</option>
            </select>
        </label>
    }
}

/// Copies the link that reproduces the screen.
#[component]
fn Share() -> impl IntoView {
    let said = RwSignal::new("Share");
    let share = move |_| {
        let Ok(address) = window().location().href() else { return };
        let copied = browser::copy(&address);
        spawn_local(async move {
            said.try_set(if copied.await { "Link copied" } else { "Copy it from the address bar" });
            set_timeout(
                move || {
                    let _ = said.try_set("Share");
                },
                Duration::from_secs(3),
            );
        });
    };
    view! {
        <button type="button" class="share" data-testid="share" on:click=share>
            <span aria-live="polite">{move || said.get()}</span>
        </button>
    }
}

/// The run's numbers as files.
#[component]
fn Export(store: LessonStore) -> impl IntoView {
    let name = move |end: &str| {
        format!("gradus-{}-seed{}.{end}", store.lesson.slug(), store.state.with_untracked(|s| s.seed))
    };
    let empty = Memo::new(move |_| store.state.with(|s| s.runs.is_empty() && s.seconds.is_none()));
    let report = move || {
        let (checks, figures) = (store.checks.get_untracked(), store.raw_figures());
        let (seed, device, seconds) =
            store.state.with_untracked(|s| (s.seed, s.device.as_ref().map(|d| d.name.clone()), s.seconds));
        serde_json::json!({
            "lesson": store.lesson.slug(), "seed": seed, "device": device, "seconds": seconds,
            "checks": checks, "figures": figures,
        })
        .to_string()
    };
    view! {
        <details class="menu">
            <summary class="button" data-testid="export">"Export"</summary>
            <div role="group" aria-label="Export">
                <button type="button" disabled=empty data-export="csv"
                    on:click=move |_| browser::save_text(&name("csv"), &store.state.with_untracked(State::csv))>"Metrics, CSV"</button>
                <button type="button" disabled=empty data-export="jsonl"
                    on:click=move |_| browser::save_text(&name("jsonl"), &store.state.with_untracked(State::jsonl))>"Metrics, JSONL"</button>
                <button type="button" disabled=empty data-export="json"
                    on:click=move |_| browser::save_text(&name("json"), &report())>"Checks and figures, JSON"</button>
                <SaveData store />
            </div>
        </details>
    }
}
