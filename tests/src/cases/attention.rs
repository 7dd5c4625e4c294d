//! Attention and flash attention, forward and backward, kernel by kernel.

use super::{Case, build::Build};
use crate::array::Array::Float;
use crate::reference::attention::{self as reference, Sizes};
use gradus_core::graph::Value;
use gradus_core::ops::{
    Attention, AttentionGrad, AttentionGradScores, FlashAttention, FlashAttentionDelta, FlashAttentionGradKv,
    FlashAttentionGradQ,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for [b, t, h, d] in [
        [1, 1, 1, 4],
        [2, 5, 2, 6],
        [1, 32, 2, 8],
        [1, 33, 3, 20],
        [2, 64, 2, 16],
        [1, 70, 1, 32],
        [1, 65, 1, 64],
    ] {
        let s = Sizes { b, t, h, d, scaled: true };
        cases.extend([attention(s), attention_grad_scores(s), attention_grad(s)]);
        cases.extend([flash_attention(s), flash_attention_delta(s), flash_grad_kv(s), flash_grad_q(s)]);
        if d < 20 {
            let s = Sizes { scaled: false, ..s };
            cases.extend([attention(s), attention_grad_scores(s), flash_attention(s)]);
            cases.extend([flash_grad_kv(s), flash_grad_q(s)]);
        }
    }
    cases
}

fn build(op: &str, s: Sizes) -> Build {
    let unscaled = if s.scaled { "" } else { " unscaled" };
    Build::new(format!("{op} B={} T={} H={} D={}{unscaled}", s.b, s.t, s.h, s.d))
}

fn qkv(case: &mut Build, s: Sizes) -> (Value, Vec<f64>) {
    let values = case.normal(s.b * s.t * 3 * s.c(), 1.0);
    (case.floats("qkv", &[s.b, s.t, 3 * s.c()], &values), values)
}

fn attention(s: Sizes) -> Case {
    let mut case = build("attention", s);
    let (qkv, _) = qkv(&mut case, s);
    case.makes(Attention { heads: s.h, scaled: s.scaled }, &[qkv], move |r| {
        let [o, probs, _] = reference::attention(r[0].f(), s);
        vec![Float(o), Float(probs)]
    })
}

fn attention_grad_scores(s: Sizes) -> Case {
    let mut case = build("attention_grad_scores", s);
    let (qkv, values) = qkv(&mut case, s);
    let dout = case.random("do", &[s.b, s.t, s.c()]);
    let [_, probs, _] = reference::attention(&values, s);
    let probs = case.floats("probs", &[s.b, s.h, s.t, s.t], &probs);
    case.makes(AttentionGradScores { heads: s.h, scaled: s.scaled }, &[qkv, dout, probs], move |r| {
        vec![Float(reference::grad_scores(r[0].f(), r[1].f(), r[2].f(), s))]
    })
}

fn attention_grad(s: Sizes) -> Case {
    let mut case = build("attention_grad", s);
    let (qkv, values) = qkv(&mut case, s);
    let dout_values = case.normal(s.b * s.t * s.c(), 1.0);
    let dout = case.floats("do", &[s.b, s.t, s.c()], &dout_values);
    let [_, probs_values, _] = reference::attention(&values, s);
    let probs = case.floats("probs", &[s.b, s.h, s.t, s.t], &probs_values);
    let ds = reference::grad_scores(&values, &dout_values, &probs_values, s);
    let ds = case.floats("ds", &[s.b, s.h, s.t, s.t], &ds);
    case.makes(AttentionGrad { heads: s.h }, &[qkv, dout, probs, ds], move |r| {
        vec![Float(reference::grad(r[0].f(), r[1].f(), r[2].f(), r[3].f(), s))]
    })
}

fn flash_attention(s: Sizes) -> Case {
    let mut case = build("flash_attention", s);
    let (qkv, _) = qkv(&mut case, s);
    case.makes(FlashAttention { heads: s.h, scaled: s.scaled }, &[qkv], move |r| {
        let [o, _, lse] = reference::attention(r[0].f(), s);
        vec![Float(o), Float(lse)]
    })
}

fn flash_attention_delta(s: Sizes) -> Case {
    let mut case = build("flash_attention_delta", s);
    let reads = ["o", "do"].map(|name| case.random(name, &[s.b, s.t, s.c()]));
    case.makes(FlashAttentionDelta { heads: s.h }, &reads, move |r| {
        vec![Float(reference::delta(r[0].f(), r[1].f(), s))]
    })
}

/// qkv, do, lse, delta as they are in a backward pass, and dqkv with contents to keep.
fn flash_grad(op: &str, s: Sizes) -> (Build, [Value; 4], Value) {
    let mut case = build(op, s);
    let (qkv, values) = qkv(&mut case, s);
    let dout_values = case.normal(s.b * s.t * s.c(), 1.0);
    let dout = case.floats("do", &[s.b, s.t, s.c()], &dout_values);
    let [o, _, lse] = reference::attention(&values, s);
    let lse = case.floats("lse", &[s.b, s.h, s.t], &lse);
    let delta = case.floats("delta", &[s.b, s.h, s.t], &reference::delta(&o, &dout_values, s));
    let dqkv = case.random("dqkv", &[s.b, s.t, 3 * s.c()]);
    (case, [qkv, dout, lse, delta], dqkv)
}

/// The whole gradient where `mine` says that the kernel writes the third, else what was there.
fn thirds(
    s: Sizes,
    mine: impl Fn(usize) -> bool + 'static,
) -> impl Fn(&[crate::array::Array], &[crate::array::Array]) -> Vec<crate::array::Array> {
    move |r, held| {
        let probs = reference::probs_from_lse(r[0].f(), r[2].f(), s);
        let ds = reference::grad_scores_from_delta(r[0].f(), r[1].f(), &probs, r[3].f(), s);
        let whole = reference::grad(r[0].f(), r[1].f(), &probs, &ds, s);
        let third = |i: usize| i % (3 * s.c()) / s.c();
        let pick = |(i, (&new, &old)): (usize, (&f64, &f64))| if mine(third(i)) { new } else { old };
        vec![Float(whole.iter().zip(held[0].f()).enumerate().map(pick).collect())]
    }
}

fn flash_grad_kv(s: Sizes) -> Case {
    let (case, reads, dqkv) = flash_grad("flash_attention_grad_kv", s);
    case.updates(
        FlashAttentionGradKv { heads: s.h, scaled: s.scaled },
        &reads,
        &[dqkv],
        thirds(s, |third| third > 0),
    )
}

fn flash_grad_q(s: Sizes) -> Case {
    let (case, reads, dqkv) = flash_grad("flash_attention_grad_q", s);
    case.updates(
        FlashAttentionGradQ { heads: s.h, scaled: s.scaled },
        &reads,
        &[dqkv],
        thirds(s, |third| third == 0),
    )
}
