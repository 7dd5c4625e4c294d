//! Flash attention one tile at a time, for looking at: after every tile, what is in workgroup memory, the
//! scores, and m, ℓ and O as they stand. The order, the tiles and the final numbers are the kernels'; the
//! arithmetic is f64.

use super::tiles::{Tiles, seen};
use super::traffic::Problem;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Q, K and V of one sequence and head, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Sizes.
    pub problem: Problem,
    /// `[N, d]`.
    pub q: &'a [f64],
    /// `[N, d]`.
    pub k: &'a [f64],
    /// `[N, d]`.
    pub v: &'a [f64],
}

/// One tile of the forward pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The block of queries in place.
    pub queries: Range<usize>,
    /// The tile of K and V that passes.
    pub keys: Range<usize>,
    /// What was done with it; None: it lies above the diagonal and is skipped, so nothing changed.
    pub tile: Option<Passed>,
    /// Largest score so far of each query, m. None before a query saw any key.
    pub m: Vec<Option<f64>>,
    /// Sum of weights so far of each query, ℓ.
    pub l: Vec<f64>,
    /// Output so far `[B_r, d]`, not yet divided by ℓ.
    pub o: Vec<f64>,
    /// Set after the block's last tile: O/ℓ and the log-sum-exp, as they are written.
    pub written: Option<Written>,
}

/// What a tile that passed did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    /// Scaled scores `[B_r, B_c]`; None where a query does not see the key.
    pub scores: Vec<Option<f64>>,
    /// By what each query's ℓ and O were multiplied first, e^(m − m′): 0 at its first tile, 1 where no larger
    /// score turned up.
    pub rescale: Vec<f64>,
}

/// What a block writes to storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// `[B_r, d]`.
    pub o: Vec<f64>,
    /// `[B_r]`.
    pub lse: Vec<f64>,
}

/// Every tile of the forward pass in its order, skipped ones too.
///
/// # Errors
/// [`Error::Shape`] if Q, K or V are not `[N, d]`; [`Error::Config`] if a tile has no rows.
pub fn forward<'a>(inputs: Inputs<'a>, tiles: Tiles) -> Result<impl Iterator<Item = Step> + 'a> {
    let Problem { n, d, .. } = inputs.problem;
    if [inputs.q, inputs.k, inputs.v].iter().any(|x| x.len() != n * d) {
        return Err(Error::Shape(format!("Q, K and V must have {n} rows of {d} each")));
    }
    if tiles.queries == 0 || tiles.keys == 0 {
        return Err(Error::Config("a tile needs at least one row".into()));
    }
    Ok(tiles.query_blocks(n).flat_map(move |queries| {
        let mut so_far = SoFar::new(queries.len(), d);
        tiles.key_blocks(n).map(move |keys| {
            let brought = !inputs.problem.causal || keys.start < queries.end;
            let tile = brought.then(|| so_far.pass(&inputs, &queries, &keys));
            let written = (keys.end == n).then(|| so_far.written(d));
            let SoFar { m, l, o } = so_far.clone();
            Step { queries: queries.clone(), keys, tile, m, l, o, written }
        })
    }))
}

/// m, ℓ and O of a block of queries.
#[derive(Clone)]
struct SoFar {
    m: Vec<Option<f64>>,
    l: Vec<f64>,
    o: Vec<f64>,
}

impl SoFar {
    fn new(rows: usize, d: usize) -> Self {
        Self { m: vec![None; rows], l: vec![0.0; rows], o: vec![0.0; rows * d] }
    }

    /// The online softmax over one tile.
    fn pass(&mut self, inputs: &Inputs<'_>, queries: &Range<usize>, keys: &Range<usize>) -> Passed {
        let Problem { d, causal, .. } = inputs.problem;
        let scale = 1.0 / (d as f64).sqrt();
        let mut scores = vec![None; queries.len() * keys.len()];
        let mut rescale = vec![1.0; queries.len()];
        for (r, i) in queries.clone().enumerate() {
            let line = &mut scores[r * keys.len()..][..keys.len()];
            let q = &inputs.q[i * d..][..d];
            for (score, j) in line.iter_mut().zip(keys.clone()).take(seen(i, keys, causal)) {
                let k = &inputs.k[j * d..][..d];
                *score = Some(scale * q.iter().zip(k).map(|(q, k)| q * k).sum::<f64>());
            }
            let Some(largest) = line.iter().flatten().copied().reduce(f64::max) else { continue };
            let new = self.m[r].map_or(largest, |m| m.max(largest));
            rescale[r] = self.m[r].map_or(0.0, |m| (m - new).exp());
            self.m[r] = Some(new);
            self.l[r] *= rescale[r];
            let o = &mut self.o[r * d..][..d];
            o.iter_mut().for_each(|o| *o *= rescale[r]);
            for (score, j) in line.iter().zip(keys.clone()) {
                let Some(score) = score else { break };
                let p = (score - new).exp();
                self.l[r] += p;
                o.iter_mut().zip(&inputs.v[j * d..][..d]).for_each(|(o, v)| *o += p * v);
            }
        }
        Passed { scores, rescale }
    }

    fn written(&self, d: usize) -> Written {
        let o = self.o.chunks_exact(d).zip(&self.l).flat_map(|(o, l)| o.iter().map(move |o| o / l));
        // Every query sees at least the first key.
        let lse = self.m.iter().zip(&self.l).map(|(m, l)| m.unwrap_or(f64::NEG_INFINITY) + l.ln());
        Written { o: o.collect(), lse: lse.collect() }
    }
}

/// The kernels that go through tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Queries stay, tiles of K and V pass.
    Forward,
    /// Keys stay, tiles of Q, dO, log-sum-exp and delta pass.
    GradKv,
    /// Queries (with dO, log-sum-exp and delta) stay, tiles of K and V pass.
    GradQ,
}

/// A tile and the block that it meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// Rows that stay with the workgroup.
    pub held: Range<usize>,
    /// Rows of the tile.
    pub passing: Range<usize>,
    /// False where no pair is seen: the tile is not loaded.
    pub brought: bool,
}

/// The order in which a kernel's tiles go by, block after block, skipped ones too. (On a GPU blocks run side by
/// side; the tiles of one block do not.)
pub fn order(kernel: Kernel, problem: Problem, tiles: Tiles) -> Vec<Visit> {
    let Problem { n, causal, .. } = problem;
    let visits = |held: &Range<usize>, all: Vec<Range<usize>>, brought: Vec<Range<usize>>| {
        let visit = |passing: Range<usize>| Visit {
            held: held.clone(),
            brought: brought.contains(&passing),
            passing,
        };
        all.into_iter().map(visit).collect::<Vec<_>>()
    };
    match kernel {
        Kernel::Forward | Kernel::GradQ => tiles
            .query_blocks(n)
            .flat_map(|q| visits(&q, tiles.key_blocks(n).collect(), tiles.keys_for(&q, n, causal).collect()))
            .collect(),
        Kernel::GradKv => tiles
            .key_blocks(n)
            .flat_map(|k| {
                visits(&k, tiles.query_blocks(n).collect(), tiles.queries_for(&k, n, causal).collect())
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Rng, Stream};

    /// Softmax attention, one row at a time.
    fn plain(inputs: &Inputs<'_>) -> (Vec<f64>, Vec<f64>) {
        let Problem { n, d, causal } = inputs.problem;
        let (mut o, mut lse) = (vec![0.0; n * d], vec![0.0; n]);
        for i in 0..n {
            let reach = if causal { i + 1 } else { n };
            let score = |j: usize| {
                (0..d).map(|x| inputs.q[i * d + x] * inputs.k[j * d + x]).sum::<f64>() / (d as f64).sqrt()
            };
            let total: f64 = (0..reach).map(|j| score(j).exp()).sum();
            lse[i] = total.ln();
            for j in 0..reach {
                (0..d).for_each(|x| o[i * d + x] += score(j).exp() / total * inputs.v[j * d + x]);
            }
        }
        (o, lse)
    }

    #[test]
    fn the_walk_ends_at_softmax_attention_and_moves_what_the_formula_says() {
        let mut rng = Rng::new(1, Stream::Test);
        for (n, d, queries, keys) in [(1, 2, 1, 1), (10, 3, 4, 3), (16, 4, 4, 4), (13, 2, 3, 20)] {
            for causal in [true, false] {
                let problem = Problem { n, d, causal };
                let [q, k, v] =
                    [(); 3].map(|()| (0..n * d).map(|_| 2.0 * rng.normal()).collect::<Vec<f64>>());
                let inputs = Inputs { problem, q: &q, k: &k, v: &v };
                let tiles = Tiles { queries, keys };
                let steps: Vec<Step> = forward(inputs, tiles).unwrap_or_else(|e| panic!("{e}")).collect();
                let written: Vec<&Written> = steps.iter().filter_map(|s| s.written.as_ref()).collect();
                let (o, lse) = plain(&inputs);
                let all = |pick: fn(&Written) -> &Vec<f64>| {
                    written.iter().flat_map(|w| pick(w).clone()).collect::<Vec<f64>>()
                };
                for (got, want) in [(all(|w| &w.o), o), (all(|w| &w.lse), lse)] {
                    assert_eq!(got.len(), want.len());
                    assert!(
                        got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12),
                        "{problem:?} {tiles:?}"
                    );
                }
                let brought = steps.iter().filter(|s| s.tile.is_some()).map(|s| s.keys.len() as u64);
                assert_eq!(brought.sum::<u64>(), problem.keys_passing(tiles));
                let order = order(Kernel::Forward, problem, tiles);
                let walked = steps.iter().map(|s| (&s.queries, &s.keys, s.tile.is_some()));
                assert!(order.iter().map(|v| (&v.held, &v.passing, v.brought)).eq(walked));
            }
        }
    }

    #[test]
    fn the_backward_order_moves_what_the_formula_says() {
        for (n, queries, keys) in [(10, 4, 3), (16, 4, 4), (13, 3, 20), (13, 20, 3)] {
            for causal in [true, false] {
                let (problem, tiles) = (Problem { n, d: 1, causal }, Tiles { queries, keys });
                let brought = |kernel| {
                    let visits = order(kernel, problem, tiles);
                    visits.iter().filter(|v| v.brought).map(|v| v.passing.len() as u64).sum::<u64>()
                };
                assert_eq!(brought(Kernel::GradKv), problem.queries_passing(tiles));
                assert_eq!(brought(Kernel::GradQ), problem.keys_passing(tiles));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let problem = Problem { n: 2, d: 2, causal: true };
        let (four, three) = ([0.0; 4], [0.0; 3]);
        let inputs = Inputs { problem, q: &four, k: &four, v: &three };
        assert!(forward(inputs, Tiles::square(1)).is_err());
        assert!(forward(Inputs { v: &four, ..inputs }, Tiles::square(0)).is_err());
    }
}
