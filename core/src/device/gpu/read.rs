//! Reading back: a copy into a staging buffer, which is ordered at once, and a map that is awaited. So a reading waits for
//! what was submitted before it, and for nothing that came after.

use super::{Data, Gpu, Reading, Source, buffers::missing};
use crate::graph::DType;
use crate::{Error, Result};
use futures_channel::oneshot;
use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

/// The smallest staging buffer, bytes.
const STAGING: u64 = 1 << 16;

/// Staging buffers that are not in use, shared with the readings under way. A buffer comes back only after a reading that
/// went through, so that an abandoned one cannot leave a mapped buffer behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Staging(Rc<RefCell<Vec<wgpu::Buffer>>>);

impl Staging {
    fn take(&self) -> Option<wgpu::Buffer> {
        self.0.borrow_mut().pop()
    }

    pub(super) fn put(&self, buffer: wgpu::Buffer) {
        self.0.borrow_mut().push(buffer);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.borrow().iter().map(wgpu::Buffer::size).sum()
    }
}

impl Gpu {
    /// One copy a source, side by side into a staging buffer, and one map.
    pub(super) fn read_back(&mut self, sources: &[Source]) -> Result<Reading<'static, Vec<Data>>> {
        self.opened.faults.check()?;
        let mut parts = Vec::with_capacity(sources.len());
        for source in sources {
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
            let none = parts.iter().map(|&(_, dtype, _)| decode(dtype, &[])).collect();
            return Ok(Box::pin(std::future::ready(Ok(none))));
        }
        let staging = self.staging(size);
        let mut encoder = self.opened.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for (buffer, _, range) in &parts {
            encoder.copy_buffer_to_buffer(buffer, range.start as u64 * 4, &staging, at, bytes(range));
            at += bytes(range);
        }
        let copied = self.opened.queue.submit([encoder.finish()]);
        let mapped = self.map(&staging, size, copied);
        let parts: Vec<_> = parts.into_iter().map(|(_, dtype, range)| (dtype, range)).collect();
        let (faults, name, idle) =
            (self.opened.faults.clone(), self.opened.name.clone(), self.staging.clone());
        Ok(Box::pin(async move {
            let mapped = mapped.await;
            faults.check()?;
            mapped?;
            let view = staging
                .get_mapped_range(0..size)
                .map_err(|error| Error::Device(format!("{name} cannot be read: {error}")))?;
            let mut rest = &view[..];
            let all = parts.iter().map(|(dtype, range)| {
                let (part, after) = rest.split_at(bytes(range) as usize);
                rest = after;
                decode(*dtype, part)
            });
            let all = all.collect();
            drop(view);
            staging.unmap();
            idle.put(staging);
            Ok(all)
        }))
    }

    /// Takes a staging buffer, or makes a larger one in the place of one that is too small.
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

    /// Begins to map `staging`, into which `copied` copies; what comes back is to be awaited until it is mapped.
    pub(super) fn map(
        &self,
        staging: &wgpu::Buffer,
        size: u64,
        copied: wgpu::SubmissionIndex,
    ) -> impl Future<Output = Result<()>> + use<> {
        let (sender, receiver) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, 0..size, move |result| {
            // The reader may have gone away: then nobody wants the result.
            let _ = sender.send(result);
        });
        let (device, name) = (self.opened.device.clone(), self.opened.name.clone());
        async move {
            let failed = |why: String| Error::Device(format!("{name} cannot be read: {why}"));
            // In a browser this does nothing, and the map resolves by itself.
            let until = wgpu::PollType::Wait { submission_index: Some(copied), timeout: None };
            device.poll(until).map_err(|error| failed(error.to_string()))?;
            match receiver.await {
                Ok(result) => result.map_err(|error| failed(error.to_string())),
                Err(_) => Err(failed("the device is gone".into())),
            }
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
