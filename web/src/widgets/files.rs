//! The model as a file: save it, open one.

use crate::store::Store;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

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
                        let input: web_sys::HtmlInputElement = event_target(&e);
                        if let Some(file) = input.files().and_then(|f| f.get(0)) {
                            store.upload(file);
                        }
                        // So that the same file can be chosen twice.
                        input.unchecked_ref::<web_sys::HtmlInputElement>().set_value("");
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
