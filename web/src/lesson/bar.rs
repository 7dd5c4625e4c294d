//! The run bar: run, pause, step, reset, speed, seed, device, size, share, export; and how far the run is.

use super::LessonStore;
use super::choices::{Knob, size, size_name};
use super::data::SaveData;
use super::state::{Phase, State};
use crate::browser;
use crate::format::duration;
use crate::url::{device, device_name};
use leptos::prelude::*;
use std::time::Duration;

/// Steps a second that can be chosen; 0 is no limit.
const PACES: [(f64, &str); 4] =
    [(0.0, "full speed"), (20.0, "20 steps/s"), (5.0, "5 steps/s"), (1.0, "1 step/s")];

/// Everything that makes the lesson run.
#[component]
pub(crate) fn RunBar(store: LessonStore) -> impl IntoView {
    let phase = move || store.state.with(|s| s.phase);
    let busy = move || store.state.with(State::busy);
    let run_label = move || match phase() {
        Phase::Running => "Running",
        Phase::Paused => "Go on",
        Phase::Done => "Run again",
        Phase::Ready | Phase::Failed => "Run",
    };
    view! {
        <div class="card bar" data-testid="bar" data-phase=move || phase().name()>
            <div class="transport">
                <button type="button" class="main" data-testid="run" disabled=move || phase() == Phase::Running
                    on:click=move |_| store.run_or_resume()>{run_label}</button>
                <button type="button" data-testid="pause" disabled=move || phase() != Phase::Running
                    on:click=move |_| store.pause()>"Pause"</button>
                <button type="button" data-testid="step" on:click=move |_| store.step()>"Step"</button>
                <button type="button" data-testid="reset" on:click=move |_| store.reset()>
                    {move || if busy() { "Stop" } else { "Reset" }}
                </button>
                <Present />
                <Share />
                <Export store />
            </div>
            <Progress store />
            <div class="knobs">
                <Seed store />
                <label>"device"
                    <select data-testid="device" disabled=busy
                        prop:value=move || store.choices.with(|c| device_name(c.device))
                        on:change=move |e| if let Some(d) = device(&event_target_value(&e)) {
                            store.choices.update(|c| c.device = d);
                        }>
                        <option value="auto">"the quicker one"</option>
                        <option value="gpu">"GPU (WebGPU)"</option>
                        <option value="cpu">"CPU (WebAssembly)"</option>
                    </select>
                </label>
                <label>"length"
                    <select data-testid="size" disabled=busy
                        prop:value=move || store.choices.with(|c| size_name(c.size))
                        on:change=move |e| if let Some(s) = size(&event_target_value(&e)) {
                            store.choices.update(|c| c.size = s);
                        }>
                        <option value="smoke">"quick try: seconds"</option>
                        <option value="default">"the lesson: a minute or more"</option>
                        <option value="full">"long: as recorded"</option>
                    </select>
                </label>
                <label>"speed"
                    <select data-testid="speed"
                        on:change=move |e| store.set_pace(event_target_value(&e).parse().unwrap_or(0.0))>
                        {PACES.map(|(pace, name)| view! { <option value=pace.to_string()>{name}</option> })}
                    </select>
                </label>
                {store.knobs.iter().map(|knob| view! { <KnobField store knob /> }).collect_view()}
            </div>
        </div>
    }
}

/// One of the lesson's own knobs.
#[component]
fn KnobField(store: LessonStore, knob: &'static Knob) -> impl IntoView {
    let hint = format!("hint-{}", knob.id);
    view! {
        <label class="own">{knob.label}
            <select data-knob=knob.id aria-describedby=hint.clone() disabled=move || store.state.with(State::busy)
                prop:value=move || store.choices.with(|c| c.of(knob)).to_string()
                on:change=move |e| if let Ok(index) = event_target_value(&e).parse() {
                    store.choices.update(|c| c.turn(knob, index));
                }>
                {knob.options.iter().enumerate().map(|(i, (name, _))| {
                    let selected = store.choices.with_untracked(|c| c.of(knob)) == i;
                    view! { <option value=i.to_string() selected=selected>{*name}</option> }
                }).collect_view()}
            </select>
            <small id=hint>{knob.hint}</small>
        </label>
    }
}

#[component]
fn Seed(store: LessonStore) -> impl IntoView {
    let wrong = RwSignal::new(false);
    view! {
        <label>"seed"
            <input type="text" inputmode="numeric" data-testid="seed" disabled=move || store.state.with(State::busy)
                prop:value=move || store.choices.with(|c| c.seed).to_string()
                aria-invalid=move || wrong.get().to_string()
                on:change=move |e| match event_target_value(&e).trim().parse() {
                    Ok(seed) => {
                        wrong.set(false);
                        store.choices.update(|c| c.seed = seed);
                    }
                    Err(_) => wrong.set(true),
                } />
            <Show when=move || wrong.get()>
                <span class="field-error">"A seed is a whole number from 0 to 4294967295."</span>
            </Show>
        </label>
    }
}

/// How far the run is, in words and as a bar.
#[component]
fn Progress(store: LessonStore) -> impl IntoView {
    // When the current part began, to say how long it will take.
    let began = RwSignal::new((0_usize, 0.0_f64));
    Effect::new(move |_| {
        let parts = store.state.with(|s| s.stages.len());
        if began.get_untracked().0 != parts {
            began.set((parts, browser::now()));
        }
    });
    let share = move || store.state.with(|s| s.progress.map(|(done, of)| done as f64 / of.max(1) as f64));
    let words = move || {
        store.state.with(|s| match s.phase {
            Phase::Ready | Phase::Failed => String::new(),
            Phase::Done => format!("done in {}", duration(s.seconds.unwrap_or(0.0))),
            Phase::Running | Phase::Paused => {
                let stage = s.stages.last().map_or("opening the device", String::as_str);
                let left = share().filter(|p| *p > 0.02 && s.phase == Phase::Running).map(|p| {
                    let spent = (browser::now() - began.get_untracked().1) / 1e3;
                    format!(", {} left in this part", duration(spent * (1.0 - p) / p))
                });
                let paused = if s.phase == Phase::Paused { " (paused)" } else { "" };
                format!("{stage}{}{paused}", left.unwrap_or_default())
            }
        })
    };
    let rate = RwSignal::new(String::new());
    let last = StoredValue::new_local((0_u64, 0.0_f64));
    let measure = move || {
        let steps = store.state.with_untracked(|s| s.steps);
        let (before, when) = last.get_value();
        let (now, running) = (browser::now(), store.state.with_untracked(|s| s.phase == Phase::Running));
        let speed = steps.saturating_sub(before) as f64 / ((now - when) / 1e3).max(1e-3);
        rate.set(if running && steps > before { format!("{speed:.0} steps/s") } else { String::new() });
        last.set_value((steps, now));
    };
    if let Ok(timer) = set_interval_with_handle(measure, Duration::from_secs(1)) {
        on_cleanup(move || timer.clear());
    }
    view! {
        <div class="progress" hidden=move || store.state.with(|s| matches!(s.phase, Phase::Ready | Phase::Failed))>
            <progress max="1" aria-label="Progress of this part"
                prop:value=move || share().unwrap_or(if store.state.with(|s| s.phase == Phase::Done) { 1.0 } else { 0.0 })></progress>
            <span class="words" data-testid="progress">{words}</span>
            <span class="rate">{move || rate.get()}</span>
        </div>
    }
}

/// Large type and the pictures alone, for a projector.
#[component]
fn Present() -> impl IntoView {
    let on = RwSignal::new(false);
    Effect::new(move |_| {
        let Some(root) = document().document_element() else { return };
        let _ = if on.get() {
            root.set_attribute("data-present", "")
        } else {
            root.remove_attribute("data-present")
        };
    });
    view! {
        <button type="button" data-testid="present" aria-pressed=move || on.get().to_string()
            on:click=move |_| on.update(|o| *o = !*o)>"Present"</button>
    }
}

/// Copies the link that reproduces the screen.
#[component]
fn Share() -> impl IntoView {
    let said = RwSignal::new("Share");
    let share = move |_| {
        if let Ok(address) = window().location().href() {
            browser::copy(&address);
            said.set("Link copied");
            set_timeout(
                move || {
                    let _ = said.try_set("Share");
                },
                Duration::from_secs(3),
            );
        }
    };
    view! { <button type="button" data-testid="share" on:click=share><span aria-live="polite">{move || said.get()}</span></button> }
}

/// The run's numbers as files.
#[component]
fn Export(store: LessonStore) -> impl IntoView {
    let name = move |end: &str| {
        format!("gradus-{}-seed{}.{end}", store.lesson.slug(), store.state.with_untracked(|s| s.seed))
    };
    let empty = move || store.state.with(|s| s.runs.is_empty() && s.seconds.is_none());
    let report = move || {
        let (checks, figures) = (store.checks.get_untracked(), store.raw_figures());
        serde_json::json!({ "checks": checks, "figures": figures }).to_string()
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
