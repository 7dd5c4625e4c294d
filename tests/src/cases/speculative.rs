//! Speculative decoding: distributions, proposals, and what is accepted of them.

use super::decode::{logits, settings};
use super::{Case, build::Build};
use crate::array::Array::{Float, U32};
use crate::reference::decode::{self as reference, Settings};
use gradus_core::graph::Value;
use gradus_core::ops::{Accept, Distribution, Propose};
use gradus_core::rng::Stream;

const NONE: u32 = u32::MAX;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for settings in settings() {
        for shape in [[1, 1, 5, 8], [2, 3, 11, 12], [3, 2, 100, 100], [1, 2, 513, 516]] {
            cases.push(distribution(settings, shape));
        }
    }
    for (sizes, first, offset) in [([1, 4, 4, 2], 0, 0), ([5, 11, 12, 9], 3, 2), ([33, 100, 100, 40], 2, 7)] {
        cases.push(propose(sizes, first, offset));
    }
    // Positions 0 to 8 of a context of 12: some rows have no room for all proposals, the last has none.
    for (batch, proposals, vocab, residual, near) in [
        (1, 1, 4, true, 0.0),
        (9, 4, 7, true, 0.5),
        (9, 4, 7, false, 0.5),
        (12, 3, 100, true, 0.2),
        (12, 8, 130, true, 0.02),
        (12, 2, 6, true, 0.0),
        (40, 5, 3, true, 1.0),
    ] {
        for stop in [NONE, 2] {
            cases.push(accept(Shape { batch, proposals, vocab, residual, near, stop }));
        }
    }
    cases
}

fn distribution(settings: Settings, [b, q, v, width]: [usize; 4]) -> Case {
    let mut case = Build::new(format!("distribution {settings} B={b} Q={q} V={v} width={width}"));
    let logits = logits(&mut case, &[b, q, width], v);
    let words = case.integers("settings", &[4], settings.words());
    case.makes(Distribution { vocab: v }, &[logits, words], move |r| {
        let row = |row: &[f64]| {
            let mut law = reference::law(&row[..v], settings);
            law.resize(width, 0.0);
            law
        };
        vec![Float(r[0].f().chunks_exact(width).flat_map(row).collect())]
    })
}

/// `rows` laws of `v` tokens, padded with what must never be drawn; every fifth token has no probability.
fn laws(case: &mut Build, rows: usize, v: usize, width: usize) -> Vec<f64> {
    let mut all = Vec::new();
    for _ in 0..rows {
        let mut law: Vec<f64> = case.normal(v, 1.0).iter().map(|x| x.exp()).collect();
        law.iter_mut().skip(1).step_by(5).for_each(|p| *p = 0.0);
        let total: f64 = law.iter().sum();
        all.extend(law.iter().map(|p| f64::from((p / total) as f32)));
        all.resize(all.len() + width - v, 9.0);
    }
    all
}

fn propose([b, v, width, p]: [usize; 4], first: usize, offset: usize) -> Case {
    let mut case =
        Build::new(format!("propose B={b} V={v} width={width} P={p} first={first} offset={offset}"));
    let law = laws(&mut case, b, v, width);
    let q = case.floats("q", &[b, 1, width], &law);
    let positions = case.integers("positions", &[b], (0..b).map(|b| (first + b) as u32).collect());
    let settings = Settings { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 8 };
    let settings = case.integers("settings", &[4], settings.words());
    let tokens = case.tokens("tokens", &[b, p], v);
    let op = Propose { vocab: v, positions: p, offset };
    case.updates(op, &[q, positions, settings], &[tokens], move |r, held| {
        let mut tokens = held[0].u().to_vec();
        for b in 0..b {
            let index = first + b + offset + 1;
            if index < p {
                let uniform = reference::uniforms(8, Stream::Propose, index as u32, b as u32)[0];
                tokens[b * p + index] = reference::pick(&r[0].f()[b * width..][..v], uniform);
            }
        }
        vec![U32(tokens)]
    })
}

#[derive(Clone, Copy, Debug)]
struct Shape {
    batch: usize,
    proposals: usize,
    vocab: usize,
    residual: bool,
    /// How far p is from q: at 0 all is accepted.
    near: f64,
    stop: u32,
}

const POSITIONS: usize = 12;
const SEED: u32 = 31;

fn accept(shape: Shape) -> Case {
    let Shape { batch, proposals: k, vocab: v, residual, near, stop } = shape;
    let width = v.next_multiple_of(4);
    let slab = (batch * width).next_multiple_of(64);
    let mut case = Build::new(format!("accept {shape:?}"));
    let mut q = Vec::new();
    for _ in 0..k {
        q.extend(laws(&mut case, batch, v, width));
        q.resize(q.len().next_multiple_of(64), 5.0);
    }
    let other = laws(&mut case, batch * (k + 1), v, width);
    let mut p = other.clone();
    for b in 0..batch {
        for i in 0..k {
            for j in 0..v {
                let (at, q) = ((b * (k + 1) + i) * width + j, q[i * slab + b * width + j]);
                p[at] = f64::from((near * other[at] + (1.0 - near) * q) as f32);
            }
        }
    }
    // A proposal has a probability above 0: every fifth token, from the second on, has none.
    let tokens: Vec<u32> = (0..batch * POSITIONS)
        .map(|_| {
            let token = case.rng.below(v as u32);
            if token % 5 == 1 { 0 } else { token }
        })
        .collect();
    let words = vec![1f32.to_bits(), 0, 1f32.to_bits(), SEED, stop];
    let reads: [Value; 4] = [
        case.floats("q", &[k, slab], &q),
        case.floats("p", &[batch, k + 1, width], &p),
        case.integers("settings", &[5], words),
        case.integers("ends", &[batch], (0..batch).map(|b| 3 + (b % 10) as u32).collect()),
    ];
    let n = 4 + 2 * k;
    // Every seventh row is done already, and counts go on from what they were.
    let counts = (0..batch * n).map(|i| if i % n == 0 { u32::from(i / n % 7 == 3) } else { (i % 5) as u32 });
    let writes = [
        case.integers("tokens", &[batch, POSITIONS], tokens),
        case.integers("positions", &[batch], (0..batch).map(|b| (b % POSITIONS) as u32).collect()),
        case.integers("counts", &[batch, n], counts.collect()),
        case.random("overlap", &[batch, k]),
    ];
    let op = Accept { vocab: v, positions: POSITIONS, proposals: k, residual };
    case.updates(op, &reads, &writes, move |r, held| {
        let (mut tokens, mut positions) = (held[0].u().to_vec(), held[1].u().to_vec());
        let (mut counts, mut overlap) = (held[2].u().to_vec(), held[3].f().to_vec());
        for b in 0..batch {
            let q = |i: usize| &r[0].f()[i * slab + b * width..][..v];
            let p = |i: usize| &r[1].f()[(b * (k + 1) + i) * width..][..v];
            let count = &mut counts[b * n..][..n];
            if count[0] == 1 {
                continue;
            }
            let last = positions[b] as usize;
            let mut text: Vec<u32> = Vec::new();
            let mut verdict = None;
            for i in 0..k {
                let index = last + 1 + i;
                if index >= POSITIONS {
                    break;
                }
                let x = tokens[b * POSITIONS + index] as usize;
                let coin = reference::uniforms(SEED, Stream::Accept, index as u32, b as u32)[0];
                count[4 + i] += 1;
                overlap[b * k + i] += (0..v).map(|j| p(i)[j].min(q(i)[j])).sum::<f64>();
                if coin < (p(i)[x] / q(i)[x]).min(1.0) {
                    count[4 + k + i] += 1;
                    text.push(x as u32);
                } else {
                    verdict = Some(i);
                    break;
                }
            }
            let index = last + 1 + text.len();
            let mut bonus = 0;
            if index < POSITIONS {
                let uniform = reference::uniforms(SEED, Stream::Accept, index as u32, b as u32)[1];
                let law: Vec<f64> = match verdict {
                    Some(i) if residual => (0..v).map(|j| (p(i)[j] - q(i)[j]).max(0.0)).collect(),
                    Some(i) => p(i).to_vec(),
                    None => p(k).to_vec(),
                };
                bonus = u32::from(verdict.is_none());
                text.push(reference::pick(&law, uniform));
            }
            // What stands after a stop is not taken back.
            let whole = text.len();
            tokens[b * POSITIONS + last + 1..][..whole].copy_from_slice(&text);
            if let Some(at) = text.iter().position(|&t| t == stop) {
                text.truncate(at + 1);
                count[0] = 1;
            }
            positions[b] += text.len() as u32;
            let ends = (r[3].u()[b] as usize).min(POSITIONS);
            if positions[b] as usize + 1 >= ends {
                count[0] = 1;
            }
            count[1] += 1;
            count[2] += text.len() as u32;
            count[3] += if text.len() == whole { bonus } else { 0 };
        }
        vec![U32(tokens), U32(positions), U32(counts), Float(overlap)]
    })
}
