//! Decoding: one position a step, and the draw of the next token.

use super::{Case, build::Build};
use crate::array::Array::{Float, U32};
use crate::reference::decode::{self as reference, Settings};
use crate::reference::layers;
use gradus_core::ops::{AttentionCached, EmbedAt, KvAppend, Sample, State};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (b, p, position) in [(1, 1, 0), (2, 5, 4), (3, 33, 17)] {
        cases.push(embed_at(b, p, position));
    }
    for (sizes, position) in [
        ([1, 1, 1, 4], 0),
        ([2, 5, 2, 6], 4),
        ([3, 33, 3, 20], 17),
        ([2, 128, 2, 16], 127),
        ([1, 70, 1, 64], 69),
    ] {
        cases.extend([kv_append(sizes, position), attention_cached(sizes, position, true)]);
    }
    cases.push(attention_cached([2, 33, 2, 16], 32, false));
    let plain = Settings { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 5 };
    let settings = [
        Settings { temperature: 0.0, ..plain },
        plain,
        Settings { temperature: 0.7, ..plain },
        Settings { top_k: 1, ..plain },
        Settings { top_k: 5, ..plain },
        Settings { top_p: 0.6, ..plain },
        Settings { top_p: 0.0, ..plain },
        Settings { temperature: 1.3, top_k: 7, top_p: 0.8, seed: 6 },
    ];
    for settings in settings {
        for (sizes, position) in
            [([1, 4, 4, 2], 0), ([5, 11, 12, 9], 3), ([33, 100, 100, 8], 6), ([2, 513, 516, 3], 1)]
        {
            cases.push(sample(settings, sizes, position));
        }
    }
    cases.push(sample(plain, [3, 11, 12, 4], 3)); // The context is full: nothing may be written.
    cases
}

fn at(position: usize) -> State {
    State { position: position as u32, ..State::default() }
}

fn embed_at(b: usize, p: usize, position: usize) -> Case {
    let (v, c) = (11, 12);
    let mut case = Build::new(format!("embed_at B={b} P={p} position={position}"));
    let tokens = case.tokens("tokens", &[b, p], v);
    let [wte, wpe] = case.parameters([("wte", &[v, c]), ("wpe", &[p, c])]);
    let state = case.state(at(position));
    case.makes(EmbedAt, &[tokens, wte, wpe, state], move |r| {
        let now: Vec<u32> = (0..b).map(|b| r[0].u()[b * p + position]).collect();
        vec![Float(layers::embed(&now, r[1].f(), &r[2].f()[position * c..][..c], 1, c))]
    })
}

fn kv_append([b, p, h, d]: [usize; 4], position: usize) -> Case {
    let c = h * d;
    let mut case = Build::new(format!("kv_append B={b} P={p} C={c} position={position}"));
    let (qkv, state) = (case.random("qkv", &[b, 1, 3 * c]), case.state(at(position)));
    let cache = case.random("cache", &[b, p, 2 * c]);
    case.updates(KvAppend { positions: p }, &[qkv, state], &[cache], move |r, held| {
        let mut cache = held[0].f().to_vec();
        for b in 0..b {
            for j in 0..2 * c {
                cache[(b * p + position) * 2 * c + j] = r[0].f()[b * 3 * c + c + j];
            }
        }
        vec![Float(cache)]
    })
}

fn attention_cached([b, p, h, d]: [usize; 4], position: usize, scaled: bool) -> Case {
    let mut case =
        Build::new(format!("attention_cached B={b} P={p} H={h} D={d} position={position} scaled={scaled}"));
    let reads = [
        case.random("qkv", &[b, 1, 3 * h * d]),
        case.random("cache", &[b, p, 2 * h * d]),
        case.state(at(position)),
    ];
    case.makes(AttentionCached { heads: h, scaled }, &reads, move |r| {
        vec![Float(reference::attention_cached(r[0].f(), r[1].f(), [b, p, h, d], position, scaled))]
    })
}

fn sample(settings: Settings, [b, v, width, p]: [usize; 4], position: usize) -> Case {
    let Settings { temperature, top_k, top_p, seed } = settings;
    let mut case = Build::new(format!(
        "sample t={temperature} k={top_k} p={top_p} B={b} V={v} width={width} P={p} position={position}"
    ));
    // Steps of a quarter make ties; the padding is larger than every logit, and must never be drawn.
    let logits: Vec<f64> = case
        .normal(b * width, 2.0)
        .iter()
        .enumerate()
        .map(|(i, x)| if i % width < v { (x * 4.0).round() / 4.0 } else { 50.0 })
        .collect();
    let logits = case.floats("logits", &[b, 1, width], &logits);
    let state = case.state(at(position));
    let words = vec![temperature.to_bits(), top_k, top_p.to_bits(), seed];
    let settings_words = case.integers("settings", &[4], words);
    // Every third prompt still goes on at the next position.
    let lengths =
        (0..b).map(|b| if b % 3 == 2 { p as u32 } else { 1 + (b % (position + 2)) as u32 }).collect();
    let lengths = case.integers("lengths", &[b], lengths);
    let tokens = case.tokens("tokens", &[b, p], v);
    let reads = [logits, state, settings_words, lengths];
    case.updates(Sample { vocab: v, positions: p }, &reads, &[tokens], move |r, held| {
        let mut tokens = held[0].u().to_vec();
        for b in 0..b {
            if position + 1 < p && position + 1 >= r[3].u()[b] as usize {
                let row = &r[0].f()[b * width..][..v];
                tokens[b * p + position + 1] = reference::draw(row, settings, position as u32, b as u32);
            }
        }
        vec![U32(tokens)]
    })
}
