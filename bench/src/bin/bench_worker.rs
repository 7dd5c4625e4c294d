//! The benchmark's worker: a request comes in as JSON, rows go out as JSON.

#[cfg(target_arch = "wasm32")]
fn main() {
    worker::start();
}

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    eprintln!("error: this runs in a browser's worker; start the benchmark with `cargo xtask bench`");
    std::process::exit(1);
}

#[cfg(target_arch = "wasm32")]
mod worker {
    use gradus_bench::{Request, measure};
    use wasm_bindgen::{JsCast, JsValue, closure::Closure};
    use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

    /// Answers requests from here on. An answer is rows in JSON, or `error: …`.
    pub(super) fn start() {
        let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
        let answer = scope.clone();
        let panicked = scope.clone();
        std::panic::set_hook(Box::new(move |info| {
            let _ = panicked.post_message(&JsValue::from_str(&format!("error: {info}")));
        }));
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            let (scope, text) = (answer.clone(), message.data().as_string().unwrap_or_default());
            wasm_bindgen_futures::spawn_local(async move {
                let answer = work(&text).await.unwrap_or_else(|error| format!("error: {error}"));
                // If the page is gone, nobody wants the answer.
                let _ = scope.post_message(&JsValue::from_str(&answer));
            });
        });
        scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
        let _ = scope.post_message(&JsValue::from_str("ready"));
    }

    async fn work(text: &str) -> Result<String, String> {
        let request: Request = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let rows = measure(&request).await.map_err(|e| e.to_string())?;
        serde_json::to_string(&rows).map_err(|e| e.to_string())
    }
}
