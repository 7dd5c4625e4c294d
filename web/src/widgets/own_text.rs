//! The dialog for the user's own text: paste it, drop a file, or choose one.

use crate::settings::too_large;
use crate::store::Store;
use crate::{browser, format};
use gradus_core::protocol::Source;
use gradus_core::text::MAX_TEXT_BYTES;
use leptos::{ev, html, prelude::*};

/// Vocabularies offered, in tokens.
const VOCABULARIES: [u32; 4] = [128, 256, 512, 1024];

/// Opens the dialog; and, while a text of the user's own is in use, leads back to the world's language.
#[component]
pub(crate) fn OwnTextButton(store: Store) -> impl IntoView {
    let own = Memo::new(move |_| {
        store.run.with(|r| r.started.as_ref().is_some_and(|s| matches!(s.config.source, Source::Text { .. })))
    });
    view! {
        <div class="choices">
            <button class="main" data-testid="own-text" on:click=move |_| store.own_text.update(|o| o.open = true)>
                "Use my own text"
            </button>
            <Show when=move || own.get()>
                <button data-testid="use-world" on:click=move |_| store.use_world()>
                    "Back to the built-in language"
                </button>
            </Show>
        </div>
    }
}

/// The dialog.
#[component]
pub(crate) fn OwnTextDialog(store: Store) -> impl IntoView {
    let dialog = NodeRef::<html::Dialog>::new();
    let area = NodeRef::<html::Textarea>::new();
    let vocab = RwSignal::new(512_u32);
    let size = RwSignal::new(0_usize);
    let over = RwSignal::new(false);
    let state = store.own_text;
    let open = Memo::new(move |_| state.with(|o| o.open));
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        if open.get() && !dialog.open() {
            // Fails only for a dialog that is open.
            let _ = dialog.show_modal();
        } else if !open.get() {
            dialog.close();
        }
    });

    let fail = move |message: String| {
        state.try_update(|o| o.error = Some(message));
    };
    let take = move |file: web_sys::File| {
        if let Some(message) = too_large(file.size()) {
            return fail(message);
        }
        wasm_bindgen_futures::spawn_local(async move {
            match browser::read_text(&file).await {
                Ok(text) => {
                    if let Some(Some(area)) = area.try_get_untracked() {
                        area.set_value(&text);
                        size.try_set(text.len());
                        state.try_update(|o| o.error = None);
                    }
                }
                Err(message) => fail(message),
            }
        });
    };
    let dropped = move |event: ev::DragEvent| {
        event.prevent_default();
        over.set(false);
        if let Some(file) = event.data_transfer().and_then(|d| d.files()).and_then(|f| f.get(0)) {
            take(file);
        }
    };
    let submit = move |_| {
        if let Some(area) = area.get_untracked() {
            store.train_on(area.value(), vocab.get_untracked());
        }
    };
    let progress = move || {
        let waiting = state.with(|o| o.waiting);
        waiting.then(|| store.run.with(|r| r.preparing.clone()).unwrap_or(("Reading the text".into(), 0.0)))
    };
    view! {
        <dialog
            node_ref=dialog
            class="own-text"
            aria-labelledby="own-text-title"
            on:close=move |_| state.update(|o| (o.open, o.error) = (false, None))
        >
            <h2 id="own-text-title">"Train on your own text"</h2>
            <p>
                "Songs, letters, code: anything from about a page. It stays in this browser. First a tokenizer \
                 learns how to cut the text into pieces, then a new model learns to continue it."
            </p>
            <div
                class="drop"
                class:over=over
                on:dragover=move |e| {
                    e.prevent_default();
                    over.set(true);
                }
                on:dragleave=move |_| over.set(false)
                on:drop=dropped
            >
                <textarea
                    node_ref=area
                    data-testid="own-text-input"
                    rows="9"
                    spellcheck="false"
                    aria-label="Your text"
                    aria-describedby="own-text-error"
                    placeholder="Paste a text here, or drop a .txt file on this field."
                    on:input=move |_| {
                        if let Some(area) = area.get_untracked() {
                            size.set(area.text_length() as usize);
                        }
                        state.update(|o| o.error = None);
                    }
                ></textarea>
            </div>
            <div class="row">
                <label class="button">
                    <input
                        type="file"
                        class="unseen"
                        data-testid="own-text-file"
                        accept=".txt,text/plain"
                        on:change=move |e| {
                            if let Some(file) = browser::chosen_file(&e) {
                                take(file);
                            }
                        }
                    />
                    "Choose a .txt file"
                </label>
                <label class="inline">
                    "Vocabulary, tokens"
                    <select
                        data-testid="own-text-vocab"
                        on:change=move |e| vocab.set(event_target_value(&e).parse().unwrap_or(512))
                    >
                        {VOCABULARIES.map(|v| view! { <option value=v selected=v == 512>{v}</option> })}
                    </select>
                </label>
                <small class="push">
                    {move || format!("{} of at most {} MiB", format::bytes(size.get() as u64), MAX_TEXT_BYTES >> 20)}
                </small>
            </div>
            <p
                class="field-error"
                id="own-text-error"
                data-testid="own-text-error"
                role="alert"
                hidden=move || state.with(|o| o.error.is_none())
            >
                {move || state.with(|o| o.error.clone())}
            </p>
            <div class="row end" data-testid="own-text-progress" hidden=move || progress().is_none()>
                <span class="push">{move || progress().map(|p| p.0)}</span>
                <progress max="1" value=move || progress().map_or(0.0, |p| p.1) aria-label="Preparation"></progress>
            </div>
            <div class="row end">
                <button data-testid="own-text-cancel" on:click=move |_| state.update(|o| o.open = false)>
                    "Close"
                </button>
                <button
                    class="main"
                    data-testid="own-text-start"
                    disabled=move || state.with(|o| o.waiting)
                    on:click=submit
                >
                    "Train on this text"
                </button>
            </div>
        </dialog>
    }
}
