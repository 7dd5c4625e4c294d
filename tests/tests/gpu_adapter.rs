//! The native GPU tier has a GPU, and says which.
#![cfg(not(target_arch = "wasm32"))]

#[test]
fn there_is_an_adapter() {
    let instance = wgpu::Instance::default();
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))
        .expect("a Vulkan, Metal or DirectX 12 adapter: on Linux install mesa-vulkan-drivers");
    let info = adapter.get_info();
    println!("native adapter: {} ({:?}, {})", info.name, info.backend, info.driver_info);
    assert_ne!(info.backend, wgpu::Backend::Noop, "the adapter computes nothing");
}
