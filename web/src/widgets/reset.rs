//! "Reset everything": forgets all that this site keeps in the browser, after asking once.

use crate::lesson::keep;
use crate::persist;
use leptos::task::spawn_local;
use leptos::{html, prelude::*};

/// How the names of all begin that this site keeps in the browser's storage.
pub(crate) const OURS: &str = "gradus.";

/// The button in the page's foot, and its dialog.
#[component]
pub(crate) fn ResetEverything() -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    let open = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            // Fails only for a dialog that is open.
            let _ = dialog.show_modal();
        }
    };
    let close = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    view! {
        <button type="button" class="reset-everything" data-testid="reset-everything" on:click=open>"Reset everything"</button>
        <dialog class="ask" node_ref=dialog aria-labelledby="reset-title" aria-describedby="reset-what">
            <h2 id="reset-title">"Reset everything?"</h2>
            <p id="reset-what">
                "This deletes what Gradus keeps in this browser: every run, every model, all predictions and answers, in \
                 all lessons. It cannot be undone. Download a model first if you want to keep it."
            </p>
            <div class="row end">
                <button type="button" autofocus on:click=close>"Keep everything"</button>
                <button type="button" class="danger" data-testid="reset-confirm" on:click=|_| spawn_local(forget())>
                    "Delete everything"
                </button>
            </div>
        </dialog>
    }
}

/// Forgets the runs, models, predictions and the kept run of the home page, then shows the page as on a first visit.
async fn forget() {
    keep::forget().await;
    persist::forget().await;
    for storage in [window().local_storage(), window().session_storage()].into_iter().flatten().flatten() {
        // Other pages of the same host keep theirs.
        let keys: Vec<_> =
            (0..storage.length().unwrap_or(0)).filter_map(|i| storage.key(i).ok().flatten()).collect();
        for key in keys.iter().filter(|k| k.starts_with(OURS)) {
            let _ = storage.remove_item(key);
        }
    }
    let location = window().location();
    // Without the query: a link's choices are part of what is reset.
    let Ok(path) = location.pathname() else { return };
    let _ = location.replace(&path);
}
