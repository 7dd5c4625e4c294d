//! What a head does: scores over maps, the numbers of one head at one position, and its ablation.

use super::Look;
use crate::world::{ANIMAL, EOS, MADE_UP, word::SEMICOLON};
use gradus_core::model::Params;
use gradus_core::protocol::ModelConfig;
use gradus_core::rng::{Rng, Stream};
use serde::{Deserialize, Serialize};

/// Rows in which nothing can be known but by repetition: `<eos>`, then random words, then the same words
/// again (Olsson et al. 2022, arXiv 2209.11895, "prefix matching"). A model of a small world knows repetition only
/// in the forms that its text has, so there are rows of dictionaries beside those of bare words.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeated {
    /// The rows, all of one length.
    pub rows: Vec<Vec<u32>>,
    /// How many words are repeated.
    pub period: usize,
}

impl Repeated {
    /// `count` rows of `period` made-up words, sung twice.
    pub fn new(seed: u32, count: usize, period: usize) -> Self {
        let row = |i: usize| {
            let mut rng = Rng::at(seed, Stream::Sample, i as u32);
            // Without repetition, so that a word has one earlier place, while there are words enough.
            let mut words: Vec<u32> = (0..MADE_UP.len()).map(|w| MADE_UP.token(w)).collect();
            rng.shuffle(&mut words);
            let line: Vec<u32> = words.iter().cycle().take(period).copied().collect();
            [vec![EOS], line.clone(), line].concat()
        };
        Self { rows: (0..count).map(row).collect(), period }
    }

    /// `count` rows of a dictionary of `lines` made-up words, "zup fox ; bim goat ; …", and then the same lines in
    /// another order. The period is 3 tokens a line.
    pub fn dictionary(seed: u32, count: usize, lines: usize) -> Self {
        let row = |i: usize| {
            let mut rng = Rng::at(seed, Stream::Sample, i as u32);
            let mut words: Vec<u32> = (0..MADE_UP.len()).map(|w| MADE_UP.token(w)).collect();
            let mut meanings: Vec<u32> = (0..ANIMAL.len()).map(|a| ANIMAL.token(a)).collect();
            rng.shuffle(&mut words);
            rng.shuffle(&mut meanings);
            let mut pairs: Vec<_> = words.into_iter().zip(meanings.into_iter().cycle()).take(lines).collect();
            let mut row = vec![EOS];
            for _ in 0..2 {
                row.extend(pairs.iter().flat_map(|&(word, meaning)| [word, meaning, SEMICOLON]));
                rng.shuffle(&mut pairs);
            }
            row
        };
        Self { rows: (0..count).map(row).collect(), period: 3 * lines }
    }

    /// Mean loss, in nats, on the meanings that a [dictionary](Self::dictionary) gives for the second time: what
    /// follows each word there can be known from its first line alone. `logp[row][t]` is ln p of token t + 1.
    pub fn loss_of_repeats(&self, logp: &[Vec<f32>]) -> f64 {
        let asked = || (1 + self.period..).step_by(3).take(self.period / 3);
        -mean(logp.iter().flat_map(|row| asked().map(|t| f64::from(row[t]))))
    }
}

/// One head, measured on [`Repeated`] rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadScore {
    /// Its layer.
    pub layer: usize,
    /// Its number in the layer.
    pub head: usize,
    /// Mean entropy of its attention, in nats.
    pub entropy: f64,
    /// Mean attention to the position before.
    pub previous: f64,
    /// Mean attention to the token after the same token's earlier place.
    pub induction: f64,
    /// Variance of its raw scores q·k over all pairs that the mask lets through.
    pub score_variance: f64,
}

/// Mean entropy in nats of the first `n` rows of a map `[T, T]`, the first one (which has no choice) left out.
pub fn entropy(map: &[f32], context: usize, n: usize) -> f64 {
    let line = |i: usize| -> f64 {
        let p = map[i * context..][..=i].iter().map(|&p| f64::from(p));
        p.filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum()
    };
    mean((1..n.min(context)).map(line))
}

/// Mean attention of positions 1..n to the position before them.
pub fn previous_token(map: &[f32], context: usize, n: usize) -> f64 {
    mean((1..n.min(context)).map(|i| f64::from(map[i * context + i - 1])))
}

/// Mean attention, at each made-up word that stood before, to the token after its latest earlier place. NaN if none
/// did. What follows other words can be known without looking back.
pub fn prefix_matching(map: &[f32], context: usize, tokens: &[u32]) -> f64 {
    let tokens = &tokens[..tokens.len().min(context)];
    let made_up = |t: u32| (0..MADE_UP.len()).any(|w| MADE_UP.token(w) == t);
    let follower = |i: usize| tokens[..i].iter().rposition(|&t| t == tokens[i]).map(|j| j + 1);
    let asked = (1..tokens.len()).filter(|&i| made_up(tokens[i]));
    mean(asked.filter_map(|i| follower(i).map(|j| f64::from(map[i * context + j]))))
}

fn mean(x: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = x.fold((0.0, 0), |(sum, n), x| (sum + x, n + 1));
    sum / f64::from(n)
}

impl Look {
    /// Every head's scores, `look` being of these rows.
    pub fn scores(&self, repeated: &Repeated) -> Vec<HeadScore> {
        let heads = (0..self.layers()).flat_map(|layer| (0..self.heads).map(move |head| (layer, head)));
        heads.map(|(layer, head)| self.score(repeated, layer, head)).collect()
    }

    fn score(&self, repeated: &Repeated, layer: usize, head: usize) -> HeadScore {
        let t = self.context;
        let over = |f: &dyn Fn(&[f32], &[u32]) -> f64| {
            mean(repeated.rows.iter().enumerate().map(|(i, row)| f(self.map(i, layer, head), row)))
        };
        let n = 2 * repeated.period + 1;
        HeadScore {
            layer,
            head,
            entropy: over(&|map, _| entropy(map, t, n)),
            previous: over(&|map, _| previous_token(map, t, n)),
            induction: over(&|map, row| prefix_matching(map, t, row)),
            score_variance: self.score_variance(repeated.rows.len(), n.min(t), layer, head),
        }
    }

    fn score_variance(&self, rows: usize, n: usize, layer: usize, head: usize) -> f64 {
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        for row in 0..rows {
            for i in 0..n {
                for j in 0..=i {
                    let s = dot(self.part(row, layer, head, i, 0), self.part(row, layer, head, j, 1));
                    (sum, squares, count) = (sum + s, squares + s * s, count + 1.0);
                }
            }
        }
        squares / count - (sum / count) * (sum / count)
    }

    /// Every number of one head at one position of row `row`, whose tokens are `tokens`.
    pub fn trace(&self, row: usize, tokens: &[u32], layer: usize, head: usize, position: usize) -> HeadTrace {
        let d = self.channels / self.heads;
        let n = tokens.len().min(self.context);
        let root = (d as f64).sqrt();
        let part = |at: usize, third: usize| self.part(row, layer, head, at, third).to_vec();
        let scores: Vec<f64> = (0..n)
            .map(|j| dot(self.part(row, layer, head, position, 0), self.part(row, layer, head, j, 1)))
            .collect();
        let scaled: Vec<f64> = scores.iter().map(|s| s / root).collect();
        HeadTrace {
            layer,
            head,
            position,
            tokens: tokens[..n].to_vec(),
            query: part(position, 0),
            keys: (0..n).map(|j| part(j, 1)).collect(),
            values: (0..n).map(|j| part(j, 2)).collect(),
            masked: (if self.scaled { &scaled } else { &scores })
                .iter()
                .enumerate()
                .map(|(j, &s)| (j <= position).then_some(s))
                .collect(),
            scores,
            scaled,
            weights: self.map(row, layer, head)[position * self.context..][..n].to_vec(),
            mix: self.mix(row, layer, head, position).to_vec(),
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// One head at one position, step by step: query and keys → scores → scaled → masked → weights → mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadTrace {
    /// The layer.
    pub layer: usize,
    /// The head.
    pub head: usize,
    /// The position that looks.
    pub position: usize,
    /// The row's tokens `[n]`.
    pub tokens: Vec<u32>,
    /// The position's query `[D]`.
    pub query: Vec<f32>,
    /// Every position's key `[n][D]`.
    pub keys: Vec<Vec<f32>>,
    /// Every position's value `[n][D]`.
    pub values: Vec<Vec<f32>>,
    /// q·k with every position `[n]`.
    pub scores: Vec<f64>,
    /// Divided by √D. A model without `scale_attn_weights` goes on from the scores themselves.
    pub scaled: Vec<f64>,
    /// What softmax is taken of. None where the mask hides a position that is yet to come.
    pub masked: Vec<Option<f64>>,
    /// Softmax, as the device computed it.
    pub weights: Vec<f32>,
    /// The weighted sum of values, as the device computed it `[D]`.
    pub mix: Vec<f32>,
}

/// `weights` with one head cut out exactly: its rows of the layer's `c_proj` are zero, so that nothing it
/// computes reaches the residual stream.
pub fn without_head(
    weights: &[f32],
    params: &Params,
    model: &ModelConfig,
    layer: usize,
    head: usize,
) -> Vec<f32> {
    let mut cut = weights.to_vec();
    if let Some(entry) = params.get(&format!("transformer.h.{layer}.attn.c_proj.weight")) {
        let rows = model.n_embd / model.n_head;
        cut[entry.offset + head * rows * model.n_embd..][..rows * model.n_embd].fill(0.0);
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_maps_that_are_known() {
        // Four positions: each looks at the one before; the first has no choice.
        let before = [1., 0., 0., 0., 1., 0., 0., 0., 0., 1., 0., 0., 0., 0., 1., 0.];
        assert_eq!(previous_token(&before, 4, 4), 1.0);
        assert_eq!(entropy(&before, 4, 4), 0.0);
        let even = [1., 0., 0., 0., 0.5, 0.5, 0., 0., 1. / 3., 1. / 3., 1. / 3., 0., 0.25, 0.25, 0.25, 0.25];
        assert!((entropy(&even, 4, 4) - (2f64.ln() + 3f64.ln() + 4f64.ln()) / 3.0).abs() < 1e-6);
        // a b a: the second a should look at b, position 1.
        let [a, b, c] = [0, 1, 2].map(|w| MADE_UP.token(w));
        assert!((prefix_matching(&even, 4, &[a, b, a]) - 1.0 / 3.0).abs() < 1e-6);
        assert!(prefix_matching(&even, 4, &[a, b, c]).is_nan());
        assert!(prefix_matching(&even, 4, &[EOS, b, EOS]).is_nan());
    }

    #[test]
    fn repeated_rows_repeat() {
        let repeated = Repeated::new(3, 4, 10);
        for row in &repeated.rows {
            assert_eq!(row.len(), 21);
            assert_eq!(row[1..11], row[11..]);
        }
        assert_ne!(repeated.rows[0], repeated.rows[1]);
    }

    #[test]
    fn a_dictionary_asks_again_for_every_word() {
        let repeated = Repeated::dictionary(3, 2, 10);
        for row in &repeated.rows {
            assert_eq!((row.len(), repeated.period), (61, 30));
            for line in row[31..].chunks(3) {
                let first = row[1..31].chunks(3).find(|l| l[0] == line[0]);
                assert_eq!(first, Some(line));
            }
        }
        // Only the second meanings count: position 32 follows the first word of the second half.
        let made_up = |t: u32| (0..MADE_UP.len()).any(|w| MADE_UP.token(w) == t);
        let right = |row: &Vec<u32>| -> Vec<f32> {
            (0..60).map(|t| if t > 30 && made_up(row[t]) { -2.0 } else { f32::NAN }).collect()
        };
        let logp: Vec<Vec<f32>> = repeated.rows.iter().map(right).collect();
        assert_eq!(repeated.loss_of_repeats(&logp), 2.0);
    }
}
