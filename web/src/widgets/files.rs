//! The model as a file: save it, open one.

use crate::browser;
use crate::store::Store;
use leptos::prelude::*;

/// Download and upload of the model folder.
#[component]
pub(crate) fn Files(store: Store) -> impl IntoView {
    let ready = Memo::new(move |_| store.run.with(|r| r.started.is_some()));
    let busy = move || store.exporting.get() || !ready.get();
    view! {
        <div class="files">
            <button data-testid="download" disabled=busy on:click=move |_| store.download()>
                {move || if store.exporting.get() { "Packing …" } else { "Download the model" }}
            </button>
            <label class="button">
                <input
                    type="file"
                    class="unseen"
                    data-testid="upload"
                    accept=".zip,application/zip"
                    on:change=move |e| {
                        if let Some(file) = browser::chosen_file(&e) {
                            store.upload(file);
                        }
                    }
                />
                "Open a model"
            </label>
            <small>
                "A zip that the "<code>"transformers"</code>" library opens: "<code>"config.json"</code>", "
                <code>"model.safetensors"</code>", "<code>"tokenizer.json"</code>"."
            </small>
        </div>
    }
}
