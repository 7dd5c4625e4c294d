//! Run, pause, step, start over, and how fast.

use crate::store::Store;
use gradus_core::protocol::Phase;
use leptos::prelude::*;

/// Speeds offered, in steps a second; 0 is as fast as it goes.
const SPEEDS: [(u32, &str); 4] =
    [(0, "as fast as it goes"), (20, "20 steps a second"), (5, "5 steps a second"), (1, "1 step a second")];

/// The run bar. Nothing in it moves or is taken away: a press that cannot be followed is answered by a message.
#[component]
pub(crate) fn Transport(store: Store, seed: RwSignal<String>) -> impl IntoView {
    let phase = Memo::new(move |_| store.run.with(|r| r.phase));
    let going = move || phase.get() == Phase::Running;
    let pressed = move |yes: bool| if yes { "true" } else { "false" };
    view! {
        <div class="transport" role="group" aria-label="Training">
            <div class="pair">
                <button data-testid="run" aria-pressed=move || pressed(going()) on:click=move |_| store.go()>
                    <svg class="icon" viewBox="0 0 12 12" aria-hidden="true"><path d="M2.5 1v10l8-5z" /></svg>
                    "Run"
                </button>
                <button
                    data-testid="pause"
                    aria-pressed=move || pressed(phase.get() == Phase::Paused)
                    on:click=move |_| store.pause()
                >
                    <svg class="icon" viewBox="0 0 12 12" aria-hidden="true"><path d="M2 1h3v10H2zM7 1h3v10H7z" /></svg>
                    "Pause"
                </button>
            </div>
            <button data-testid="step" title="Train exactly one step" on:click=move |_| store.step()>
                "Step"
            </button>
            <button
                data-testid="reset"
                title="Back to step 0 with the seed below"
                on:click=move |_| store.reset(&seed.get_untracked())
            >
                "Start over"
            </button>
            <label class="speed">
                <span>"Speed"</span>
                <select
                    data-testid="speed"
                    on:change=move |e| store.choose_speed(event_target_value(&e).parse().unwrap_or(0))
                >
                    {SPEEDS.map(|(value, name)| view! { <option value=value>{name}</option> })}
                </select>
            </label>
        </div>
    }
}
