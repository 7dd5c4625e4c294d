//! Which steps may run at the same time. The gradient of one op is often several steps that need nothing of each other,
//! those in what it reads and in its parameters: a device may launch them as one (`device/gpu/fuse.rs`).

use super::tape::{Place, Step, Tape, Value};
use std::ops::Range;

/// The tape's steps in runs, each of one step or of several that may go together: neighbours, of the gradient of one op,
/// none of which reads or writes what another one writes.
pub(super) fn together(tape: &Tape) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, step) in tape.steps.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if tape.steps[run.clone()].iter().all(|other| independent(tape, other, step)) => {
                run.end = index + 1;
            }
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

fn independent(tape: &Tape, a: &Step, b: &Step) -> bool {
    let parts = a.op.part_dyn() && b.op.part_dyn();
    let apart = |written: Value, read: Value| !same_storage(tape, written, read);
    let writes_apart = |x: Value, y: Value| if x == y { parts } else { !overlap(tape, x, y) };
    let pairs = |xs: &[Value], ys: &[Value], fine: &dyn Fn(Value, Value) -> bool| {
        xs.iter().all(|&x| ys.iter().all(|&y| fine(x, y)))
    };
    a.of.is_some()
        && a.of == b.of
        && pairs(&a.writes, &b.reads, &apart)
        && pairs(&b.writes, &a.reads, &apart)
        && pairs(&a.writes, &b.writes, &writes_apart)
}

/// Whether they lie in one activation or in one named buffer: WebGPU lets no launch read and write the same buffer, not
/// even elsewhere in it.
fn same_storage(tape: &Tape, a: Value, b: Value) -> bool {
    match (place(tape, a), place(tape, b)) {
        (Place::Buffer { name: x, .. }, Place::Buffer { name: y, .. }) => x == y,
        _ => a == b,
    }
}

/// Whether they have an element in common.
fn overlap(tape: &Tape, a: Value, b: Value) -> bool {
    let apart = match (place(tape, a), place(tape, b)) {
        (Place::Buffer { offset: i, .. }, Place::Buffer { offset: j, .. }) => {
            i + tape.spec(a).len() <= *j || j + tape.spec(b).len() <= *i
        }
        _ => false,
    };
    same_storage(tape, a, b) && !apart
}

fn place(tape: &Tape, value: Value) -> &Place {
    &tape.values[value.0 as usize].place
}
