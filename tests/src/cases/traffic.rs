//! The attention kernels that count what they move: their results are the same, and their counters are the
//! formulas of `gradus_core::attention::traffic`, to the element.

use super::attention::{build, flash_grad, qkv, thirds};
use super::{Case, build::Build};
use crate::array::Array::{self, Float, U32};
use crate::reference::attention::{self as reference, Sizes};
use gradus_core::attention::{Problem, Tiles, Traffic};
use gradus_core::graph::Value;
use gradus_core::ops::{
    Attention, AttentionGrad, AttentionGradScores, FlashAttention, FlashAttentionDelta, FlashAttentionGradKv,
    FlashAttentionGradQ, Form,
};

/// What a counter holds before, so that a lost carry from the low word to the high one shows.
const BEFORE: Traffic = Traffic { reads: 0x5_ffff_fffe, writes: u32::MAX as u64 };

pub(super) fn cases(s: Sizes, tiles: Tiles) -> Vec<Case> {
    vec![
        attention(s),
        attention_grad_scores(s),
        attention_grad(s),
        flash_attention(s, tiles),
        flash_attention_delta(s),
        flash_grad_kv(s, tiles),
        flash_grad_q(s, tiles),
    ]
}

fn form(s: Sizes) -> Form {
    Form { causal: s.causal, scaled: s.scaled, counted: true }
}

fn problem(s: Sizes) -> Problem {
    Problem { n: s.t, d: s.d, causal: s.causal }
}

fn counter(case: &mut Build) -> Value {
    case.integers("traffic", &[Traffic::WORDS], BEFORE.words().to_vec())
}

/// The counter after a launch over all sequences and heads.
fn counted(s: Sizes, each: Traffic) -> Array {
    U32((BEFORE + each * (s.b * s.h) as u64).words().to_vec())
}

fn attention(s: Sizes) -> Case {
    let mut case = build("counting attention", s, None);
    let (qkv, _) = qkv(&mut case, s);
    let o = case.random("o", &[s.b, s.t, s.c()]);
    let probs = case.random("probs", &[s.b, s.h, s.t, s.t]);
    let writes = [o, probs, counter(&mut case)];
    case.updates(Attention { heads: s.h, form: form(s) }, &[qkv], &writes, move |r, _| {
        let [o, probs, _] = reference::attention(r[0].f(), s);
        vec![Float(o), Float(probs), counted(s, problem(s).naive_forward())]
    })
}

/// qkv, do and probs as they are in a backward pass.
fn backward(op: &str, s: Sizes) -> (Build, [Value; 3], [Vec<f64>; 3]) {
    let mut case = build(op, s, None);
    let (qkv, values) = qkv(&mut case, s);
    let dout_values = case.normal(s.b * s.t * s.c(), 1.0);
    let dout = case.floats("do", &[s.b, s.t, s.c()], &dout_values);
    let [_, probs_values, _] = reference::attention(&values, s);
    let probs = case.floats("probs", &[s.b, s.h, s.t, s.t], &probs_values);
    (case, [qkv, dout, probs], [values, dout_values, probs_values])
}

fn attention_grad_scores(s: Sizes) -> Case {
    let (mut case, reads, _) = backward("counting attention_grad_scores", s);
    let writes = [case.random("ds", &[s.b, s.h, s.t, s.t]), counter(&mut case)];
    case.updates(AttentionGradScores { heads: s.h, form: form(s) }, &reads, &writes, move |r, _| {
        let ds = reference::grad_scores(r[0].f(), r[1].f(), r[2].f(), s);
        vec![Float(ds), counted(s, problem(s).naive_grad_scores())]
    })
}

fn attention_grad(s: Sizes) -> Case {
    let (mut case, [qkv, dout, probs], [q, g, p]) = backward("counting attention_grad", s);
    let ds = case.floats("ds", &[s.b, s.h, s.t, s.t], &reference::grad_scores(&q, &g, &p, s));
    let writes = [case.random("dqkv", &[s.b, s.t, 3 * s.c()]), counter(&mut case)];
    case.updates(
        AttentionGrad { heads: s.h, form: form(s) },
        &[qkv, dout, probs, ds],
        &writes,
        move |r, _| {
            let dqkv = reference::grad(r[0].f(), r[1].f(), r[2].f(), r[3].f(), s);
            vec![Float(dqkv), counted(s, problem(s).naive_grad())]
        },
    )
}

fn flash_attention(s: Sizes, tiles: Tiles) -> Case {
    let mut case = build("counting flash_attention", s, Some(tiles));
    let (qkv, _) = qkv(&mut case, s);
    let o = case.random("o", &[s.b, s.t, s.c()]);
    let lse = case.random("lse", &[s.b, s.h, s.t]);
    let writes = [o, lse, counter(&mut case)];
    let op = FlashAttention { heads: s.h, tiles: Some(tiles), form: form(s) };
    case.updates(op, &[qkv], &writes, move |r, _| {
        let [o, _, lse] = reference::attention(r[0].f(), s);
        vec![Float(o), Float(lse), counted(s, problem(s).flash_forward(tiles))]
    })
}

fn flash_attention_delta(s: Sizes) -> Case {
    let mut case = build("counting flash_attention_delta", s, None);
    let reads = ["o", "do"].map(|name| case.random(name, &[s.b, s.t, s.c()]));
    let writes = [case.random("delta", &[s.b, s.h, s.t]), counter(&mut case)];
    case.updates(FlashAttentionDelta { heads: s.h, form: form(s) }, &reads, &writes, move |r, _| {
        vec![Float(reference::delta(r[0].f(), r[1].f(), s)), counted(s, problem(s).flash_delta())]
    })
}

fn flash_grad_kv(s: Sizes, tiles: Tiles) -> Case {
    let (mut case, reads, dqkv) = flash_grad("counting flash_attention_grad_kv", s, Some(tiles));
    let writes = [dqkv, counter(&mut case)];
    let op = FlashAttentionGradKv { heads: s.h, tiles: Some(tiles), form: form(s) };
    let gradient = thirds(s, |third| third > 0);
    case.updates(op, &reads, &writes, move |r, held| {
        [gradient(r, held), vec![counted(s, problem(s).flash_grad_kv(tiles))]].concat()
    })
}

fn flash_grad_q(s: Sizes, tiles: Tiles) -> Case {
    let (mut case, reads, dqkv) = flash_grad("counting flash_attention_grad_q", s, Some(tiles));
    let writes = [dqkv, counter(&mut case)];
    let op = FlashAttentionGradQ { heads: s.h, tiles: Some(tiles), form: form(s) };
    let gradient = thirds(s, |third| third == 0);
    case.updates(op, &reads, &writes, move |r, held| {
        [gradient(r, held), vec![counted(s, problem(s).flash_grad_q(tiles))]].concat()
    })
}
