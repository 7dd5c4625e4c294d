//! The model that the fit has not seen: the learner's guess and the law's prediction, beside what came.

use super::super::super::LessonStore;
use super::super::parts::{Card, Shown, or_waiting};
use gradus_lessons::recipe::scaling_laws::Figures;
use leptos::prelude::*;

/// Where the guess is kept in this browser.
const KEY: &str = "gradus.scaling-laws.guess";

/// A loss within reason, as typed.
fn parse(text: &str) -> Option<f64> {
    text.trim().replace(',', ".").parse().ok().filter(|l: &f64| (0.1..=10.0).contains(l))
}

/// The guess of an earlier visit.
pub(super) fn kept() -> Option<f64> {
    let storage = window().local_storage().ok().flatten()?;
    parse(&storage.get_item(KEY).ok().flatten()?)
}

/// The law's prediction and the learner's for the model it has not seen. What came is hidden until one has guessed,
/// or does not want to.
#[component]
pub(super) fn Held(
    figures: Shown<Figures>,
    /// Whether what came may be seen.
    open: RwSignal<bool>,
    store: LessonStore,
) -> impl IntoView {
    let guess = RwSignal::new(kept());
    let typed = RwSignal::new(String::new());
    let wrong = move || typed.with(|t| !t.trim().is_empty() && parse(t).is_none());
    let take = move || {
        if let Some(loss) = typed.with_untracked(|t| parse(t)) {
            guess.set(Some(loss));
            open.set(true);
            if let Ok(Some(storage)) = window().local_storage() {
                // A full or forbidden store only means that the guess is forgotten with the page.
                let _ = storage.set_item(KEY, &loss.to_string());
            }
        }
    };
    let again = move |_| {
        guess.set(None);
        open.set(false);
        if let Ok(Some(storage)) = window().local_storage() {
            let _ = storage.remove_item(KEY);
        }
    };
    view! {
        <Card title="The model it had not seen" aside="predicted before it was trained" svg=true>
            <Show when=move || !open.get()>
                <form class="ask-row" on:submit=move |e| { e.prevent_default(); take(); }>
                    <label class="inline">"Your guess of the largest model’s loss, nats a token"
                        <input type="text" inputmode="decimal" size="6" data-testid="guess" aria-invalid=move || wrong().to_string()
                            prop:value=move || typed.get() on:input=move |e| typed.set(event_target_value(&e)) />
                    </label>
                    <button type="submit" class="main" data-testid="take-guess">"Hold me to it"</button>
                    <button type="button" class="quiet" data-testid="no-guess" on:click=move |_| open.set(true)>"Show without a guess"</button>
                </form>
                <p class="note">{move || if store.stale() {
                    "The curves above are of the new run: guess when it has come to its end."
                } else {
                    "Look at the curves above: by how much does each larger model fall below the last? What came is hidden until you guess."
                }}</p>
                <Show when=wrong><p class="field-error">"Write a number from 0.1 to 10, such as 1.30."</p></Show>
            </Show>
            <Show when=move || open.get()>
                {or_waiting(figures, "The largest model is trained last. The fit must foretell its loss, and so must you.", move |f| picture(f, guess.get()))}
                <Show when=move || guess.get().is_some()>
                    <button type="button" class="quiet" on:click=again>"Guess anew"</button>
                </Show>
            </Show>
        </Card>
    }
}

fn picture(f: &Figures, guess: Option<f64>) -> impl IntoView + use<> {
    let measured = f.held_out.last().map_or(f64::NAN, |m| m.loss);
    let p = f.prediction;
    let all = [p.low, p.high, measured, f.floor];
    let low = all.into_iter().chain(guess).fold(f64::INFINITY, f64::min);
    let high = all.into_iter().chain(guess).fold(f64::NEG_INFINITY, f64::max);
    let room = (high - low).max(1e-3) * 1.25;
    // Names are wide: marks keep away from the edges.
    let at = move |v: f64| 10.0 + (v - low + room * 0.1) / room * 480.0;
    let yours = guess.map_or(String::new(), |g| format!("; your guess {g:.3}"));
    let label = format!(
        "Predicted {:.3}, interval {:.3} to {:.3}; measured {measured:.3}; entropy of the text {:.3}{yours}",
        p.loss, p.low, p.high, f.floor
    );
    let mark = move |v: f64, y: f64, name: String, class: &'static str| {
        view! {
            <g class=class><line x1=at(v) x2=at(v) y1="34" y2="66"></line><text x=at(v).clamp(50.0, 450.0) y=y text-anchor="middle">{name}</text></g>
        }
    };
    let off = |v: f64| 100.0 * (v / measured - 1.0);
    let yours = guess.map_or(String::new(), |g| format!("Your guess was off by {:+.1} %. ", off(g)));
    let said = format!(
        "{yours}The law’s prediction was off by {:+.1} %. The bar is meant to hold 95 %; with so few runs it is rather too narrow.",
        off(p.loss)
    );
    view! {
        <svg class="picture" viewBox="0 0 500 116" role="img" tabindex="0" aria-label=label>
            <line class="axis" x1="10" x2="490" y1="50" y2="50"></line>
            <rect class="interval" x=at(p.low) y="42" width=(at(p.high) - at(p.low)).max(0.0) height="16" rx="4"></rect>
            {mark(p.loss, 26.0, format!("predicted {:.3}", p.loss), "theory")}
            {mark(measured, 82.0, format!("measured {measured:.3}"), "measured")}
            {mark(f.floor, 97.0, format!("entropy {:.3}", f.floor), "limit")}
            {guess.map(|g| mark(g, 112.0, format!("you {g:.3}"), "guessed"))}
        </svg>
        <p class="note" data-testid="guess-said">{said}</p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_a_loss_within_reason() {
        assert_eq!((parse(" 1.30 "), parse("1,3")), (Some(1.3), Some(1.3)));
        for bad in ["", "low", "-1", "0", "99", "nan"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
