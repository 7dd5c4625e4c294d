//! What kernels read, as textures. On a processor that runs kernels a load from a buffer is a long text, and a load from a texture
//! a short one, which makes large products more than half as quick again, copying included (shaders/README.md). A program
//! has a texture for what its kernels read first, and one for what they read next.

use super::Gpu;
use crate::graph::Spec;
use crate::ops::{Constant, Dispatch, Family};
use crate::{Error, Result};

/// Numbers of a texel.
const FOUR: usize = 4;
/// Bytes of a texel.
const BYTES: u64 = 16;
/// Texels that a thread copies, and threads of a workgroup.
const EACH: usize = 16;
const WIDTH: usize = 16;

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

/// The launch that copies a value into a texture: it reads the value and writes the texture.
pub fn copying(value: &Spec) -> Dispatch {
    let texels = value.len() / FOUR;
    let u = |x: usize| Constant::U(x as u32);
    let constants = [("LENGTH", texels), ("TEXELS", Family::TEXELS_A_ROW), ("EACH", EACH), ("WIDTH", WIDTH)];
    Dispatch {
        shader: "texels",
        constants: constants.map(|(name, value)| (name, u(value))).to_vec(),
        workgroups: crate::ops::groups(texels, EACH * WIDTH),
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
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::STORAGE_BINDING,
            view_formats: &[],
        });
        self.made.textures += 1;
        let view = texture.create_view(&Default::default());
        self.opened.faults.check()?;
        Ok(Texels { texture, view })
    }
}
