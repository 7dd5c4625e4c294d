//! WebGPU as a test inside a browser sees it, in the page or in a worker.

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The vendor, architecture and description of the adapter that the browser offers here.
///
/// # Errors
/// When there is no WebGPU or it has no adapter: then nothing can be tested, which is a failure.
pub async fn adapter_name() -> Result<String, JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let gpu = Reflect::get(&navigator, &"gpu".into())?;
    if gpu.is_undefined() {
        return Err("this browser has no navigator.gpu".into());
    }
    let request: Function = Reflect::get(&gpu, &"requestAdapter".into())?.dyn_into()?;
    let adapter = JsFuture::from(request.call0(&gpu)?.dyn_into::<Promise>()?).await?;
    if adapter.is_null() {
        return Err(
            "this browser has WebGPU but no adapter; start it with the flags of webdriver.json".into()
        );
    }
    let info = Reflect::get(&adapter, &"info".into())?;
    let field =
        |name: &str| Ok::<_, JsValue>(Reflect::get(&info, &name.into())?.as_string().unwrap_or_default());
    Ok(format!("{} {} {}", field("vendor")?, field("architecture")?, field("description")?).trim().to_owned())
}
