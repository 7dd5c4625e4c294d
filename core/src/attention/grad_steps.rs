//! The backward pass of flash attention one tile at a time, for looking at: the shares of a tile computed again from
//! the log-sum-exp, and the gradients as they grow. The order and the tiles are the kernels'; the arithmetic is f64.

use super::steps::{Inputs, Kernel, order};
use super::tiles::Tiles;
use super::traffic::Problem;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What the backward pass begins from: the forward pass's inputs, what it kept, and the gradient of its output.
#[derive(Clone, Copy, Debug)]
pub struct GradInputs<'a> {
    /// Q, K and V.
    pub forward: Inputs<'a>,
    /// O `[N, d]`.
    pub o: &'a [f64],
    /// Log-sum-exp of each row, m + ln ℓ `[N]`.
    pub lse: &'a [f64],
    /// dO `[N, d]`.
    pub dout: &'a [f64],
}

/// One tile of a backward kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradStep {
    /// Rows that stay with the workgroup: keys for dK and dV, queries for dQ.
    pub held: Range<usize>,
    /// Rows of the tile that passes.
    pub passing: Range<usize>,
    /// What was computed; None: the mask forbids the tile, so it is not loaded.
    pub tile: Option<GradTile>,
    /// The gradients of the held rows so far, each `[held, d]`: dK and dV, or dQ alone.
    pub sums: Vec<Vec<f64>>,
    /// Whether this was the block's last tile: the sums are then written.
    pub written: bool,
}

/// What a tile that passed did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradTile {
    /// The shares of attention, computed again as e^(s − LSE) `[held, passing]`; None where masked.
    pub shares: Vec<Option<f64>>,
    /// The gradients of the scores, P ∘ (dO·Vᵀ − delta) `[held, passing]`; None where masked.
    pub scores: Vec<Option<f64>>,
}

/// Every tile of one backward kernel in its order, skipped ones too.
///
/// # Errors
/// [`Error::Shape`] if an input has another size; [`Error::Config`] if a tile has no rows, or for the forward
/// kernel.
pub fn backward(kernel: Kernel, inputs: GradInputs<'_>, tiles: Tiles) -> Result<Vec<GradStep>> {
    let Problem { n, d, causal } = inputs.forward.problem;
    let Inputs { q, k, v, .. } = inputs.forward;
    if [q, k, v, inputs.o, inputs.dout].iter().any(|x| x.len() != n * d) || inputs.lse.len() != n {
        return Err(Error::Shape(format!("the backward pass needs {n} rows of {d} each, and as many sums")));
    }
    if tiles.queries == 0 || tiles.keys == 0 {
        return Err(Error::Config("a tile needs at least one row".into()));
    }
    if kernel == Kernel::Forward {
        return Err(Error::Config("the forward kernel has a walk of its own".into()));
    }
    let row = |x: &'_ [f64], i: usize| -> Vec<f64> { x[i * d..][..d].to_vec() };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = 1.0 / (d as f64).sqrt();
    let delta: Vec<f64> = (0..n).map(|i| dot(&row(inputs.o, i), &row(inputs.dout, i))).collect();
    // The share of query i in key j, and the gradient of their score.
    let pair = |i: usize, j: usize| {
        let share = (scale * dot(&row(q, i), &row(k, j)) - inputs.lse[i]).exp();
        (share, share * (dot(&row(inputs.dout, i), &row(v, j)) - delta[i]))
    };
    let add = |sum: &mut [f64], factor: f64, x: &[f64]| {
        sum.iter_mut().zip(x).for_each(|(s, x)| *s += factor * x);
    };
    let last = match kernel {
        Kernel::GradKv => tiles.query_blocks(n).last(),
        _ => tiles.key_blocks(n).last(),
    };
    let mut sums = Vec::new();
    let mut steps = Vec::new();
    let mut held = 0..0;
    for visit in order(kernel, inputs.forward.problem, tiles) {
        if visit.held != held {
            held = visit.held.clone();
            let gradients = if kernel == Kernel::GradKv { 2 } else { 1 };
            sums = vec![vec![0.0; held.len() * d]; gradients];
        }
        let tile = visit.brought.then(|| {
            let (mut shares, mut scores) = (Vec::new(), Vec::new());
            for (r, h) in held.clone().enumerate() {
                for p in visit.passing.clone() {
                    let (i, j) = if kernel == Kernel::GradKv { (p, h) } else { (h, p) };
                    if causal && j > i {
                        shares.push(None);
                        scores.push(None);
                        continue;
                    }
                    let (share, grad) = pair(i, j);
                    shares.push(Some(share));
                    scores.push(Some(grad));
                    let at = r * d..(r + 1) * d;
                    if kernel == Kernel::GradKv {
                        add(&mut sums[0][at.clone()], grad * scale, &row(q, i));
                        add(&mut sums[1][at], share, &row(inputs.dout, i));
                    } else {
                        add(&mut sums[0][at], grad * scale, &row(k, j));
                    }
                }
            }
            GradTile { shares, scores }
        });
        let written = last.as_ref() == Some(&visit.passing);
        steps.push(GradStep {
            held: held.clone(),
            passing: visit.passing,
            tile,
            sums: sums.clone(),
            written,
        });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::super::steps::{Step, forward};
    use super::*;
    use crate::rng::{Rng, Stream};

    /// O and the log-sum-exp of the tiled forward pass.
    fn kept(inputs: Inputs<'_>, tiles: Tiles) -> (Vec<f64>, Vec<f64>) {
        let steps: Vec<Step> = forward(inputs, tiles).unwrap().collect();
        let written: Vec<_> = steps.into_iter().filter_map(|s| s.written).collect();
        (
            written.iter().flat_map(|w| w.o.clone()).collect(),
            written.iter().flat_map(|w| w.lse.clone()).collect(),
        )
    }

    /// The gradients of Σ dO ∘ O by differences.
    #[test]
    fn the_walk_ends_at_the_gradients() {
        let mut rng = Rng::new(2, Stream::Test);
        for (n, d, queries, keys, causal) in [(7, 3, 3, 2, true), (6, 2, 2, 4, false), (5, 2, 9, 1, true)] {
            let (problem, tiles) = (Problem { n, d, causal }, Tiles { queries, keys });
            let mut draw = || (0..n * d).map(|_| rng.normal()).collect::<Vec<f64>>();
            let qkv = [draw(), draw(), draw()];
            let dout = draw();
            let inputs = |x: &'_ [Vec<f64>; 3]| -> (Vec<f64>, Vec<f64>) {
                kept(Inputs { problem, q: &x[0], k: &x[1], v: &x[2] }, tiles)
            };
            let (o, lse) = inputs(&qkv);
            let value = |x: &[Vec<f64>; 3]| inputs(x).0.iter().zip(&dout).map(|(o, g)| o * g).sum::<f64>();
            let forward = Inputs { problem, q: &qkv[0], k: &qkv[1], v: &qkv[2] };
            let all = GradInputs { forward, o: &o, lse: &lse, dout: &dout };
            for kernel in [Kernel::GradKv, Kernel::GradQ] {
                let steps = backward(kernel, all, tiles).unwrap();
                assert_eq!(steps.len(), order(kernel, problem, tiles).len());
                let which: &[usize] = if kernel == Kernel::GradKv { &[1, 2] } else { &[0] };
                for (part, &input) in which.iter().enumerate() {
                    let got: Vec<f64> =
                        steps.iter().filter(|s| s.written).flat_map(|s| s.sums[part].clone()).collect();
                    assert_eq!(got.len(), n * d);
                    for (at, got) in got.iter().enumerate() {
                        let moved = |by: f64| {
                            let mut x = qkv.clone();
                            x[input][at] += by;
                            value(&x)
                        };
                        let want = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                        assert!((got - want).abs() < 1e-8, "{kernel:?} {input} {at}: {got} {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let problem = Problem { n: 2, d: 2, causal: true };
        let (four, two) = ([0.0; 4], [0.0; 2]);
        let forward = Inputs { problem, q: &four, k: &four, v: &four };
        let inputs = GradInputs { forward, o: &four, lse: &two, dout: &four };
        assert!(backward(Kernel::Forward, inputs, Tiles::square(1)).is_err());
        assert!(backward(Kernel::GradQ, inputs, Tiles::square(0)).is_err());
        assert!(backward(Kernel::GradQ, GradInputs { lse: &four, ..inputs }, Tiles::square(1)).is_err());
    }
}
