//! Timestamp queries around a program's kernels, where the adapter has them.

use super::Gpu;
use crate::device::Program;
use crate::{Error, Result};

/// Begin and end.
const STAMPS: u32 = 2;
/// Bytes of the two.
const BYTES: u64 = STAMPS as u64 * wgpu::QUERY_SIZE as u64;

/// Made at the first use, then kept.
#[derive(Debug)]
pub(super) struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Gpu {
    /// Runs `program` and returns the seconds between its first and its last kernel's end by the adapter's
    /// clock. None where the adapter has no timestamps, or gave two that make no sense; the program may then
    /// have run or not.
    pub(super) async fn stamped(&mut self, program: Program) -> Result<Option<f64>> {
        let device = self.opened.device.clone();
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Ok(None);
        }
        self.opened.faults.check()?;
        let timer = match self.timer.take() {
            Some(timer) => timer,
            None => Timer {
                queries: device.create_query_set(&wgpu::QuerySetDescriptor {
                    label: Some("timer"),
                    ty: wgpu::QueryType::Timestamp,
                    count: STAMPS,
                }),
                resolved: self.buffer(
                    "timestamps",
                    BYTES,
                    wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                ),
                staging: self.buffer(
                    "timestamps read",
                    BYTES,
                    wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
                ),
            },
        };
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let stamps = wgpu::ComputePassTimestampWrites {
                query_set: &timer.queries,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            };
            let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: Some(stamps) };
            self.record(&mut encoder.begin_compute_pass(&descriptor), &[program])?;
        }
        encoder.resolve_query_set(&timer.queries, 0..STAMPS, &timer.resolved, 0);
        encoder.copy_buffer_to_buffer(&timer.resolved, 0, &timer.staging, 0, BYTES);
        self.opened.queue.submit([encoder.finish()]);
        let mapped = self.map(&timer.staging, BYTES).await;
        self.opened.faults.check()?;
        mapped?;
        let view = timer
            .staging
            .get_mapped_range(0..BYTES)
            .map_err(|error| Error::Device(format!("{} cannot be read: {error}", self.opened.name)))?;
        let mut stamps = view.chunks_exact(8).map(bytemuck::pod_read_unaligned::<u64>);
        let (begin, end) = (stamps.next().unwrap_or_default(), stamps.next().unwrap_or_default());
        drop(view);
        timer.staging.unmap();
        self.timer = Some(timer);
        let period = f64::from(self.opened.queue.get_timestamp_period());
        Ok(ticks(begin, end).map(|ticks| ticks as f64 * period * 1e-9))
    }
}

/// Ticks between two stamps; none if they make no sense. Some drivers answer a lost query with zeros; equal stamps
/// are those of a program shorter than a tick, or than what a browser rounds to.
fn ticks(begin: u64, end: u64) -> Option<u64> {
    end.checked_sub(begin).filter(|_| begin > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_stamps_are_no_time_and_zeros_no_stamps() {
        assert_eq!([ticks(5, 9), ticks(5, 5)], [Some(4), Some(0)]);
        assert_eq!([ticks(0, 0), ticks(0, 9), ticks(9, 0), ticks(9, 5)], [None; 4]);
    }
}
