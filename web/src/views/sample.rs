//! What the model writes, as it writes it.

use crate::{browser, format::grouped, state::Sample, store::Store};
use leptos::prelude::*;
use std::time::Duration;

/// Time between two words appearing.
const BEAT: Duration = Duration::from_millis(28);
/// How many of the newest words are marked.
const FRESH: usize = 4;

/// The newest text, its words appearing one by one, those before it, and the run's first to compare.
#[component]
pub(crate) fn SampleText(store: Store) -> impl IntoView {
    let sample = Memo::new(move |_| store.run.with(|r| r.samples.front().cloned()));
    let older = Memo::new(move |_| store.run.with(|r| r.samples.iter().skip(1).cloned().collect::<Vec<_>>()));
    let first = Memo::new(move |_| store.run.with(|r| r.first_sample.clone()));
    let shown = RwSignal::new(0_usize);
    Effect::new(move |_| {
        let len = sample.with(|s| s.as_ref().map_or(0, |s| s.tokens.len()));
        shown.set(if browser::reduced_motion() { len } else { 0 });
    });
    let timer = set_interval_with_handle(
        move || {
            let len = sample.try_with_untracked(|s| s.as_ref().map_or(0, |s| s.tokens.len()));
            let now = shown.try_get_untracked();
            if let (Some(len), Some(now)) = (len, now)
                && now < len + FRESH
            {
                shown.try_set(now + 1);
            }
        },
        BEAT,
    )
    .ok();
    on_cleanup(move || {
        if let Some(timer) = timer {
            timer.clear();
        }
    });

    let text = move || {
        sample.with(|sample| {
            sample.as_ref().map(|sample| {
                let pieces = sample.pieces();
                let end = shown.get().min(pieces.len());
                let fresh = shown.get().saturating_sub(FRESH).min(end);
                // The space before the first marked word stays unmarked.
                let marked = pieces[fresh..end].concat();
                let word = marked.trim_start();
                let before = pieces[..fresh].concat() + &marked[..marked.len() - word.len()];
                view! {
                    <span class="prompt">{sample.prompt.clone()}</span>
                    <span>{before}</span>
                    <mark>{word.to_owned()}</mark>
                }
            })
        })
    };
    let caption = move || {
        sample.with(|s| match s {
            Some(s) => format!("What it writes at step {}", grouped(s.step)),
            None => "What it writes".to_owned(),
        })
    };
    let first_text = move || {
        let newest = sample.with(|s| s.as_ref().map_or(0, |s| s.step));
        first.get().filter(|f| f.step < newest).map(|f| (f.step, whole(&f)))
    };
    view! {
        <section class="writing" aria-label="Text written by the model">
            <h3>{caption}</h3>
            <div class="sample">
                <p data-testid="sample">{text}</p>
                {move || older.get().iter().map(|s| view! { <p class="older">{whole(s)}</p> }).collect_view()}
            </div>
            <p class="first" hidden=move || first_text().is_none()>
                {move || {
                    first_text().map(|(step, text)| {
                        view! {
                            <b>{format!("At step {} it wrote: ", grouped(step))}</b>
                            <span>{text}</span>
                        }
                    })
                }}
            </p>
        </section>
    }
}

fn whole(sample: &Sample) -> String {
    format!("{}{}", sample.prompt, sample.pieces().concat())
}
