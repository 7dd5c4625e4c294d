//! A worker with the callbacks that hear it. Dropped, it ends, and gives its memory back: wasm memory never shrinks.

use crate::wire::BUILD;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{ErrorEvent, MessageEvent, Worker};

/// Said where the browser starts no worker.
pub(crate) const CANNOT_START: &str = "This browser would not start the engine's worker. Allow workers for this site, or \
                                       use a recent Chrome, Edge, Firefox or Safari.";

/// A running worker.
pub(crate) struct Connection {
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Connection {
    /// Starts the program at `address`. `None` where the browser does not.
    pub(crate) fn open(
        address: &str,
        mut heard: impl FnMut(&JsValue) + 'static,
        mut failed: impl FnMut() + 'static,
    ) -> Option<Self> {
        let worker = Worker::new(address).ok()?;
        let on_message = Closure::new(move |message: MessageEvent| heard(&message.data()));
        let on_error = Closure::new(move |error: ErrorEvent| {
            error.prevent_default();
            failed();
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Some(Self { worker, _on_message: on_message, _on_error: on_error })
    }

    /// Sends it; bytes are copied, not transferred: the page keeps its models.
    pub(crate) fn post(&self, message: &JsValue) {
        // Fails only for what cannot be cloned; what is sent can be.
        let _ = self.worker.post_message(message);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

/// What a panic says, without the place in the source: `panicked at FILE:LINE:\nWHAT`.
pub(crate) fn said(panic: &str) -> &str {
    panic.split_once('\n').map_or(panic, |(_, what)| what).trim()
}

/// What is said where the page and the worker, of this build, do not belong together.
pub(crate) fn of_another_build(build: &str) -> String {
    format!(
        "The page and its engine are of different builds ({BUILD} and {build}): the browser kept an old copy of one. \
         Reload the page, holding Shift."
    )
}
