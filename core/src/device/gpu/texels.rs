//! What kernels read, as textures. On a processor that runs kernels a load from a buffer is a long text, and a load from a texture
//! a short one, which makes large products more than half as quick again, copying included (shaders/README.md). A program
//! has a texture for what its kernels read first, and one for what they read next.

use super::Gpu;
use crate::ops::Family;
use crate::{Error, Result};
use std::ops::Range;

/// Numbers of a texel.
const FOUR: usize = 4;
/// Bytes of a texel.
const BYTES: u64 = 16;
/// Texels of a row.
const ROW: u64 = Family::TEXELS_A_ROW as u64;
// Kernels find a texel by a shift and a mask, and a copy's rows begin at multiples of 256 bytes.
const _: () = assert!(ROW.is_power_of_two() && (ROW * BYTES).is_multiple_of(256));

/// A texture that holds what a kernel reads, four numbers a texel, [`Family::TEXELS_A_ROW`] texels a row.
#[derive(Debug)]
pub(super) struct Texels {
    texture: wgpu::Texture,
    pub(super) view: wgpu::TextureView,
}

impl Texels {
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.texture.width()) * u64::from(self.texture.height()) * BYTES
    }
}

impl Drop for Texels {
    // Dropping the handle frees nothing in a browser.
    fn drop(&mut self) {
        self.texture.destroy();
    }
}

/// A copy into a texture, to be made before the launch that reads it.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    buffer: wgpu::Buffer,
    texture: wgpu::Texture,
    /// Texels of the buffer.
    from: Range<u64>,
}

impl Copy {
    /// Of these elements of a buffer, as many as four go into.
    pub(super) fn new(buffer: &wgpu::Buffer, elements: &Range<usize>, texels: &Texels) -> Self {
        let from = (elements.start / FOUR) as u64..(elements.end / FOUR) as u64;
        Self { buffer: buffer.clone(), texture: texels.texture.clone(), from }
    }

    pub(super) fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let Range { start, end } = self.from;
        let whole = (end - start) / ROW;
        // Whole rows, then what is left.
        for (width, height, row) in [(ROW, whole, 0), ((end - start) % ROW, 1, whole)] {
            if width * height == 0 {
                continue;
            }
            let mut to = self.texture.as_image_copy();
            to.origin.y = row as u32;
            let layout = wgpu::TexelCopyBufferLayout {
                offset: (start + row * ROW) * BYTES,
                bytes_per_row: Some((ROW * BYTES) as u32),
                rows_per_image: None,
            };
            let from = wgpu::TexelCopyBufferInfo { buffer: &self.buffer, layout };
            let size =
                wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 };
            encoder.copy_buffer_to_texture(from, to, size);
        }
    }
}

impl Gpu {
    /// A texture for up to `len` numbers. Errors: larger than the adapter allows, or than it has room for.
    pub(super) fn texels(&mut self, label: &str, len: usize) -> Result<Texels> {
        let rows = len.div_ceil(FOUR * Family::TEXELS_A_ROW).max(1);
        let most = self.opened.device.limits().max_texture_dimension_2d as usize;
        if rows > most {
            return Err(Error::OutOfMemory {
                device: self.opened.name.clone(),
                detail: format!("{label} needs a texture of {rows} rows, {most} are allowed"),
            });
        }
        let texture = self.opened.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d {
                width: Family::TEXELS_A_ROW as u32,
                height: rows as u32,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba32Float,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        self.made.textures += 1;
        let view = texture.create_view(&Default::default());
        self.opened.faults.check()?;
        Ok(Texels { texture, view })
    }
}
