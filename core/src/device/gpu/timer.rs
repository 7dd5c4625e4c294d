//! Timestamp queries around kernels, where the adapter has them.

use super::Gpu;
use super::program::{Launch, Stamps, record};
use crate::device::profile::Launched;
use crate::device::{Device, Program};
use crate::{Error, Result};

/// Made at the first use, then kept, until more stamps are asked for.
#[derive(Debug)]
pub(super) struct Timer {
    stamps: usize,
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Drop for Timer {
    // Dropping the handles frees nothing in a browser.
    fn drop(&mut self) {
        self.resolved.destroy();
        self.staging.destroy();
    }
}

impl Gpu {
    /// Runs `program` and returns the seconds between the begin of its first kernel and the end of its last by the adapter's
    /// clock. None where the adapter has no timestamps, or gave two that make no sense; the program may then
    /// have run or not.
    pub(super) async fn stamped(&mut self, program: Program) -> Result<Option<f64>> {
        Ok(self.clocked(program, false).await?.and_then(|times| times.first().copied().flatten()))
    }

    /// Runs `program`, each launch in a pass of its own. Its time begins where the one before ends, so that it has in it what is
    /// copied for it.
    pub(super) async fn profiled(&mut self, program: Program) -> Result<Vec<Launched>> {
        let Some(times) = self.clocked(program, true).await? else {
            self.submit(&[program])?;
            let untimed = |launch: &Launch| launch.launched(None);
            return Ok(self.program(program)?.launches.iter().map(untimed).collect());
        };
        Ok(self
            .program(program)?
            .launches
            .iter()
            .zip(times)
            .map(|(l, seconds)| l.launched(seconds))
            .collect())
    }

    /// Runs `program` and returns the seconds of `each` launch, or of all together: none where two stamps make no sense, and
    /// nothing at all, nor run, where the adapter has no timestamps or not enough.
    async fn clocked(&mut self, program: Program, each: bool) -> Result<Option<Vec<Option<f64>>>> {
        self.opened.faults.check()?;
        let launches = self.program(program)?.launches.len();
        let stamps = if each { launches + 1 } else { 2 };
        if !self.opened.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
            || launches == 0
            || stamps > wgpu::QUERY_SET_MAX_QUERIES as usize
        {
            return Ok(None);
        }
        let timer = self.timer.take().filter(|timer| timer.stamps >= stamps);
        let timer = timer.unwrap_or_else(|| self.stamps(stamps));
        let mut encoder = self.opened.device.create_command_encoder(&Default::default());
        let launches: Vec<&Launch> = self.program(program)?.launches.iter().collect();
        record(&mut encoder, &launches, Some(Stamps { queries: &timer.queries, each }));
        let size = bytes(stamps);
        encoder.resolve_query_set(&timer.queries, 0..stamps as u32, &timer.resolved, 0);
        encoder.copy_buffer_to_buffer(&timer.resolved, 0, &timer.staging, 0, size);
        let copied = self.opened.queue.submit([encoder.finish()]);
        let mapped = self.map(&timer.staging, size, copied).await;
        self.opened.faults.check()?;
        mapped?;
        let view = timer
            .staging
            .get_mapped_range(0..size)
            .map_err(|error| Error::Device(format!("{} cannot be read: {error}", self.opened.name)))?;
        let stamps: Vec<u64> = view.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
        drop(view);
        timer.staging.unmap();
        self.timer = Some(timer);
        let period = f64::from(self.opened.queue.get_timestamp_period()) * 1e-9;
        let seconds = |pair: &[u64]| ticks(pair[0], pair[1]).map(|ticks| ticks as f64 * period);
        Ok(Some(stamps.windows(2).map(seconds).collect()))
    }

    /// What so many stamps need.
    fn stamps(&mut self, stamps: usize) -> Timer {
        use wgpu::BufferUsages as Usage;
        let queries = self.opened.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("timer"),
            ty: wgpu::QueryType::Timestamp,
            count: stamps as u32,
        });
        let (resolve, read) = (Usage::QUERY_RESOLVE | Usage::COPY_SRC, Usage::MAP_READ | Usage::COPY_DST);
        Timer {
            stamps,
            queries,
            resolved: self.buffer("timestamps", bytes(stamps), resolve),
            staging: self.buffer("timestamps read", bytes(stamps), read),
        }
    }
}

fn bytes(stamps: usize) -> u64 {
    stamps as u64 * u64::from(wgpu::QUERY_SIZE)
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
