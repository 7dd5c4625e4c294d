//! Attention and flash attention, forward and backward, kernel by kernel; their counting kernels are in
//! `traffic.rs`.

use super::{Case, build::Build, traffic};
use crate::array::Array::Float;
use crate::reference::attention::{self as reference, Sizes};
use gradus_core::attention::Tiles;
use gradus_core::graph::Value;
use gradus_core::ops::{
    Attention, AttentionGrad, AttentionGradScores, FlashAttention, FlashAttentionDelta, FlashAttentionGradKv,
    FlashAttentionGradQ, Form,
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
        let s = Sizes { b, t, h, d, causal: true, scaled: true };
        cases.extend(naive(s));
        cases.extend(flash(s, None));
        if d < 20 {
            let s = Sizes { scaled: false, ..s };
            cases.extend([attention(s), attention_grad_scores(s), flash_attention(s, None)]);
            cases.extend([flash_grad_kv(s, None), flash_grad_q(s, None)]);
        }
    }
    // Long enough for a processor's kernels to read textures.
    for causal in [true, false] {
        cases.extend(flash(Sizes { b: 1, t: 133, h: 4, d: 16, causal, scaled: true }, None));
    }
    // Full attention, and tiles of any shape: larger than T, of one row, of a size that divides nothing.
    for ([b, t, h, d], [queries, keys]) in [
        ([2, 5, 2, 6], [2, 3]),
        ([1, 33, 2, 8], [8, 5]),
        ([1, 40, 2, 20], [64, 16]),
        ([1, 17, 1, 32], [1, 31]),
    ] {
        let tiles = Tiles { queries, keys };
        for causal in [true, false] {
            let s = Sizes { b, t, h, d, causal, scaled: true };
            cases.extend(traffic::cases(s, tiles));
            if t < 40 && b * h > 1 {
                cases.extend(flash(s, Some(tiles)));
                cases.extend((!causal).then(|| naive(s)).into_iter().flatten());
            }
        }
    }
    cases
}

fn naive(s: Sizes) -> [Case; 3] {
    [attention(s), attention_grad_scores(s), attention_grad(s)]
}

fn flash(s: Sizes, tiles: Option<Tiles>) -> Vec<Case> {
    let mut cases = vec![flash_attention(s, tiles), flash_grad_kv(s, tiles), flash_grad_q(s, tiles)];
    if tiles.is_none() {
        cases.push(flash_attention_delta(s));
    }
    cases
}

pub(super) fn build(op: &str, s: Sizes, tiles: Option<Tiles>) -> Build {
    let unscaled = if s.scaled { "" } else { " unscaled" };
    let full = if s.causal { "" } else { " full" };
    let tiles = tiles.map_or(String::new(), |t| format!(" tiles {}x{}", t.queries, t.keys));
    Build::new(format!("{op} B={} T={} H={} D={}{full}{unscaled}{tiles}", s.b, s.t, s.h, s.d))
}

fn form(s: Sizes) -> Form {
    Form { causal: s.causal, scaled: s.scaled, counted: false }
}

pub(super) fn qkv(case: &mut Build, s: Sizes) -> (Value, Vec<f64>) {
    let values = case.normal(s.b * s.t * 3 * s.c(), 1.0);
    (case.floats("qkv", &[s.b, s.t, 3 * s.c()], &values), values)
}

fn attention(s: Sizes) -> Case {
    let mut case = build("attention", s, None);
    let (qkv, _) = qkv(&mut case, s);
    case.makes(Attention { heads: s.h, form: form(s) }, &[qkv], move |r| {
        let [o, probs, _] = reference::attention(r[0].f(), s);
        vec![Float(o), Float(probs)]
    })
}

fn attention_grad_scores(s: Sizes) -> Case {
    let mut case = build("attention_grad_scores", s, None);
    let (qkv, values) = qkv(&mut case, s);
    let dout = case.random("do", &[s.b, s.t, s.c()]);
    let [_, probs, _] = reference::attention(&values, s);
    let probs = case.floats("probs", &[s.b, s.h, s.t, s.t], &probs);
    case.makes(AttentionGradScores { heads: s.h, form: form(s) }, &[qkv, dout, probs], move |r| {
        vec![Float(reference::grad_scores(r[0].f(), r[1].f(), r[2].f(), s))]
    })
}

fn attention_grad(s: Sizes) -> Case {
    let mut case = build("attention_grad", s, None);
    let (qkv, values) = qkv(&mut case, s);
    let dout_values = case.normal(s.b * s.t * s.c(), 1.0);
    let dout = case.floats("do", &[s.b, s.t, s.c()], &dout_values);
    let [_, probs_values, _] = reference::attention(&values, s);
    let probs = case.floats("probs", &[s.b, s.h, s.t, s.t], &probs_values);
    let ds = reference::grad_scores(&values, &dout_values, &probs_values, s);
    let ds = case.floats("ds", &[s.b, s.h, s.t, s.t], &ds);
    case.makes(AttentionGrad { heads: s.h, form: form(s) }, &[qkv, dout, probs, ds], move |r| {
        vec![Float(reference::grad(r[0].f(), r[1].f(), r[2].f(), r[3].f(), s))]
    })
}

fn flash_attention(s: Sizes, tiles: Option<Tiles>) -> Case {
    let mut case = build("flash_attention", s, tiles);
    let (qkv, _) = qkv(&mut case, s);
    case.makes(FlashAttention { heads: s.h, tiles, form: form(s) }, &[qkv], move |r| {
        let [o, _, lse] = reference::attention(r[0].f(), s);
        vec![Float(o), Float(lse)]
    })
}

fn flash_attention_delta(s: Sizes) -> Case {
    let mut case = build("flash_attention_delta", s, None);
    let reads = ["o", "do"].map(|name| case.random(name, &[s.b, s.t, s.c()]));
    case.makes(FlashAttentionDelta { heads: s.h, form: form(s) }, &reads, move |r| {
        vec![Float(reference::delta(r[0].f(), r[1].f(), s))]
    })
}

/// qkv, do, lse, delta as they are in a backward pass, and dqkv with contents to keep.
pub(super) fn flash_grad(op: &str, s: Sizes, tiles: Option<Tiles>) -> (Build, [Value; 4], Value) {
    let mut case = build(op, s, tiles);
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
pub(super) fn thirds(
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

fn flash_grad_kv(s: Sizes, tiles: Option<Tiles>) -> Case {
    let (case, reads, dqkv) = flash_grad("flash_attention_grad_kv", s, tiles);
    case.updates(
        FlashAttentionGradKv { heads: s.h, tiles, form: form(s) },
        &reads,
        &[dqkv],
        thirds(s, |third| third > 0),
    )
}

fn flash_grad_q(s: Sizes, tiles: Option<Tiles>) -> Case {
    let (case, reads, dqkv) = flash_grad("flash_attention_grad_q", s, tiles);
    case.updates(
        FlashAttentionGradQ { heads: s.h, tiles, form: form(s) },
        &reads,
        &[dqkv],
        thirds(s, |third| third == 0),
    )
}
