//! Buffers: made within the adapter's limits, counted, and destroyed when done with.

use super::Gpu;
use crate::graph::{DType, Location, Spec};
use crate::{Error, Result};
use std::ops::Range;

/// A named buffer or a slot.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) buffer: wgpu::Buffer,
    pub(super) dtype: DType,
    pub(super) len: usize,
}

impl Storage {
    pub(super) fn bytes(&self) -> u64 {
        self.len as u64 * 4
    }
}

impl Drop for Storage {
    // Dropping the handle frees nothing in a browser.
    fn drop(&mut self) {
        self.buffer.destroy();
    }
}

impl Gpu {
    /// A zeroed buffer of `len` elements. Errors: larger than the adapter allows, or than it has room for.
    pub(super) fn storage(&mut self, label: &str, dtype: DType, len: usize) -> Result<Storage> {
        let size = len.max(1) as u64 * 4;
        let limits = self.opened.device.limits();
        let most = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        if size > most {
            return Err(Error::OutOfMemory {
                device: self.opened.name.clone(),
                detail: format!("{label} needs {size} bytes in one buffer, {most} are allowed"),
            });
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = self.buffer(label, size, usage);
        self.opened.faults.check()?;
        Ok(Storage { buffer, dtype, len: len.max(1) })
    }

    /// A buffer, counted.
    pub(super) fn buffer(&mut self, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.made.buffers += 1;
        self.opened.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// The elements of a named buffer, if it has them.
    pub(super) fn stretch(&self, name: &str, range: Range<usize>) -> Result<&Storage> {
        match self.buffers.get(name) {
            Some(storage) if range.start <= range.end && range.end <= storage.len => Ok(storage),
            Some(_) => Err(Error::Graph(format!("{name} has no elements {range:?}"))),
            None => Err(missing(name)),
        }
    }

    /// Where a value lies: its buffer, and the elements.
    pub(super) fn place<'a>(
        &'a self,
        slots: &'a [Storage],
        location: &Location,
        spec: &Spec,
    ) -> Result<(&'a Storage, Range<usize>)> {
        match location {
            Location::Slot(slot) => {
                let storage = slots.get(*slot).ok_or_else(|| missing("that slot"))?;
                Ok((storage, 0..spec.len()))
            }
            Location::Buffer { name, offset } => {
                let range = *offset..offset + spec.len();
                Ok((self.stretch(name, range.clone())?, range))
            }
        }
    }
}

pub(super) fn missing(name: &str) -> Error {
    Error::Graph(format!("the device has no {name} (of that kind and size)"))
}
