//! The table "measured beside expected".

use super::LessonStore;
use super::state::{Phase, Shown};
use crate::format::{bound, typeset};
use gradus_lessons::check::{Check, Number};
use gradus_lessons::recipe::Size;
use leptos::prelude::*;

/// All checks of the run on the screen. While a new run is under way, or where it failed, its checks wait.
#[component]
pub(crate) fn Checks(store: LessonStore) -> impl IntoView {
    let failed = move || store.phase.get() == Phase::Failed;
    let waits = move || store.busy.get() || failed();
    let quick = Memo::new(move |_| store.state.with(|s| s.size == Size::Smoke));
    let summary = move || {
        let (passed, all) = store.checks.with(|c| (c.iter().filter(|c| c.passes()).count(), c.len()));
        match (all, waits(), store.shown.get()) {
            (0, ..) => "after the run".into(),
            (_, true, _) if failed() => "the run failed before it measured anything".into(),
            (_, true, _) => format!("{all} checks wait for the end of the run"),
            (_, _, Shown::Shipped) => format!("{passed} of {all} pass in the recorded run"),
            _ if quick.get() => format!("{passed} of {all} pass: those that a quick try allows"),
            _ => format!("{passed} of {all} pass"),
        }
    };
    view! {
        <section class="card checks" aria-labelledby="checks-title">
            <header><h2 id="checks-title">"Measured beside expected"</h2><small>{summary}</small></header>
            <Show when=move || store.checks.with(|c| !c.is_empty())
                fallback=|| view! { <p class="empty">"When the run is done, each number it measured stands here beside what theory, or known truth, expects."</p> }>
                <div class="wide" tabindex="0" role="group" aria-label="Measured beside expected">
                    <table>
                        <thead><tr><th scope="col">"quantity"</th><th scope="col">"measured"</th><th scope="col">"expected"</th><th scope="col">"verdict"</th></tr></thead>
                        <tbody>{move || store.checks.get().into_iter().map(|c| row(c, waits())).collect_view()}</tbody>
                    </table>
                </div>
            </Show>
        </section>
    }
}

fn row(check: Check, waits: bool) -> impl IntoView {
    let status = match (waits, check.passes()) {
        (true, _) => "wait",
        (_, true) => "pass",
        (_, false) => "fail",
    };
    let word = match status {
        "pass" => "agrees",
        "fail" => "differs",
        _ => "waits",
    };
    let unit = if check.unit.is_empty() { String::new() } else { format!(" {}", check.unit) };
    let measured = if waits { "…".into() } else { typeset(&format!("{}{unit}", Number(check.measured))) };
    view! {
        <tr data-check=check.name data-status=status>
            <th scope="row">{check.what.replace('\'', "’")}<small>{check.source.replace('\'', "’")}</small></th>
            <td data-head="measured">{measured}</td>
            <td data-head="expected">{typeset(&format!("{}{unit}", bound(&check.expected.to_string())))}</td>
            <td><span class="verdict">{word}</span></td>
        </tr>
    }
}
