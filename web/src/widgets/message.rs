//! What the page says: the state of the run, and what the user should know.

use crate::format::{grouped, short};
use crate::state::{Offer, Tone};
use crate::store::Store;
use gradus_core::protocol::Phase;
use leptos::prelude::*;
use std::time::Duration;

/// How often a screen reader is told how the run goes.
const SPEAK_EVERY: Duration = Duration::from_secs(15);

/// The phase of the run in a word or two, with a bar while something long is prepared.
#[component]
pub(crate) fn Status(store: Store) -> impl IntoView {
    let phase = Memo::new(move |_| store.run.with(|r| r.phase));
    let preparing = Memo::new(move |_| store.run.with(|r| r.preparing.clone()));
    let text = move || match (phase.get(), preparing.get()) {
        (_, Some((what, part))) => format!("{what}, {:.0} %", part * 100.0),
        _ if store.hidden.get() => "Paused while this tab was hidden".into(),
        (Phase::Idle, _) if store.run.with(|r| r.notice.is_some()) && !store.starting() => {
            "Not started".into()
        }
        (Phase::Idle, _) => "Waking the engine …".into(),
        (Phase::Preparing, _) => "Preparing …".into(),
        (Phase::Paused, _) => "Paused".into(),
        (Phase::Running, _) => "Training".into(),
        (Phase::Done, _) => "Finished".into(),
        (Phase::Failed, _) => "Stopped".into(),
    };
    view! {
        <span class="status" data-testid="status" data-phase=move || format!("{:?}", phase.get()).to_lowercase()>
            <i class="dot" aria-hidden="true"></i>
            {text}
            <Show when=move || preparing.get().is_some()>
                <progress max="1" value=move || preparing.get().map_or(0.0, |p| p.1) aria-label="Preparation"></progress>
            </Show>
        </span>
    }
}

/// The notice, if there is one.
#[component]
pub(crate) fn Message(store: Store) -> impl IntoView {
    let notice = Memo::new(move |_| store.run.with(|r| r.notice.clone()));
    let tone = move || match notice.get().map(|n| n.tone) {
        Some(Tone::Error) => "error",
        Some(Tone::Warning) => "warning",
        _ => "info",
    };
    let offer = move || notice.get().and_then(|n| n.offer);
    view! {
        <div class="message" data-testid="message" data-tone=tone role="status" hidden=move || notice.get().is_none()>
            <p>{move || notice.get().map(|n| n.text)}</p>
            <div class="answers">
                {move || {
                    offer()
                        .map(|offer| {
                            let name = match offer {
                                Offer::Checkpoint => "Take the last good checkpoint",
                                Offer::Retry => "Try again",
                            };
                            view! {
                                <button class="main" data-testid="recover" on:click=move |_| store.take_offer(offer)>
                                    {name}
                                </button>
                            }
                        })
                }}
                <button class="quiet" aria-label="Put this message away" on:click=move |_| store.clear_notice()>
                    "Close"
                </button>
            </div>
        </div>
    }
}

/// The run for those who hear the page, now and then.
#[component]
pub(crate) fn Spoken(store: Store) -> impl IntoView {
    let said = RwSignal::new(String::new());
    let timer = set_interval_with_handle(
        move || {
            let news = store.run.try_with_untracked(|r| match (r.phase, r.loss()) {
                (Phase::Running, Some(loss)) => Some(format!(
                    "Step {}, loss {loss:.2}, {} tokens a second.",
                    grouped(r.step),
                    short(r.tokens_per_second)
                )),
                (Phase::Done, Some(loss)) => {
                    Some(format!("Training is finished at step {}, loss {loss:.2}.", grouped(r.step)))
                }
                _ => None,
            });
            if let Some(Some(news)) = news
                && said.try_with_untracked(|s| *s != news) == Some(true)
            {
                said.try_set(news);
            }
        },
        SPEAK_EVERY,
    )
    .ok();
    on_cleanup(move || {
        if let Some(timer) = timer {
            timer.clear();
        }
    });
    view! {
        <p class="unseen" aria-live="polite">
            {said}
        </p>
    }
}
