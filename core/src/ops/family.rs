//! Two ways to write a kernel, for two kinds of adapter.

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
}

/// Threads of a workgroup whose threads work alone: enough to fill a processor's vectors, and few, so that there
/// are workgroups for all of its cores.
pub(super) const ALONE: usize = 16;
