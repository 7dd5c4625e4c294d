//! Embedding, normalisation, linear maps and their gradients.

use super::{Case, build::Build};
use crate::array::Array::{self, Float};
use crate::reference::layers as reference;
use gradus_core::graph::Spec;
use gradus_core::ops::{
    Add, Embed, EmbedGrad, Linear, LinearGradInput, LinearGradWeight, Mul, Norm, NormGrad, NormGradParams, Op,
};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for sizes in [[1, 1, 4, 4, 1], [2, 5, 12, 11, 6], [3, 33, 20, 20, 40], [2, 64, 16, 516, 64]] {
        cases.extend([embed(sizes), embed_grad(sizes)]);
    }
    for (rows, c) in [(1, 4), (5, 12), (33, 20), (64, 64), (130, 132)] {
        cases.extend([norm(rows, c, 0.0), norm_grad(rows, c, false), norm_grad(rows, c, true)]);
        cases.push(norm_grad_params(rows, c));
    }
    cases.push(norm(9, 16, 30.0)); // A mean far from zero: a one-pass variance would cancel.
    for sizes in
        [[1, 4, 4], [5, 20, 24], [33, 16, 20], [64, 64, 64], [70, 132, 68], [130, 48, 516], [270, 128, 520]]
    {
        cases.extend(linears().map(|op| linear(op, sizes)));
        for transposed in [false, true] {
            cases.extend([false, true].map(|scaled| linear_grad_input(transposed, scaled, sizes)));
            cases.push(linear_grad_weight(transposed, false, sizes));
            cases.push(linear_grad_weight(transposed, true, sizes));
        }
    }
    for n in [1, 100, 257, 1033] {
        cases.extend([add(n), mul(n)]);
    }
    cases
}

fn embed([b, t, c, v, p]: [usize; 5]) -> Case {
    let mut case = Build::new(format!("embed B={b} T={t} C={c} V={v} P={p}"));
    let tokens = case.tokens("tokens", &[b, t], v);
    let [wte, wpe] = case.parameters([("wte", &[v, c]), ("wpe", &[p, c])]);
    case.makes(Embed, &[tokens, wte, wpe], move |r| {
        vec![Float(reference::embed(r[0].u(), r[1].f(), r[2].f(), t, c))]
    })
}

fn embed_grad([b, t, c, v, p]: [usize; 5]) -> Case {
    let mut case = Build::new(format!("embed_grad B={b} T={t} C={c} V={v} P={p}"));
    let dx = case.random("dx", &[b, t, c]);
    let tokens = case.tokens("tokens", &[b, t], v);
    case.parameters([("wte", &[v, c]), ("wpe", &[p, c])]);
    let writes = [case.grad("wte"), case.grad("wpe")];
    case.updates(EmbedGrad { vocab: v, positions: p }, &[dx, tokens], &writes, move |r, held| {
        let (mut dwte, mut dwpe) = (held[0].f().to_vec(), held[1].f().to_vec());
        reference::embed_grad(r[0].f(), r[1].u(), &mut dwte, &mut dwpe, t, c);
        vec![Float(dwte), Float(dwpe)]
    })
}

fn norm(rows: usize, c: usize, mean: f64) -> Case {
    let mut case = Build::new(format!("norm rows={rows} C={c} mean={mean}"));
    let x: Vec<f64> = case.normal(rows * c, 1.0).iter().map(|x| x + mean).collect();
    let x = case.floats("x", &[rows, c], &x);
    let [gain, bias] = case.parameters([("gain", &[c]), ("bias", &[c])]);
    case.makes(Norm, &[x, gain, bias], |r| reference::norm(r[0].f(), r[1].f(), r[2].f()).map(Float).to_vec())
}

fn norm_grad(rows: usize, c: usize, add: bool) -> Case {
    let mut case = Build::new(format!("norm_grad{} rows={rows} C={c}", if add { "_add" } else { "" }));
    let mut reads = vec![case.random("dy", &[rows, c]), case.random("x", &[rows, c])];
    reads.push(case.scaled("mean", &[rows], 0.3));
    reads.push(case.uniform("rstd", &[rows], 0.5, 1.5));
    reads.extend(case.parameters([("gain", &[c])]));
    if add {
        reads.push(case.random("other", &[rows, c]));
    }
    case.makes(NormGrad { add }, &reads, move |r| {
        let mut dx = reference::norm_grad(r[0].f(), r[1].f(), r[2].f(), r[3].f(), r[4].f());
        if add {
            add_to(&mut dx, r[5].f());
        }
        vec![Float(dx)]
    })
}

fn norm_grad_params(rows: usize, c: usize) -> Case {
    let mut case = Build::new(format!("norm_grad_params rows={rows} C={c}"));
    let mut reads = vec![case.random("dy", &[rows, c]), case.random("x", &[rows, c])];
    reads.push(case.scaled("mean", &[rows], 0.3));
    reads.push(case.uniform("rstd", &[rows], 0.5, 1.5));
    case.parameters([("gain", &[c]), ("bias", &[c])]);
    let writes = [case.grad("gain"), case.grad("bias")];
    case.updates(NormGradParams, &reads, &writes, |r, held| {
        let (mut dgain, mut dbias) = (held[0].f().to_vec(), held[1].f().to_vec());
        reference::norm_grad_params(r[0].f(), r[1].f(), r[2].f(), r[3].f(), &mut dgain, &mut dbias);
        vec![Float(dgain), Float(dbias)]
    })
}

/// Every combination that the op accepts. What it accepts, each device must compute.
fn linears() -> impl Iterator<Item = Linear> {
    let all = (0..16).map(|bits| Linear {
        transposed: bits & 1 != 0,
        bias: bits & 2 != 0,
        gelu: bits & 4 != 0,
        residual: bits & 8 != 0,
    });
    all.filter(|op| {
        let (x, b) = (Spec::float([4, 4]), Spec::float([4]));
        let mut reads = vec![x.clone(), x.clone()];
        reads.extend(op.bias.then_some(b));
        reads.extend(op.residual.then_some(x));
        op.infer(&reads).is_ok()
    })
}

fn linear(op: Linear, [m, k, n]: [usize; 3]) -> Case {
    let Linear { transposed, bias, gelu, residual } = op;
    let kind: String =
        [(transposed, " transposed"), (bias, " bias"), (gelu, " gelu"), (residual, " residual")]
            .iter()
            .filter_map(|&(on, name)| on.then_some(name))
            .collect();
    let mut case = Build::new(format!("linear{kind} M={m} K={k} N={n}"));
    let x = case.random("x", &[m, k]);
    let shape = if transposed { [n, k] } else { [k, n] };
    let [w, b] = case.parameters([("w", &shape), ("b", &[n])]);
    let mut reads = vec![x, w];
    if bias {
        reads.push(b);
    }
    if residual {
        reads.push(case.random("residual", &[m, n]));
    }
    case.makes(op, &reads, move |r| {
        let w = if transposed { reference::transpose(r[1].f(), n, k) } else { r[1].f().to_vec() };
        let mut y = reference::product(r[0].f(), &w, [m, k, n]);
        if bias {
            y.iter_mut().enumerate().for_each(|(i, y)| *y += r[2].f()[i % n]);
        }
        let slope = y.iter().map(|&pre| reference::gelu_slope(pre)).collect();
        if gelu {
            y.iter_mut().for_each(|y| *y = reference::gelu(*y));
        }
        if residual {
            add_to(&mut y, r[r.len() - 1].f());
        }
        if gelu { vec![Float(y), Float(slope)] } else { vec![Float(y)] }
    })
}

fn linear_grad_input(transposed: bool, scaled: bool, [m, k, n]: [usize; 3]) -> Case {
    let kind = format!("transposed={transposed} scaled={scaled}");
    let mut case = Build::new(format!("linear_grad_input {kind} M={m} K={k} N={n}"));
    let mut reads = vec![case.random("dy", &[m, n])];
    reads.extend(case.parameters([("w", &if transposed { [n, k] } else { [k, n] })]));
    if scaled {
        reads.push(case.random("slope", &[m, k]));
    }
    case.makes(LinearGradInput { transposed, scaled }, &reads, move |r| {
        let w = if transposed { r[1].f().to_vec() } else { reference::transpose(r[1].f(), k, n) };
        let mut dx = reference::product(r[0].f(), &w, [m, n, k]);
        if scaled {
            dx.iter_mut().zip(r[2].f()).for_each(|(dx, slope)| *dx *= slope);
        }
        vec![Float(dx)]
    })
}

fn linear_grad_weight(transposed: bool, bias: bool, [m, k, n]: [usize; 3]) -> Case {
    let mut case =
        Build::new(format!("linear_grad_weight transposed={transposed} bias={bias} M={m} K={k} N={n}"));
    let (x, dy) = (case.random("x", &[m, k]), case.random("dy", &[m, n]));
    case.parameters([("w", &if transposed { [n, k] } else { [k, n] }), ("b", &[n])]);
    let writes = if bias { vec![case.grad("w"), case.grad("b")] } else { vec![case.grad("w")] };
    case.updates(LinearGradWeight { transposed, bias }, &[x, dy], &writes, move |r, held| {
        let dw = reference::product(&reference::transpose(r[0].f(), m, k), r[1].f(), [k, m, n]);
        let mut dw = if transposed { reference::transpose(&dw, k, n) } else { dw };
        add_to(&mut dw, held[0].f());
        let mut result: Vec<Array> = vec![Float(dw)];
        if bias {
            let mut db = held[1].f().to_vec();
            r[1].f().iter().enumerate().for_each(|(i, d)| db[i % n] += d);
            result.push(Float(db));
        }
        result
    })
}

fn add(n: usize) -> Case {
    let mut case = Build::new(format!("add n={n}"));
    let reads = [case.random("a", &[n]), case.random("b", &[n])];
    case.makes(Add, &reads, |r| {
        let mut y = r[0].f().to_vec();
        add_to(&mut y, r[1].f());
        vec![Float(y)]
    })
}

fn mul(n: usize) -> Case {
    let mut case = Build::new(format!("mul n={n}"));
    let reads = [case.random("a", &[n]), case.random("b", &[n])];
    case.makes(Mul, &reads, |r| vec![Float(r[0].f().iter().zip(r[1].f()).map(|(a, b)| a * b).collect())])
}

fn add_to(sum: &mut [f64], other: &[f64]) {
    for (a, b) in sum.iter_mut().zip(other) {
        *a += b;
    }
}
