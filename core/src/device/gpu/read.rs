//! Reading back: a copy into a staging buffer that is kept, then a map that is awaited.

use super::{Data, Gpu, Source, buffers::missing};
use crate::graph::DType;
use crate::{Error, Result};
use futures_channel::oneshot;

/// The smallest staging buffer, bytes.
const STAGING: u64 = 1 << 16;

impl Gpu {
    pub(super) async fn read_back(&mut self, source: Source) -> Result<Data> {
        self.opened.faults.check()?;
        let (storage, range) = match &source {
            Source::Buffer(name, range) => (self.stretch(name, range.clone())?, range.clone()),
            Source::Node(program, node) => {
                let compiled = self.program(*program)?;
                let (location, spec) = compiled.plan.nodes.get(node).ok_or_else(|| missing(node))?;
                self.place(&compiled.slots, location, spec)?
            }
        };
        let (buffer, dtype) = (storage.buffer.clone(), storage.dtype);
        let (offset, size) = (range.start as u64 * 4, range.len() as u64 * 4);
        if size == 0 {
            return Ok(decode(dtype, &[]));
        }
        let staging = self.staging(size);
        let mut encoder = self.opened.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&buffer, offset, &staging, 0, size);
        self.opened.queue.submit([encoder.finish()]);
        let mapped = self.map(&staging, size).await;
        self.opened.faults.check()?;
        mapped?;
        let view = staging
            .get_mapped_range(0..size)
            .map_err(|error| Error::Device(format!("{} cannot be read: {error}", self.opened.name)))?;
        let data = decode(dtype, &view);
        drop(view);
        staging.unmap();
        self.staging = Some(staging);
        Ok(data)
    }

    /// Takes the staging buffer, or makes a larger one. It comes back only after a read that went
    /// through, so that an abandoned read cannot leave a mapped buffer behind.
    pub(super) fn staging(&mut self, size: u64) -> wgpu::Buffer {
        match self.staging.take() {
            Some(buffer) if buffer.size() >= size => buffer,
            old => {
                if let Some(buffer) = old {
                    buffer.destroy();
                }
                let size = size.next_power_of_two().max(STAGING);
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                self.buffer("staging", size, usage)
            }
        }
    }

    pub(super) async fn map(&self, staging: &wgpu::Buffer, size: u64) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, 0..size, move |result| {
            // The reader may have gone away: then nobody wants the result.
            let _ = sender.send(result);
        });
        let failed = |why: String| Error::Device(format!("{} cannot be read: {why}", self.opened.name));
        // In a browser this does nothing, and the map resolves by itself.
        self.opened
            .device
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|error| failed(error.to_string()))?;
        match receiver.await {
            Ok(result) => result.map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed("the device is gone".into())),
        }
    }
}

fn decode(dtype: DType, bytes: &[u8]) -> Data {
    // A mapped range need not be aligned on our side.
    let words = bytes.chunks_exact(4);
    match dtype {
        DType::Float => Data::Float(words.map(bytemuck::pod_read_unaligned).collect()),
        DType::U32 => Data::U32(words.map(bytemuck::pod_read_unaligned).collect()),
    }
}
