//! Reading back: a copy into a staging buffer that is kept, then a map that is awaited.

use super::{Data, Gpu, Source, buffers::missing};
use crate::graph::DType;
use crate::{Error, Result};
use futures_channel::oneshot;
use std::ops::Range;

/// The smallest staging buffer, bytes.
const STAGING: u64 = 1 << 16;

impl Gpu {
    /// One copy a source, side by side into the staging buffer, and one map.
    pub(super) async fn read_back(&mut self, sources: Vec<Source>) -> Result<Vec<Data>> {
        self.opened.faults.check()?;
        let mut parts = Vec::with_capacity(sources.len());
        for source in &sources {
            let (storage, range) = match source {
                Source::Buffer(name, range) => (self.stretch(name, range.clone())?, range.clone()),
                Source::Node(program, node) => {
                    let compiled = self.program(*program)?;
                    let (location, spec) = compiled.plan.nodes.get(node).ok_or_else(|| missing(node))?;
                    self.place(&compiled.slots, location, spec)?
                }
            };
            parts.push((storage.buffer.clone(), storage.dtype, range));
        }
        let size = parts.iter().map(|(_, _, range)| bytes(range)).sum();
        if size == 0 {
            return Ok(parts.iter().map(|&(_, dtype, _)| decode(dtype, &[])).collect());
        }
        let staging = self.staging(size);
        let mut encoder = self.opened.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for (buffer, _, range) in &parts {
            encoder.copy_buffer_to_buffer(buffer, range.start as u64 * 4, &staging, at, bytes(range));
            at += bytes(range);
        }
        self.opened.queue.submit([encoder.finish()]);
        let mapped = self.map(&staging, size).await;
        self.opened.faults.check()?;
        mapped?;
        let view = staging
            .get_mapped_range(0..size)
            .map_err(|error| Error::Device(format!("{} cannot be read: {error}", self.opened.name)))?;
        let mut rest = &view[..];
        let all = parts.iter().map(|(_, dtype, range)| {
            let (part, after) = rest.split_at(bytes(range) as usize);
            rest = after;
            decode(*dtype, part)
        });
        let all = all.collect();
        drop(view);
        staging.unmap();
        self.staging = Some(staging);
        Ok(all)
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

fn bytes(range: &Range<usize>) -> u64 {
    range.len() as u64 * 4
}

fn decode(dtype: DType, bytes: &[u8]) -> Data {
    // A mapped range need not be aligned on our side.
    let words = bytes.chunks_exact(4);
    match dtype {
        DType::Float => Data::Float(words.map(bytemuck::pod_read_unaligned).collect()),
        DType::U32 => Data::U32(words.map(bytemuck::pod_read_unaligned).collect()),
    }
}
