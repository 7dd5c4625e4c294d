//! The few things that are asked of the browser directly.

use js_sys::{Array, Promise, Uint8Array};
use leptos::prelude::{StoredValue, document, window};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, BlobPropertyBag, Clipboard, Element, EventTarget, File, HtmlAnchorElement, HtmlCanvasElement,
    HtmlInputElement, IntersectionObserver, IntersectionObserverEntry, ResizeObserver, Response, Url,
};

/// The query part of the address.
pub(crate) fn query() -> String {
    window().location().search().unwrap_or_default()
}

/// Puts a query into the address without leaving the page or adding to its history.
pub(crate) fn show_query(query: &str) {
    let location = window().location();
    let (Ok(path), Ok(shown)) = (location.pathname(), location.search()) else { return };
    // To replace an address, even by itself, would call off a step back that is under way.
    if shown.trim_start_matches('?') == query {
        return;
    }
    let address = if query.is_empty() { path } else { format!("{path}?{query}") };
    if let Ok(history) = window().history() {
        // Refused only in sandboxed frames, where the address does not matter.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
    }
}

/// Milliseconds since the page was opened.
pub(crate) fn now() -> f64 {
    window().performance().map_or(0.0, |p| p.now())
}

/// Lets the browser draw and hear before what follows.
pub(crate) async fn next_task() {
    let wait = Promise::new(&mut |resolve, _| {
        let _ = window().set_timeout_with_callback(&resolve);
    });
    // A timer does not refuse.
    let _ = JsFuture::from(wait).await;
}

/// Whether the reader asks for less motion.
pub(crate) fn reduced_motion() -> bool {
    let query = window().match_media("(prefers-reduced-motion: reduce)");
    query.ok().flatten().is_some_and(|q| q.matches())
}

/// What the browser calls until it is told to stop, which dropping this does.
struct Heard<F: ?Sized, S: Fn(&JsValue)> {
    call: Closure<F>,
    stop: S,
}

impl<F: ?Sized, S: Fn(&JsValue)> Drop for Heard<F, S> {
    fn drop(&mut self) {
        (self.stop)(self.call.as_ref());
    }
}

/// Lets the browser call until the component or effect that asks is gone; outside of any, until the page is left.
fn until_cleanup<F: ?Sized + 'static>(call: Closure<F>, stop: impl Fn(&JsValue) + 'static) {
    // Dropped with its owner.
    StoredValue::new_local(Heard { call, stop });
}

/// Calls `tell` with the element's size, in CSS pixels, now and at every change, until whoever asks is gone.
pub(crate) fn watch_size(element: &Element, tell: impl Fn((f64, f64)) + 'static) {
    let of = element.clone();
    // Asked for here, where the browser has just laid out the page, and not later, where it would have to.
    let resized =
        Closure::<dyn FnMut()>::new(move || tell((of.client_width().into(), of.client_height().into())));
    if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
        observer.observe(element);
        until_cleanup(resized, move |_| observer.disconnect());
    }
}

/// Calls `tell` with whether the element is in sight, now and at every change, until whoever asks is gone; with `true`
/// where the browser cannot say.
pub(crate) fn watch_sight(element: &Element, tell: impl Fn(bool) + 'static) {
    let tell = Rc::new(tell);
    let told = tell.clone();
    let seen = Closure::<dyn FnMut(Array)>::new(move |entries: Array| {
        // The last is how it stands now.
        if let Some(entry) = entries.iter().last() {
            told(entry.unchecked_into::<IntersectionObserverEntry>().is_intersecting());
        }
    });
    match IntersectionObserver::new(seen.as_ref().unchecked_ref()) {
        Ok(observer) => {
            observer.observe(element);
            until_cleanup(seen, move |_| observer.disconnect());
        }
        Err(_) => tell(true),
    }
}

/// Calls `tell` once, when the element first comes into sight.
pub(crate) fn when_seen(element: &Element, tell: impl Fn() + 'static) {
    let told = Cell::new(false);
    watch_sight(element, move |seen| {
        if seen && !told.replace(true) {
            tell();
        }
    });
}

/// Calls `tell` at every event of this name, until whoever asks is gone.
pub(crate) fn on_event(target: &EventTarget, name: &'static str, tell: impl Fn() + 'static) {
    let heard = Closure::<dyn FnMut()>::new(tell);
    let _ = target.add_event_listener_with_callback(name, heard.as_ref().unchecked_ref());
    let target = target.clone();
    until_cleanup(heard, move |heard| {
        let _ = target.remove_event_listener_with_callback(name, heard.unchecked_ref());
    });
}

/// Whether the browser has WebGPU at all (an adapter may still be missing).
pub(crate) fn has_webgpu() -> bool {
    js_sys::Reflect::get(&window().navigator(), &"gpu".into()).is_ok_and(|gpu| gpu.is_truthy())
}

/// Calls `tell` with whether the tab is hidden, at every change.
pub(crate) fn on_visibility(tell: impl Fn(bool) + 'static) {
    on_event(&document(), "visibilitychange", move || tell(document().hidden()));
}

/// Defines `window.gradus_fault(name)`, for tests.
pub(crate) fn expose_faults(cause: impl Fn(&str) + 'static) {
    let hook = Closure::<dyn FnMut(String)>::new(move |name: String| cause(&name));
    let _ = js_sys::Reflect::set(&window(), &"gradus_fault".into(), hook.as_ref());
    hook.forget();
}

/// The bytes of a file; `None` where the browser cannot read it.
pub(crate) async fn read_bytes(file: &File) -> Option<Uint8Array> {
    let buffer = JsFuture::from(file.array_buffer()).await.ok()?;
    Some(Uint8Array::new(&buffer))
}

/// The text of a file; an error names what is wrong with it.
pub(crate) async fn read_text(file: &File) -> Result<String, String> {
    let bytes = read_bytes(file).await.ok_or("The browser could not read this file. Choose it again.")?;
    String::from_utf8(bytes.to_vec()).map_err(|_| {
        format!(
            "“{}” is not plain text (UTF-8). Save it as a .txt file in UTF-8, or paste the text.",
            file.name()
        )
    })
}

/// The bytes at an address of this site; `None` where there is nothing.
pub(crate) async fn fetch_bytes(address: &str) -> Option<Uint8Array> {
    let response: Response = JsFuture::from(window().fetch_with_str(address)).await.ok()?.dyn_into().ok()?;
    if !response.ok() {
        return None;
    }
    let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    Some(Uint8Array::new(&buffer))
}

/// The text at an address of this site; `None` where there is none.
pub(crate) async fn fetch_text(address: &str) -> Option<String> {
    String::from_utf8(fetch_bytes(address).await?.to_vec()).ok()
}

/// Puts a text into the clipboard; false where the browser does not allow it, or has none, as over plain http.
pub(crate) fn copy(text: &str) -> impl Future<Output = bool> + use<> {
    let clipboard = js_sys::Reflect::get(&window().navigator(), &"clipboard".into());
    let clipboard = clipboard.ok().filter(JsValue::is_truthy).map(Clipboard::unchecked_from_js);
    // Begun at once: it may be allowed only while the click is heard.
    let written = clipboard.map(|c| JsFuture::from(c.write_text(text)));
    async move {
        match written {
            Some(written) => written.await.is_ok(),
            None => false,
        }
    }
}

/// The file that was chosen in the input of this event. The input is emptied, so that the same file may be chosen
/// again.
pub(crate) fn chosen_file(event: &web_sys::Event) -> Option<File> {
    let input: HtmlInputElement = event.target()?.dyn_into().ok()?;
    let file = input.files()?.get(0);
    input.set_value("");
    file
}

/// Lets the user save what a canvas shows.
pub(crate) fn save_canvas(name: &str, canvas: &HtmlCanvasElement) {
    let Ok(address) = canvas.to_data_url() else { return };
    if let Ok(anchor) = document().create_element("a") {
        let anchor: HtmlAnchorElement = anchor.unchecked_into();
        anchor.set_href(&address);
        anchor.set_download(name);
        anchor.click();
    }
}

/// Lets the user save text as a file.
pub(crate) fn save_text(name: &str, text: &str) {
    save_file(name, &Uint8Array::from(text.as_bytes()));
}

/// Lets the user save bytes as a file; its type follows from the name.
pub(crate) fn save_file(name: &str, bytes: &Uint8Array) {
    let save = || -> Result<(), JsValue> {
        let options = BlobPropertyBag::new();
        options.set_type(match name.rsplit('.').next() {
            Some("zip") => "application/zip",
            Some("csv") => "text/csv",
            Some("json") => "application/json",
            Some("jsonl") => "application/jsonl",
            Some("png") => "image/png",
            Some("svg") => "image/svg+xml",
            _ => "text/plain",
        });
        let blob = Blob::new_with_u8_array_sequence_and_options(&Array::of1(bytes), &options)?;
        let address = Url::create_object_url_with_blob(&blob)?;
        let anchor: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
        anchor.set_href(&address);
        anchor.set_download(name);
        anchor.click();
        // The click has only begun the download: the address must outlive it.
        leptos::prelude::set_timeout(
            move || {
                let _ = Url::revoke_object_url(&address);
            },
            std::time::Duration::from_secs(60),
        );
        Ok(())
    };
    if let Err(error) = save() {
        leptos::logging::error!("the file could not be saved: {error:?}");
    }
}

/// The value of a CSS custom property on the page, e.g. `--ink`.
pub(crate) fn css(name: &str) -> String {
    let root = document().document_element();
    let style = root.and_then(|r| window().get_computed_style(&r).ok().flatten());
    style.and_then(|s| s.get_property_value(name).ok()).unwrap_or_default().trim().to_owned()
}
