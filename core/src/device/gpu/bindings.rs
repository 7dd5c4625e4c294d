//! What kernels are bound to: buffers, and textures that hold copies of them.

use std::num::NonZeroU64;
use std::ops::Range;

/// What a kernel declares at a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A buffer that is only read.
    Read,
    /// A buffer that is written.
    Write,
    /// A texture to load from.
    Texture,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    /// These elements of a buffer.
    Buffer(wgpu::Buffer, Range<usize>),
    /// All of a texture.
    View(wgpu::TextureView),
}

impl Bound {
    pub(super) fn resource(&self) -> wgpu::BindingResource<'_> {
        match self {
            Self::Buffer(buffer, range) => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: range.start as u64 * 4,
                size: NonZeroU64::new(range.len() as u64 * 4),
            }),
            Self::View(view) => wgpu::BindingResource::TextureView(view),
        }
    }
}

/// The layout of all kernels with such bindings.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) group: wgpu::BindGroupLayout,
    pub(super) pipeline: wgpu::PipelineLayout,
}

impl Layout {
    pub(super) fn new(device: &wgpu::Device, kinds: &[Kind]) -> Self {
        let entries: Vec<_> = (0..).zip(kinds).map(|(binding, &kind)| entry(binding, kind)).collect();
        let group = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&group)],
            immediate_size: 0,
        });
        Self { group, pipeline }
    }
}

fn entry(binding: u32, kind: Kind) -> wgpu::BindGroupLayoutEntry {
    let buffer = |read_only| wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Storage { read_only },
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let ty = match kind {
        Kind::Read => buffer(true),
        Kind::Write => buffer(false),
        Kind::Texture => wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
    };
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
}
