//! How far the run is, and what it costs: whole run and part, time left, steps and tokens a second, memory.

use super::LessonStore;
use super::progress::Progress;
use super::state::{Phase, State};
use crate::format::{bytes, duration, short};
use leptos::prelude::*;
use std::time::Duration;

/// How often the rates are taken, and how often those who hear the page are told.
const EVERY: Duration = Duration::from_secs(1);
const SPEAK_EVERY: Duration = Duration::from_secs(5);

/// The share of the part that is done, from 0 to 1.
fn of_part(state: &State) -> f64 {
    state.progress.map_or(0.0, |(done, of)| done as f64 / of.max(1) as f64)
}

/// How far the whole run is, as far as an earlier one tells.
fn whole(store: LessonStore) -> Option<Progress> {
    let plan = store.plan.get();
    store.state.with(|s| plan.progress(s.size, &s.stages, of_part(s), s.meter.seconds))
}

/// See the module. Always there, so that nothing moves when a run begins.
#[component]
pub(super) fn Gauges(store: LessonStore) -> impl IntoView {
    let (phase, busy) = (store.phase, store.busy);
    let overall = Memo::new(move |_| whole(store));
    let bar = move || match phase.get() {
        Phase::Ready | Phase::Failed => 0.0,
        Phase::Done => 1.0,
        Phase::Running | Phase::Paused => {
            overall.get().map_or_else(|| store.state.with(of_part), |p| p.share)
        }
    };
    let part = move || {
        let of = store.plan.with(super::progress::Plan::len);
        store.state.with(|s| {
            let name = s.stages.last().map_or("getting models and device ready", |p| p.name.as_str());
            match s.stages.len() {
                0 => name.to_owned(),
                n if n <= of => format!("part {n} of {of}: {name}"),
                n => format!("part {n}: {name}"),
            }
        })
    };
    let left = move || {
        if phase.get() == Phase::Paused {
            return "paused".to_owned();
        }
        match overall.get() {
            Some(Progress { left: Some(left), .. }) => format!("about {} left", duration(left)),
            _ => store.state.with(|s| {
                // Only the part's own pace is known.
                let share = of_part(s);
                let began = s.stages.last().map_or(0.0, |p| p.began);
                let spent = s.meter.seconds - began;
                if share > 0.05 && spent > 0.5 {
                    format!("about {} left in this part", duration(spent * (1.0 - share) / share))
                } else {
                    String::new()
                }
            }),
        }
    };
    let words = move || match phase.get() {
        Phase::Ready => store.state.with(|s| match s.seconds {
            Some(seconds) => format!("ready; the recorded run took {}", duration(seconds)),
            None => "ready".to_owned(),
        }),
        Phase::Failed => "the run failed; what to do stands below".to_owned(),
        Phase::Done => {
            store.state.with(|s| format!("done in {}", duration(s.seconds.unwrap_or(s.meter.seconds))))
        }
        Phase::Running | Phase::Paused => part(),
    };
    let (steps, tokens) = rates(store);
    let held = move || {
        let held = store.state.with(|s| s.meter.bytes);
        if held == 0 { "–".to_owned() } else { bytes(held) }
    };
    let memory = move || {
        let gpu = store.state.with(|s| s.device.as_ref().is_some_and(|d| d.gpu));
        if gpu { "GPU memory" } else { "memory" }
    };
    let worked = move || match store.state.with(|s| s.meter.seconds) {
        0.0 => "–".to_owned(),
        seconds => duration(seconds),
    };
    let of = move |now, mean| move || if phase.get() == Phase::Done { mean } else { now };
    view! {
        <div class="progress">
            <progress max="1" aria-label="Progress of the run" prop:value=bar></progress>
            <span class="words" data-testid="progress">{words}</span>
            <span class="left" data-testid="left">{move || if busy.get() { left() } else { String::new() }}</span>
        </div>
        <dl class="gauges">
            <div><dt>{of("steps/s", "steps/s, mean")}</dt><dd data-testid="steps-per-second">{steps}</dd></div>
            <div><dt>{of("tokens/s", "tokens/s, mean")}</dt><dd data-testid="tokens-per-second">{tokens}</dd></div>
            <div><dt>{memory}</dt><dd data-testid="memory">{held}</dd></div>
            <div><dt>"time at work"</dt><dd>{worked}</dd></div>
        </dl>
        <Spoken store />
    }
}

/// Steps and tokens a second over the last second of work; of a run that is done, over all of it.
fn rates(store: LessonStore) -> (impl Fn() -> String, impl Fn() -> String) {
    let rates = RwSignal::new(None::<(f64, f64)>);
    let last = StoredValue::new((0.0_f64, 0_u64, 0_u64));
    let measure = move || {
        let Some((phase, seconds, steps, tokens)) =
            store.state.try_with_untracked(|s| (s.phase, s.meter.seconds, s.steps, s.meter.tokens))
        else {
            return;
        };
        let (then, steps_then, tokens_then) = match phase {
            Phase::Done => (0.0, 0, 0),
            _ => last.get_value(),
        };
        last.set_value((seconds, steps, tokens));
        let time = seconds - then;
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / time;
        let news = match phase {
            Phase::Running | Phase::Done if time > 0.0 => {
                Some((rate(steps, steps_then), rate(tokens, tokens_then)))
            }
            Phase::Running => return,
            _ => None,
        };
        if rates.get_untracked() != news {
            rates.set(news);
        }
    };
    if let Ok(timer) = set_interval_with_handle(measure, EVERY) {
        on_cleanup(move || timer.clear());
    }
    let say = move |rate: Option<f64>| match rate {
        Some(rate) if rate >= 10.0 => short(rate),
        Some(rate) if rate > 0.0 => format!("{rate:.1}"),
        _ => "–".to_owned(),
    };
    (move || say(rates.get().map(|r| r.0)), move || say(rates.get().map(|r| r.1)))
}

/// The run for those who hear the page: at most every few seconds, and only what is new.
#[component]
fn Spoken(store: LessonStore) -> impl IntoView {
    let said = RwSignal::new(String::new());
    let news = move || {
        store.state.try_with_untracked(|s| match s.phase {
            Phase::Ready => String::new(),
            Phase::Running => s.stages.last().map_or(String::new(), |p| format!("Running: {}.", p.name)),
            Phase::Paused => "Paused.".into(),
            Phase::Done if s.shown == super::state::Shown::Live => {
                format!("The run is done. It took {}.", duration(s.seconds.unwrap_or(0.0)))
            }
            Phase::Done => String::new(),
            // The message itself is an alert.
            Phase::Failed => String::new(),
        })
    };
    let speak = move || {
        if let Some(news) = news()
            && said.try_with_untracked(|s| *s != news) == Some(true)
        {
            said.try_set(news);
        }
    };
    if let Ok(timer) = set_interval_with_handle(speak, SPEAK_EVERY) {
        on_cleanup(move || timer.clear());
    }
    view! { <p class="unseen" aria-live="polite" data-testid="spoken">{said}</p> }
}
