//! The run in numbers, and the device that it is on.

use crate::format::{bytes, grouped, short};
use crate::store::Store;
use leptos::prelude::*;

/// Step, loss, speed, size and memory.
#[component]
pub(crate) fn Numbers(store: Store) -> impl IntoView {
    let run = store.run;
    let step = Memo::new(move |_| run.with(|r| r.step));
    let total = Memo::new(move |_| run.with(|r| r.total_steps()));
    let loss =
        Memo::new(move |_| run.with(|r| r.loss().map_or_else(|| "–".to_owned(), |l| format!("{l:.3}"))));
    let held_out = Memo::new(move |_| run.with(|r| r.validation.last().map(|v| format!("{:.4}", v.1))));
    let bigram = Memo::new(move |_| run.with(|r| r.bigram().map(|b| format!("{b:.4}"))));
    let speed = Memo::new(move |_| {
        run.with(|r| if r.tokens_per_second > 0.0 { short(r.tokens_per_second) } else { "–".into() })
    });
    let parameters = Memo::new(move |_| {
        run.with(|r| r.started.as_ref().map_or_else(|| "–".to_owned(), |s| grouped(s.parameters)))
    });
    let memory = Memo::new(move |_| {
        run.with(|r| r.started.as_ref().map_or_else(|| "–".to_owned(), |s| bytes(s.bytes)))
    });
    view! {
        <dl class="numbers">
            <div>
                <dt>"Step"</dt>
                <dd>
                    {move || grouped(step.get())}
                    <small>{move || (total.get() > 0).then(|| format!(" of {}", grouped(total.get())))}</small>
                </dd>
            </div>
            <div title="How surprised the model is by the next token. Lower is better.">
                <dt>"Loss, nats per token"</dt>
                <dd class="loss" data-testid="loss" data-step=step data-held-out=held_out data-bigram=bigram>
                    {loss}
                </dd>
            </div>
            <div>
                <dt>"Tokens a second"</dt>
                <dd>{speed}</dd>
            </div>
            <div title="The numbers that training changes.">
                <dt>"Parameters"</dt>
                <dd>{parameters}</dd>
            </div>
            <div title="Weights, gradients, moments and activations on the device.">
                <dt>"Memory"</dt>
                <dd>{memory}</dd>
            </div>
        </dl>
    }
}

/// The device in two words, for the head of the page.
#[component]
pub(crate) fn DeviceBadge(store: Store) -> impl IntoView {
    let device = Memo::new(move |_| store.run.with(|r| r.device.clone()));
    let name = move || {
        device.with(|d| match (d.name.is_empty(), d.gpu) {
            (true, _) => "choosing a device …".to_owned(),
            (false, true) => format!("{} · WebGPU", d.name),
            (false, false) => d.name.clone(),
        })
    };
    view! {
        <span
            class="tag"
            data-testid="device-badge"
            data-gpu=move || device.with(|d| d.gpu.to_string())
            title=move || device.with(|d| d.reason.clone())
        >
            <i class="dot" class:waiting=move || device.with(|d| d.name.is_empty())></i>
            <span class="name">{name}</span>
        </span>
    }
}
