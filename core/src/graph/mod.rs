//! A model as data: recorded once, differentiated once, planned once, then only replayed.
//!
//! [`Tape`] records coarse ops over named values. [`grad`](Tape::backward) appends each op's
//! vector–Jacobian product to the same tape. [`Plan`] turns the tape into slots with lifetimes and an
//! ordered list of steps, which any [`Device`](crate::device::Device) can run.

mod grad;
mod plan;
mod tape;
mod together;

pub use grad::Backward;
pub use plan::{Location, Plan, PlanStep};
pub(crate) use tape::ALIGN;
pub use tape::{DType, Spec, Step, Tape, Value};
