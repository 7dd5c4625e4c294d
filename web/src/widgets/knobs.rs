//! The choices that make a run: size, seed, device.

use crate::format::sentence;
use crate::store::Store;
use crate::{browser, url};
use gradus_core::protocol::{DeviceChoice, ModelConfig};
use leptos::prelude::*;

/// Preset, seed and device.
#[component]
pub(crate) fn Knobs(store: Store, seed: RwSignal<String>) -> impl IntoView {
    // The field follows the run, but never while a person is typing something else into it.
    let settled = Memo::new(move |_| store.settings.with(|s| s.seed));
    Effect::new(move |_| seed.set(settled.get().to_string()));
    let preset = Memo::new(move |_| store.settings.with(|s| s.preset.clone()));
    let device = Memo::new(move |_| store.settings.with(|s| s.device));
    let reason = Memo::new(move |_| store.run.with(|r| sentence(&r.device.reason)));
    let error = store.seed_error;
    let sizes = ModelConfig::PRESETS.map(|(name, layers, width, ..)| {
        let plural = if layers == 1 { "" } else { "s" };
        let label = format!("{} · {layers} layer{plural} × {width}", name.replace('m', "M"));
        view! {
            <option value=name selected=move || preset.get() == name>
                {label}
            </option>
        }
    });
    let choices = [
        (DeviceChoice::Auto, "the quicker one"),
        (DeviceChoice::Gpu, "graphics card (WebGPU)"),
        (DeviceChoice::Cpu, "processor (CPU)"),
    ];
    view! {
        <div class="knobs">
            <label>
                <span>"Size of the model"</span>
                <select
                    data-testid="preset"
                    prop:value=preset
                    on:change=move |e| store.choose_preset(event_target_value(&e))
                >
                    {sizes}
                    // A model that was opened from a file may have any shape.
                    <Show when=move || preset.get() == "own">
                        <option value="own" selected disabled>
                            "as in the file"
                        </option>
                    </Show>
                </select>
            </label>
            <label>
                <span>"Seed, for “Start over”"</span>
                <input
                    data-testid="seed"
                    inputmode="numeric"
                    autocomplete="off"
                    spellcheck="false"
                    maxlength="40"
                    prop:value=seed
                    aria-invalid=move || error.with(|e| e.is_some().to_string())
                    aria-describedby="seed-error"
                    on:input=move |e| {
                        let text = event_target_value(&e);
                        let valid = crate::settings::parse_seed(&text);
                        error.set(valid.err());
                        seed.set(text);
                    }
                    on:keydown=move |e| {
                        if e.key() == "Enter" {
                            store.reset(&seed.get_untracked());
                        }
                    }
                />
            </label>
            <label>
                <span>"Computed on"</span>
                <select
                    data-testid="device"
                    prop:value=move || url::device_name(device.get())
                    on:change=move |e| {
                        if let Some(choice) = url::device(&event_target_value(&e)) {
                            store.choose_device(choice);
                        }
                    }
                >
                    {choices
                        .map(|(choice, name)| {
                            view! {
                                <option value=url::device_name(choice) selected=move || device.get() == choice>
                                    {name}
                                </option>
                            }
                        })}
                </select>
            </label>
            <p class="field-error" id="seed-error" data-testid="seed-error" role="alert" hidden=move || error.with(|e| e.is_none())>
                {move || error.get()}
            </p>
            <p class="reason" data-testid="device-reason">
                {move || {
                    let reason = reason.get();
                    if reason.is_empty() && !browser::has_webgpu() {
                        "This browser offers no WebGPU, so the processor trains the model: slower, the same mathematics."
                            .to_owned()
                    } else {
                        reason
                    }
                }}
            </p>
        </div>
    }
}
