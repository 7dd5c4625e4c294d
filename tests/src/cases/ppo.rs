//! Proximal policy optimisation: divergences, rewards, advantages, minibatches, clipped losses.

use super::{Case, build::Build};
use crate::array::Array::Float;
use crate::reference::ppo::{self as reference, Charge};
use gradus_core::graph::Value;
use gradus_core::objective::ppo::KlEstimator;
use gradus_core::ops::{Entropy, Gae, Kl, Minibatch, OLD, PpoPolicy, PpoValue, State, TokenRewards, Whiten};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for sizes in [[1, 1, 4, 4], [2, 5, 12, 11], [1, 33, 20, 20], [2, 3, 364, 362]] {
        cases.extend([kl(sizes), entropy(sizes)]);
    }
    for sizes in [[1, 2], [3, 7], [70, 26], [4, 65]] {
        for k3 in [false, true] {
            cases.push(rewards(sizes, k3));
        }
        cases.extend([gae(sizes, [1.0, 0.95]), gae(sizes, [0.9, 0.5])]);
        cases.extend([whiten(sizes, true), whiten(sizes, false)]);
        cases.extend([minibatch(sizes), policy(sizes), value(sizes)]);
    }
    cases
}

/// Answers of all lengths, the empty one and the longest among them; the last position is never one.
fn mask(case: &mut Build, [b, t]: [usize; 2]) -> Vec<f64> {
    let mut mask = vec![0.0; b * t];
    for row in mask.chunks_mut(t) {
        let first = case.rng.below(t as u32) as usize;
        let length = case.rng.below((t - first) as u32) as usize;
        row[first..first + length].fill(1.0);
    }
    mask[..t - 1].fill(1.0);
    mask
}

fn kl([b, t, width, vocab]: [usize; 4]) -> Case {
    let mut case = Build::new(format!("kl B={b} T={t} width={width} V={vocab}"));
    let shape = [b, t, width];
    let reads = [case.scaled("policy", &shape, 2.0), case.scaled("reference", &shape, 2.0)];
    let rare = 0.02;
    case.makes(Kl { vocab, rare }, &reads, move |r| {
        reference::kl(r[0].f(), r[1].f(), [width, vocab], rare).map(Float).to_vec()
    })
}

fn entropy([b, t, width, vocab]: [usize; 4]) -> Case {
    let mut case = Build::new(format!("entropy B={b} T={t} width={width} V={vocab}"));
    let logits = case.scaled("logits", &[b, t, width], 2.0);
    case.makes(Entropy { vocab }, &[logits], move |r| vec![Float(reference::entropy(r[0].f(), width, vocab))])
}

fn rewards([b, t]: [usize; 2], k3: bool) -> Case {
    let mut case = Build::new(format!("token_rewards B={b} T={t} k3={k3}"));
    let mask = mask(&mut case, [b, t]);
    let reads = [
        case.uniform("logp", &[b, t], -4.0, 0.0),
        case.uniform("ref_logp", &[b, t], -4.0, 0.0),
        case.floats("mask", &[b, t], &mask),
        case.tokens("targets", &[b, t], 2),
        case.random("scores", &[b, t, 4]),
        case.floats("norm", &[2], &[0.3, 1.7]),
    ];
    let estimator = if k3 { KlEstimator::K3 } else { KlEstimator::K1 };
    let op = TokenRewards { kl_coef: 0.1, estimator, missing_eos_penalty: 0.75, stop: 1 };
    let charge = Charge { kl_coef: 0.1, k3, penalty: 0.75, stop: 1 };
    case.makes(op, &reads, move |r| {
        let tensors = [r[0].f(), r[1].f(), r[2].f(), r[4].f(), r[5].f()];
        reference::rewards(charge, tensors, r[3].u(), [t, 4]).map(Float).to_vec()
    })
}

fn gae([b, t]: [usize; 2], constants: [f64; 2]) -> Case {
    let mut case = Build::new(format!("gae B={b} T={t} {constants:?}"));
    let mask = mask(&mut case, [b, t]);
    // Rewards are 0 where there is no token, as the op before leaves them.
    let rewards: Vec<f64> = case.normal(b * t, 1.0).iter().zip(&mask).map(|(r, m)| r * m).collect();
    let reads = [
        case.floats("rewards", &[b, t], &rewards),
        case.random("scores", &[b, t, 4]),
        case.floats("mask", &[b, t], &mask),
    ];
    case.makes(Gae { gamma: constants[0], lambda: constants[1] }, &reads, move |r| {
        reference::gae(constants, [r[0].f(), r[1].f(), r[2].f()], [t, 4]).map(Float).to_vec()
    })
}

fn whiten([b, t]: [usize; 2], shift: bool) -> Case {
    let mut case = Build::new(format!("whiten B={b} T={t} shift={shift}"));
    let mask = mask(&mut case, [b, t]);
    let reads = [case.uniform("x", &[b, t], -1.0, 5.0), case.floats("mask", &[b, t], &mask)];
    case.makes(Whiten { shift }, &reads, move |r| vec![Float(reference::whiten(r[0].f(), r[1].f(), shift))])
}

fn minibatch([b, t]: [usize; 2]) -> Case {
    let rows = b.div_ceil(2);
    let mut case = Build::new(format!("minibatch B={b} T={t} M={rows}"));
    let mut reads = Vec::new();
    for name in ["mask", "logp", "values", "advantages", "returns"] {
        reads.push(case.random(name, &[b, t]));
    }
    reads.push(case.tokens("order", &[3 * b], b));
    // The last minibatch runs over the end.
    let first = 3 * b - 1;
    reads.push(case.state(State { row: first as u32, ..State::default() }));
    case.makes(Minibatch { rows }, &reads, move |r| {
        let mut out = Vec::new();
        for tensor in &r[..5] {
            for m in 0..rows {
                let row = r[5].u()[(first + m) % (3 * b)] as usize;
                out.extend_from_slice(&tensor.f()[row * t..][..t]);
            }
        }
        vec![Float(out)]
    })
}

/// What a minibatch holds: answers of which some have moved far from where they were drawn.
fn old(case: &mut Build, [m, t]: [usize; 2]) -> Value {
    let mut old = mask(case, [m, t]);
    old.extend(case.normal((OLD - 1) * m * t, 0.5));
    case.floats("old", &[OLD, m, t], &old)
}

fn policy([m, t]: [usize; 2]) -> Case {
    let mut case = Build::new(format!("ppo_policy M={m} T={t}"));
    let reads = [
        case.scaled("logp", &[m, t], 0.5),
        case.uniform("entropy", &[m, t], 0.0, 5.0),
        old(&mut case, [m, t]),
    ];
    case.makes(PpoPolicy { clip: 0.2 }, &reads, |r| {
        reference::policy(r[0].f(), r[1].f(), r[2].f(), 0.2).map(Float).to_vec()
    })
}

fn value([m, t]: [usize; 2]) -> Case {
    let mut case = Build::new(format!("ppo_value M={m} T={t}"));
    let reads = [case.scaled("values", &[m, t, 4], 0.5), old(&mut case, [m, t])];
    case.makes(PpoValue { clip: 0.2, coef: 0.7 }, &reads, |r| {
        reference::value(r[0].f(), r[1].f(), [0.2, 0.7], 4).map(Float).to_vec()
    })
}
