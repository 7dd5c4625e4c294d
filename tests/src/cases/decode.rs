//! Decoding: some positions a step, each row at its own, and the draw of the next token.

use super::{Case, build::Build};
use crate::array::Array::{Float, U32};
use crate::reference::decode::{self as reference, Settings};
use gradus_core::graph::Value;
use gradus_core::ops::{AttentionCached, EmbedAt, KvAppend, Sample};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Rows stand one position apart; queries reach beyond the context in some.
    for (b, p, q, first, offset) in
        [(1, 1, 1, 0, 0), (2, 5, 1, 3, 0), (3, 33, 1, 14, 3), (3, 7, 4, 2, 1), (2, 40, 16, 16, 0)]
    {
        cases.push(embed_at(b, p, q, first, offset));
    }
    for (sizes, q, first, offset) in [
        ([1, 1, 1, 4], 1, 0, 0),
        ([2, 5, 2, 6], 1, 3, 0),
        ([3, 33, 3, 20], 1, 15, 2),
        ([2, 128, 2, 16], 1, 126, 0),
        ([1, 70, 1, 64], 1, 69, 0),
        ([1, 6, 1, 4], 6, 0, 0),
        ([3, 9, 2, 6], 4, 3, 1),
        ([2, 300, 2, 8], 5, 254, 0),
    ] {
        cases.extend([kv_append(sizes, q, first, offset), attention_cached(sizes, q, first, offset, true)]);
    }
    cases.push(attention_cached([2, 33, 2, 16], 3, 29, 0, false));
    for settings in settings() {
        for (sizes, position) in
            [([1, 4, 4, 2], 0), ([5, 11, 12, 9], 3), ([33, 100, 100, 8], 6), ([2, 513, 516, 3], 1)]
        {
            cases.push(sample(settings, sizes, position));
        }
    }
    cases.push(sample(settings()[1], [3, 11, 12, 4], 3)); // The first row's context is full.
    cases
}

/// Ways to draw: greedy, plain, and each filter alone and together.
pub(super) fn settings() -> [Settings; 8] {
    let plain = Settings { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 5 };
    [
        Settings { temperature: 0.0, ..plain },
        plain,
        Settings { temperature: 0.7, ..plain },
        Settings { top_k: 1, ..plain },
        Settings { top_k: 5, ..plain },
        Settings { top_p: 0.6, ..plain },
        Settings { top_p: 0.0, ..plain },
        Settings { temperature: 1.3, top_k: 7, top_p: 0.8, seed: 6 },
    ]
}

/// Row b stands at `first + b`.
fn at(case: &mut Build, b: usize, first: usize) -> Value {
    case.integers("positions", &[b], (0..b).map(|b| (first + b) as u32).collect())
}

fn embed_at(b: usize, p: usize, queries: usize, first: usize, offset: usize) -> Case {
    let (v, c) = (11, 12);
    let mut case = Build::new(format!("embed_at B={b} P={p} Q={queries} first={first} offset={offset}"));
    let tokens = case.tokens("tokens", &[b, p], v);
    let [wte, wpe] = case.parameters([("wte", &[v, c]), ("wpe", &[p, c])]);
    let positions = at(&mut case, b, first);
    case.makes(EmbedAt { queries, offset }, &[tokens, wte, wpe, positions], move |r| {
        let mut x = Vec::new();
        for b in 0..b {
            for k in 0..queries {
                let position = (first + b + offset + k).min(p - 1);
                let token = r[0].u()[b * p + position] as usize;
                x.extend((0..c).map(|j| r[1].f()[token * c + j] + r[2].f()[position * c + j]));
            }
        }
        vec![Float(x)]
    })
}

fn kv_append([b, p, h, d]: [usize; 4], queries: usize, first: usize, offset: usize) -> Case {
    let c = h * d;
    let mut case =
        Build::new(format!("kv_append B={b} P={p} C={c} Q={queries} first={first} offset={offset}"));
    let qkv = case.random("qkv", &[b, queries, 3 * c]);
    let positions = at(&mut case, b, first);
    let cache = case.random("cache", &[b, p, 2 * c]);
    case.updates(KvAppend { positions: p, offset }, &[qkv, positions], &[cache], move |r, held| {
        let mut cache = held[0].f().to_vec();
        for b in 0..b {
            for k in (0..queries).filter(|k| first + b + offset + k < p) {
                for j in 0..2 * c {
                    cache[(b * p + first + b + offset + k) * 2 * c + j] =
                        r[0].f()[(b * queries + k) * 3 * c + c + j];
                }
            }
        }
        vec![Float(cache)]
    })
}

fn attention_cached(
    [b, p, heads, d]: [usize; 4],
    queries: usize,
    first: usize,
    offset: usize,
    scaled: bool,
) -> Case {
    let sizes = format!("B={b} P={p} H={heads} D={d} Q={queries}");
    let mut case =
        Build::new(format!("attention_cached {sizes} first={first} offset={offset} scaled={scaled}"));
    let reads = [
        case.random("qkv", &[b, queries, 3 * heads * d]),
        case.random("cache", &[b, p, 2 * heads * d]),
        at(&mut case, b, first),
    ];
    case.makes(AttentionCached { heads, offset, scaled }, &reads, move |r| {
        let first: Vec<usize> = (0..b).map(|b| first + b + offset).collect();
        let sizes = [b, queries, p, heads, d];
        vec![Float(reference::attention_cached(r[0].f(), r[1].f(), sizes, &first, scaled))]
    })
}

fn sample(settings: Settings, [b, v, width, p]: [usize; 4], position: usize) -> Case {
    let mut case =
        Build::new(format!("sample {settings} B={b} V={v} width={width} P={p} position={position}"));
    let logits = logits(&mut case, &[b, 1, width], v);
    let words = case.integers("settings", &[4], settings.words());
    // Every third prompt still goes on at the next position.
    let lengths =
        (0..b).map(|b| if b % 3 == 2 { p as u32 } else { 1 + (b % (position + 2)) as u32 }).collect();
    let lengths = case.integers("lengths", &[b], lengths);
    let tokens = case.tokens("tokens", &[b, p], v);
    // Each row at its own position, wrapped.
    let positions: Vec<u32> = (0..b).map(|b| ((position + b) % p) as u32).collect();
    let positions = case.integers("positions", &[b], positions);
    let reads = [logits, words, lengths];
    case.updates(Sample { vocab: v, positions: p }, &reads, &[tokens, positions], move |r, held| {
        let (mut tokens, mut positions) = (held[0].u().to_vec(), held[1].u().to_vec());
        for b in 0..b {
            let position = positions[b] as usize;
            if position + 1 < p {
                if position + 1 >= r[2].u()[b] as usize {
                    let row = &r[0].f()[b * width..][..v];
                    tokens[b * p + position + 1] = reference::draw(row, settings, position as u32, b as u32);
                }
                positions[b] += 1;
            }
        }
        vec![U32(tokens), U32(positions)]
    })
}

/// Steps of a quarter make ties; the padding is larger than every logit, and must never be drawn.
pub(super) fn logits(case: &mut Build, shape: &[usize], v: usize) -> Value {
    let (n, width) = (shape.iter().product(), shape[shape.len() - 1]);
    let values: Vec<f64> = case
        .normal(n, 2.0)
        .iter()
        .enumerate()
        .map(|(i, x)| if i % width < v { (x * 4.0).round() / 4.0 } else { 50.0 })
        .collect();
    case.floats("logits", shape, &values)
}
