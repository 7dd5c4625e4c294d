//! Fine-tuning: examples, what is measured of tokens and rows, and the objectives.

use super::{Case, build::Build};
use crate::array::Array::{Float, U32};
use crate::reference::{training, tuning as reference};
use gradus_core::objective::dpo;
use gradus_core::ops::{
    Dpo, Examples, MaskedSum, MaskedSumGrad, RewardPair, Scale, Sft, State, TokenStats, example_words,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // B, T, rows of the ring, first row: one row; more rows than the batch; around the end; a ring shorter
    // than the batch.
    for sizes in [[1, 1, 1, 0], [3, 5, 7, 2], [4, 33, 6, 4], [5, 20, 3, 1]] {
        cases.push(examples(sizes));
    }
    for (b, t, s) in [(1, 1, 1), (2, 5, 1), (3, 33, 4), (7, 64, 4), (4, 70, 1)] {
        cases.extend([masked_sum(b, t, s), masked_sum_grad(b, t, s)]);
    }
    for n in [1, 63, 1000] {
        cases.push(scale(n));
    }
    for sizes in [[1, 1, 4, 4], [2, 5, 12, 11], [1, 33, 20, 20], [2, 64, 516, 513]] {
        cases.push(token_stats(sizes));
    }
    for (b, t) in [(1, 1), (2, 5), (3, 33), (9, 65)] {
        cases.push(sft(b, t));
    }
    for pairs in [1, 3, 64, 70] {
        cases.push(reward_pair(pairs));
        for (smoothing, nll) in [(0.0, 0.0), (0.1, 0.0), (0.2, 0.3)] {
            cases.push(dpo_pairs(pairs, smoothing, nll));
        }
    }
    cases
}

fn examples([b, t, rows, row]: [usize; 4]) -> Case {
    let mut case = Build::new(format!("examples B={b} T={t} R={rows} row={row}"));
    let words = example_words(t);
    let mut values = Vec::new();
    for _ in 0..rows {
        values.extend((0..=t).map(|_| case.rng.below(1000)));
        values.extend((0..t + 2).map(|_| (case.rng.normal() as f32).to_bits()));
    }
    let ring = case.integers("rows", &[rows * words], values);
    let state = case.state(State { row: row as u32, ..State::default() });
    case.makes(Examples { batch: b, context: t }, &[ring, state], move |r| {
        let mut parts: [Vec<u32>; 5] = Default::default();
        for b in 0..b {
            let row = &r[0].u()[(row + b) % rows * words..][..words];
            parts[0].extend(&row[..t]);
            parts[1].extend(&row[1..=t]);
            parts[2].extend(&row[t + 1..2 * t + 1]);
            parts[3].push(row[2 * t + 1]);
            parts[4].push(row[2 * t + 2]);
        }
        let [tokens, targets, weights, first, second] = parts;
        let real = |bits: Vec<u32>| Float(bits.into_iter().map(|b| f64::from(f32::from_bits(b))).collect());
        vec![U32(tokens), U32(targets), real(weights), real(first), real(second)]
    })
}

fn shape(b: usize, t: usize, s: usize) -> Vec<usize> {
    if s == 1 { vec![b, t] } else { vec![b, t, s] }
}

fn masked_sum(b: usize, t: usize, s: usize) -> Case {
    let mut case = Build::new(format!("masked_sum B={b} T={t} S={s}"));
    let reads = [case.random("x", &shape(b, t, s)), case.uniform("weights", &[b, t], 0.0, 1.0)];
    case.makes(MaskedSum, &reads, move |r| {
        let sum = |b: usize| (0..t).map(|i| r[0].f()[(b * t + i) * s] * r[1].f()[b * t + i]).sum();
        vec![Float((0..b).map(sum).collect())]
    })
}

fn masked_sum_grad(b: usize, t: usize, s: usize) -> Case {
    let mut case = Build::new(format!("masked_sum_grad B={b} T={t} S={s}"));
    let reads = [case.random("dy", &[b]), case.uniform("weights", &[b, t], 0.0, 1.0)];
    case.makes(MaskedSumGrad { shape: shape(b, t, s) }, &reads, move |r| {
        let mut dx = vec![0.0; b * t * s];
        for i in 0..b * t {
            dx[i * s] = r[0].f()[i / t] * r[1].f()[i];
        }
        vec![Float(dx)]
    })
}

fn scale(n: usize) -> Case {
    let mut case = Build::new(format!("scale n={n}"));
    let x = case.random("x", &[n]);
    case.makes(Scale { by: -2.5 }, &[x], |r| vec![Float(r[0].f().iter().map(|x| x * -2.5).collect())])
}

fn token_stats([b, t, width, vocab]: [usize; 4]) -> Case {
    let mut case = Build::new(format!("token_stats B={b} T={t} width={width} V={vocab}"));
    // Steps of a quarter make ties; every seventh token is forbidden; the padding must not count.
    let logits: Vec<f64> = case
        .normal(b * t * width, 3.0)
        .iter()
        .enumerate()
        .map(|(i, x)| match i % width {
            j if j >= vocab => 80.0,
            j if j % 7 == 1 => -1e4 + x,
            _ => (x * 4.0).round() / 4.0,
        })
        .collect();
    let mut targets: Vec<u32> = (0..b * t).map(|_| case.rng.below(vocab as u32)).collect();
    for (i, target) in targets.iter_mut().enumerate().step_by(2) {
        let row = &logits[i * width..][..vocab];
        *target = (0..vocab).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0) as u32;
    }
    let [_, lse] = training::log_prob(&logits, &targets, width, vocab);
    let reads = [
        case.floats("logits", &[b, t, width], &logits),
        case.floats("lse", &[b, t], &lse),
        case.integers("targets", &[b, t], targets),
    ];
    case.makes(TokenStats { vocab }, &reads, move |r| {
        reference::token_stats(r[0].f(), r[1].f(), r[2].u(), width, vocab).map(Float).to_vec()
    })
}

fn sft(b: usize, t: usize) -> Case {
    let mut case = Build::new(format!("sft B={b} T={t}"));
    let reads = [
        case.uniform("logp", &[b, t], -6.0, 0.0),
        case.uniform("entropy", &[b, t], 0.0, 5.0),
        case.uniform("hit", &[b, t], 0.0, 1.0),
        case.uniform("weights", &[b, t], 0.0, 1.0),
        case.uniform("share", &[b], 0.0, 0.1),
        case.uniform("counted", &[b], 0.0, 0.1),
    ];
    let writes = [case.random("metrics", &[4]), case.random("seed", &[b, t])];
    case.updates(Sft, &reads, &writes, move |r, held| {
        let mut m = held[0].f().to_vec();
        let mut seed = Vec::new();
        for i in 0..b * t {
            let [logp, entropy, hit, weight] = [0, 1, 2, 3].map(|k| r[k].f()[i]);
            let [share, counted] = [4, 5].map(|k| r[k].f()[i / t]);
            m[0] -= share * weight * logp;
            m[1] += counted * weight * entropy;
            m[2] += counted * weight * hit;
            m[3] -= counted * weight * logp;
            seed.push(-share * weight);
        }
        vec![Float(m), Float(seed)]
    })
}

fn added(held: &[f64], scale: f64, (metrics, gradient): (Vec<f64>, Vec<f64>)) -> Vec<crate::array::Array> {
    let sums = held.iter().zip(metrics).map(|(h, m)| h + scale * m).collect();
    vec![Float(sums), Float(gradient.iter().map(|g| scale * g).collect())]
}

fn reward_pair(pairs: usize) -> Case {
    let mut case = Build::new(format!("reward_pair pairs={pairs}"));
    let scores = case.scaled("scores", &[2 * pairs], 3.0);
    let writes = [case.random("metrics", &[6]), case.random("seed", &[2 * pairs])];
    case.updates(RewardPair { scale: 0.25 }, &[scores], &writes, |r, held| {
        added(held[0].f(), 0.25, reference::reward(r[0].f()))
    })
}

fn dpo_pairs(pairs: usize, smoothing: f64, nll: f64) -> Case {
    let mut case = Build::new(format!("dpo pairs={pairs} smoothing={smoothing} nll={nll}"));
    let b = 2 * pairs;
    let lengths: Vec<f64> = (0..b).map(|_| f64::from(1 + case.rng.below(9))).collect();
    let reads = [
        case.uniform("policy", &[b], -20.0, 0.0),
        case.uniform("reference", &[b], -20.0, 0.0),
        case.floats("lengths", &[b], &lengths),
        case.random("logits", &[b]),
    ];
    let writes = [case.random("metrics", &[10]), case.random("seed", &[b])];
    let loss = dpo::Dpo { beta: 0.3, label_smoothing: smoothing, nll };
    case.updates(Dpo { loss, scale: 0.5 }, &reads, &writes, move |r, held| {
        let reads = [0, 1, 2, 3].map(|k| r[k].f());
        added(held[0].f(), 0.5, reference::dpo(reads, 0.3, smoothing, nll))
    })
}
