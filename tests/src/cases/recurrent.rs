//! The gated recurrent unit, forward and backward.

use super::{Case, build::Build};
use crate::array::Array::Float;
use crate::reference::recurrent::{self as reference, Sizes};
use gradus_core::ops::{Gru, GruGrad};

pub(super) fn cases() -> Vec<Case> {
    // A wide layer with weights of this size is chaotic: rounding grows with every position, so it is short. The widest has no room for four
    // rows at a time.
    let sizes = [[1, 1, 4], [2, 5, 12], [3, 33, 20], [2, 64, 8], [5, 7, 12], [1, 4, 132], [1, 2, 260]];
    sizes.into_iter().map(|[b, t, c]| Sizes { b, t, c }).flat_map(|s| [gru(s), gru_grad(s)]).collect()
}

fn build(op: &str, s: Sizes) -> Build {
    Build::new(format!("{op} B={} T={} C={}", s.b, s.t, s.c))
}

fn gru(s: Sizes) -> Case {
    let mut case = build("gru", s);
    let x = case.random("x", &[s.b, s.t, 3 * s.c]);
    let [w, bias] = case.parameters([("w", &[3 * s.c, s.c]), ("bias", &[3 * s.c])]);
    case.makes(Gru, &[x, w, bias], move |r| {
        reference::gru(r[0].f(), r[1].f(), r[2].f(), s).map(Float).to_vec()
    })
}

fn gru_grad(s: Sizes) -> Case {
    let mut case = build("gru_grad", s);
    let dh = case.random("dh", &[s.b, s.t, s.c]);
    let x = case.normal(s.b * s.t * 3 * s.c, 1.0);
    let w_values = case.normal(3 * s.c * s.c, 0.5);
    let [h, gates] = reference::gru(&x, &w_values, &vec![0.0; 3 * s.c], s);
    let h = case.floats("h", &[s.b, s.t, s.c], &h);
    let gates = case.floats("gates", &[s.b, s.t, 4 * s.c], &gates);
    let w = case.floats("w", &[3 * s.c, s.c], &w_values);
    case.makes(GruGrad, &[dh, h, gates, w], move |r| {
        reference::gru_grad(r[0].f(), r[1].f(), r[2].f(), r[3].f(), s).map(Float).to_vec()
    })
}
