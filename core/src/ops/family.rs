//! Two ways to write a kernel, for two kinds of adapter.

use super::{Constant, u};

/// Which kernels a device runs, where an op has two. Both are tested on every device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Threads work alone: large tiles in registers, no barrier, no workgroup memory. Quickest where threads are
    /// a processor's, to which a barrier is a change of stacks and workgroup memory is memory like any other.
    Threads,
    /// The threads of a workgroup share what they load. Quickest on graphics cards, which need thousands of
    /// threads at a time.
    Workgroups,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Threads, Self::Workgroups];

    /// The constant that only products through workgroup memory have, which chooses their library: how many rows
    /// of what is summed over pass through at a time.
    pub(crate) const DEPTH: &str = "DEPTH";

    /// The constant that only kernels have whose first reads are textures, which chooses their library: how many texels make
    /// a row of a texture. The device copies those reads into textures before the launch.
    pub(crate) const TEXELS: &str = "TEXELS";

    /// That many.
    pub(crate) const TEXELS_A_ROW: usize = 2048;

    /// Numbers of the largest texture, four a texel: it may have 8,192 rows on every adapter.
    pub(crate) const IN_A_TEXTURE: usize = 4 * Self::TEXELS_A_ROW * 8192;

    /// The constant [`TEXELS`](Self::TEXELS), where the values to be copied fit and the kernel multiplies and adds so often
    /// that it pays. It should load each number several times.
    pub(super) fn texels(work: usize, values: &[usize]) -> Option<(&'static str, Constant)> {
        let fit = values.iter().all(|&len| len <= Self::IN_A_TEXTURE);
        (fit && work >= Self::ENOUGH).then(|| u(Self::TEXELS, Self::TEXELS_A_ROW))
    }

    /// Multiply-adds that are worth the launches of the copies, some 15 µs each.
    const ENOUGH: usize = 1 << 20;
}

/// Threads of a workgroup whose threads work alone: enough to fill a processor's vectors, and few, so that there
/// are workgroups for all of its cores.
pub(super) const ALONE: usize = 16;
