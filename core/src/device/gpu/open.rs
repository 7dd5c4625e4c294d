//! Finding an adapter and opening it.

use super::faults::Faults;
use crate::{Error, Result};

/// The most a single buffer may be, where the adapter allows it: no model of ours needs more.
const LARGEST_BUFFER: u64 = 1 << 30;

/// An open device.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) faults: Faults,
    pub(super) name: String,
    pub(super) software: bool,
}

/// Opens the quickest adapter, a fresh one each time: browsers open an adapter only once.
pub(super) async fn open() -> Result<Opened> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    let adapter = instance.request_adapter(&options).await.map_err(|error| {
        // In a browser wgpu's reason is a list of the native drivers that it was built without.
        let reason = if cfg!(target_arch = "wasm32") { String::new() } else { format!(" ({error})") };
        Error::Device(format!("there is no WebGPU adapter here{reason}: the CPU device works everywhere"))
    })?;
    let info = adapter.get_info();
    let name = adapter_name(&info);
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("gradus"),
        // For lessons that show how long a kernel takes. Nothing depends on it.
        required_features: adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
        required_limits: limits(&adapter.limits()),
        ..Default::default()
    };
    let (device, queue) = adapter
        .request_device(&descriptor)
        .await
        .map_err(|error| Error::Device(format!("{name} cannot be opened: {error}. Use the CPU device.")))?;
    #[cfg(target_arch = "wasm32")]
    let name = browser_name(&device).unwrap_or(name);
    let faults = Faults::default();
    faults.watch(&device, &name);
    Ok(Opened { device, queue, faults, software: is_software(&info, &name), name })
}

/// Bindings of a kernel, where the adapter allows more than 8: what browsers offer on most of them.
const MOST_BINDINGS: u32 = 10;

/// WebGPU's defaults, with larger buffers and more bindings where the adapter has them; never more than it has.
fn limits(adapter: &wgpu::Limits) -> wgpu::Limits {
    let mut limits = wgpu::Limits::defaults();
    limits.max_buffer_size = LARGEST_BUFFER;
    limits.max_storage_buffer_binding_size = LARGEST_BUFFER;
    limits.max_storage_buffers_per_shader_stage = MOST_BINDINGS;
    limits.or_worse_values_from(adapter)
}

/// What to call the adapter. Browsers may leave its description empty.
fn adapter_name(info: &wgpu::AdapterInfo) -> String {
    let found = [&info.name, &info.driver, &info.driver_info].into_iter().find(|s| !s.trim().is_empty());
    found.map_or_else(|| "WebGPU adapter".to_string(), |s| s.trim().to_string())
}

/// What the browser itself tells of the adapter (`GPUDevice.adapterInfo`), which wgpu does not pass on: its
/// description, or else its vendor and architecture.
#[cfg(target_arch = "wasm32")]
fn browser_name(device: &wgpu::Device) -> Option<String> {
    let device: &js_sys::Object = device.as_webgpu()?.as_ref();
    let info = js_sys::Reflect::get(device, &"adapterInfo".into()).ok()?;
    let field =
        |name: &str| js_sys::Reflect::get(&info, &name.into()).ok()?.as_string().filter(|s| !s.is_empty());
    field("description").or_else(|| {
        let parts: Vec<String> = ["vendor", "architecture"].into_iter().filter_map(field).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    })
}

/// Whether the adapter is a CPU in disguise.
fn is_software(info: &wgpu::AdapterInfo, name: &str) -> bool {
    let name = name.to_lowercase();
    info.device_type == wgpu::DeviceType::Cpu
        || ["swiftshader", "llvmpipe", "lavapipe", "basic render"].iter().any(|s| name.contains(s))
}
