//! Batches, losses, the optimiser and the bookkeeping of a step.

use super::{Case, build::Build};
use crate::array::Array::{Float, U32};
use crate::reference::training::{self as reference, Adam};
use gradus_core::ops::{
    AdamW, Advance, Batch, Draw, GRAD_NORM_PARTS, GradNorm, LogProb, LogProbGrad, Pretrain, RING, Record,
    STATE_WORDS, State, WeightAverage,
};
use gradus_core::rng::{Stream, threefry};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for draw in [Draw::Sequential, Draw::Random] {
        // n, B, T, stride, row: a corpus of just one window; windows that overlap; a wrap around the end.
        for sizes in [[2, 1, 1, 1, 0], [66, 3, 64, 1, 1], [500, 5, 33, 7, 64], [1000, 4, 5, 5, 3_000_000]] {
            cases.push(batch(draw, sizes));
        }
    }
    for (entries, cursor) in [(1, 0), (5, 4), (5, 13)] {
        cases.push(advance(entries, cursor));
    }
    for sizes in [[1, 1, 4, 4], [2, 5, 12, 11], [1, 33, 20, 20], [2, 64, 516, 513]] {
        cases.extend([log_prob(sizes), log_prob_grad(sizes)]);
    }
    for (b, t) in [(1, 1), (2, 5), (3, 33), (4, 64), (9, 65)] {
        cases.push(pretrain(b, t));
    }
    for n in [1, 64, 100, 1000, 8256] {
        cases.push(grad_norm(n));
    }
    for (n, decayed) in [(64, 64), (320, 128), (1000, 500), (100, 0)] {
        for clip in [0.0, 1.0, 1e6] {
            cases.push(adamw(n, decayed, clip));
        }
    }
    for step in [1, 255, 256, 1000] {
        cases.push(record(step, 1));
        cases.push(record(step, 9));
    }
    for (n, rate) in [(1, 1.0), (64, 0.25), (300, 0.004), (8257, 0.5)] {
        cases.push(weight_average(n, rate));
    }
    cases
}

fn batch(draw: Draw, [n, b, t, stride, row]: [usize; 5]) -> Case {
    let mut case = Build::new(format!("batch {draw:?} n={n} B={b} T={t} stride={stride} row={row}"));
    let corpus = case.tokens("corpus", &[n], 1 << 30);
    let scalars = State { seed: 99, row: row as u32, draw: 7, ..State::default() };
    let state = case.state(scalars);
    case.makes(Batch { batch: b, context: t, stride, draw }, &[corpus, state], move |r| {
        // Every window that ends inside the corpus, its last target included.
        let windows = (0..n).filter(|w| w * stride + t < n).count();
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        for b in 0..b {
            let window = match draw {
                Draw::Sequential => (row + b) % windows,
                Draw::Random => threefry([99, Stream::Batch as u32], [b as u32, 7])[0] as usize % windows,
            };
            for i in 0..t {
                tokens.push(r[0].u()[window * stride + i]);
                targets.push(r[0].u()[window * stride + i + 1]);
            }
        }
        vec![U32(tokens), U32(targets)]
    })
}

fn advance(entries: usize, cursor: u32) -> Case {
    let mut case = Build::new(format!("advance entries={entries} cursor={cursor}"));
    let table = case.tokens("table", &[entries * STATE_WORDS], 1 << 31);
    let state = case.tokens("state", &[STATE_WORDS], 1 << 31);
    let at = case.integers("cursor", &[1], vec![cursor]);
    case.updates(Advance, &[table], &[state, at], move |r, _| {
        let entry = cursor as usize % entries;
        vec![U32(r[0].u()[entry * STATE_WORDS..(entry + 1) * STATE_WORDS].to_vec()), U32(vec![cursor + 1])]
    })
}

/// Logits whose padding would change everything if it counted.
fn logits(case: &mut Build, [b, t, width, vocab]: [usize; 4]) -> Vec<f64> {
    let values = case.normal(b * t * width, 3.0);
    values.iter().enumerate().map(|(i, &x)| if i % width < vocab { x } else { 80.0 }).collect()
}

fn log_prob(sizes: [usize; 4]) -> Case {
    let [b, t, width, vocab] = sizes;
    let mut case = Build::new(format!("log_prob B={b} T={t} width={width} V={vocab}"));
    let values = logits(&mut case, sizes);
    let reads = [case.floats("logits", &[b, t, width], &values), case.tokens("targets", &[b, t], vocab)];
    case.makes(LogProb { vocab }, &reads, move |r| {
        reference::log_prob(r[0].f(), r[1].u(), width, vocab).map(Float).to_vec()
    })
}

fn log_prob_grad(sizes: [usize; 4]) -> Case {
    let [b, t, width, vocab] = sizes;
    let mut case = Build::new(format!("log_prob_grad B={b} T={t} width={width} V={vocab}"));
    let values = logits(&mut case, sizes);
    let [_, lse] = reference::log_prob(&values, &vec![0; b * t], width, vocab);
    let reads = [
        case.random("dlogp", &[b, t]),
        case.floats("logits", &[b, t, width], &values),
        case.tokens("targets", &[b, t], vocab),
        case.floats("lse", &[b, t], &lse),
    ];
    case.makes(LogProbGrad { vocab }, &reads, move |r| {
        vec![Float(reference::log_prob_grad(r[0].f(), r[1].f(), r[2].u(), r[3].f(), width, vocab))]
    })
}

fn pretrain(b: usize, t: usize) -> Case {
    let mut case = Build::new(format!("pretrain B={b} T={t}"));
    let logp = case.uniform("logp", &[b, t], -6.0, 0.0);
    let writes = [case.random("loss", &[1]), case.random("seed", &[b, t])];
    case.updates(Pretrain { scale: 0.25 }, &[logp], &writes, move |r, held| {
        let n = (b * t) as f64;
        let mean: f64 = r[0].f().iter().sum::<f64>() / n;
        vec![Float(vec![held[0].f()[0] - 0.25 * mean]), Float(vec![-0.25 / n; b * t])]
    })
}

fn grad_norm(n: usize) -> Case {
    let mut case = Build::new(format!("grad_norm n={n}"));
    let grads = case.random("gradient", &[n]);
    case.makes(GradNorm, &[grads], move |r| {
        let span = n.div_ceil(GRAD_NORM_PARTS);
        let mut parts = vec![0.0; GRAD_NORM_PARTS];
        r[0].f().iter().enumerate().for_each(|(i, g)| parts[i / span] += g * g);
        vec![Float(parts)]
    })
}

fn adamw(n: usize, decayed: usize, clip: f64) -> Case {
    let mut case = Build::new(format!("adamw n={n} decayed={decayed} clip={clip}"));
    let (lr, correction1, correction2) = (3e-2f32, 0.271f32, 0.0547f32);
    let scalars = State { step: 3, lr, correction1, correction2, ..State::default() };
    let state = case.state(scalars);
    let parts = case.uniform("parts", &[GRAD_NORM_PARTS], 0.0, 2.0);
    let writes = [
        case.random("p", &[n]),
        case.scaled("m", &[n], 0.1),
        case.uniform("v", &[n], 0.0, 0.1),
        case.random("g", &[n]),
    ];
    let op = AdamW {
        len: n,
        decayed,
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weight_decay: 0.1,
        max_grad_norm: clip,
    };
    case.updates(op, &[state, parts], &writes, move |r, held| {
        let norm = r[1].f().iter().sum::<f64>().sqrt();
        let mut adam = Adam {
            lr: f64::from(lr),
            correction1: f64::from(correction1),
            correction2: f64::from(correction2),
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            decay: 0.1,
            clip: if clip == 0.0 { 1.0 } else { (clip / (norm + 1e-6)).min(1.0) },
        };
        let [mut p, mut m, mut v] = [0, 1, 2].map(|i| held[i].f().to_vec());
        for i in 0..n {
            adam.decay = if i < decayed { 0.1 } else { 0.0 };
            [p[i], m[i], v[i]] = reference::adamw(adam, [p[i], m[i], v[i], held[3].f()[i]]);
        }
        vec![Float(p), Float(m), Float(v), Float(vec![0.0; n])]
    })
}

fn record(step: u32, metrics: usize) -> Case {
    let mut case = Build::new(format!("record step={step} metrics={metrics}"));
    let state = case.state(State { step, ..State::default() });
    let parts = case.uniform("parts", &[GRAD_NORM_PARTS], 0.0, 2.0);
    let writes = [case.random("ring", &[RING * (metrics + 1)]), case.random("metrics", &[metrics])];
    case.updates(Record { metrics }, &[state, parts], &writes, move |r, held| {
        let mut ring = held[0].f().to_vec();
        let at = step as usize % RING * (metrics + 1);
        ring[at..at + metrics].copy_from_slice(held[1].f());
        ring[at + metrics] = r[1].f().iter().sum::<f64>().sqrt();
        vec![Float(ring), Float(vec![0.0; metrics])]
    })
}

fn weight_average(n: usize, rate: f32) -> Case {
    let mut case = Build::new(format!("weight_average n={n} rate={rate}"));
    let state = case.state(State { step: 8, average: rate, ..State::default() });
    let (params, average) = (case.random("weights", &[n]), case.random("average", &[n]));
    case.updates(WeightAverage, &[state, params], &[average], move |r, held| {
        vec![Float(reference::weight_average(f64::from(rate), r[1].f(), held[0].f()))]
    })
}
