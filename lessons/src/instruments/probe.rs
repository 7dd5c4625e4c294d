//! One short text under the lens: all that a picture needs to show any layer, head and position, in plain numbers.

use super::{HeadTrace, Look};
use serde::{Deserialize, Serialize};

/// Every number of attention over one text of n tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Its tokens `[n]`.
    pub tokens: Vec<u32>,
    /// H.
    pub heads: usize,
    /// C.
    pub channels: usize,
    /// Whether the model divides its scores by √D.
    pub scaled: bool,
    /// What each layer's queries, keys and values are made of: the residual stream, normalised `[n, C]`. Empty where it
    /// was not kept.
    pub normed: Vec<Vec<f32>>,
    /// Each layer's queries, keys and values `[n, 3C]`. Empty where they were not kept.
    pub qkv: Vec<Vec<f32>>,
    /// Each layer's shares of attention `[H, n, n]`, as the device computed them.
    pub probs: Vec<Vec<f32>>,
    /// Each layer's mixed values `[n, C]`, as the device computed them. Empty where they were not kept: they follow
    /// from the shares and the values.
    pub mixed: Vec<Vec<f32>>,
}

impl Probe {
    /// Row `row` of a look, cut to the length of its tokens.
    pub fn of(look: &Look, row: usize, tokens: &[u32]) -> Self {
        let n = tokens.len().min(look.context);
        let rows = |all: &[f32], width: usize| all[row * look.context * width..][..n * width].to_vec();
        let layers = |of: &[Vec<f32>], width: usize| of.iter().map(|l| rows(l, width)).collect::<Vec<_>>();
        let map = |layer: usize, head: usize| {
            look.map(row, layer, head).chunks_exact(look.context).take(n).flat_map(|line| &line[..n])
        };
        let probs = (0..look.layers())
            .map(|layer| (0..look.heads).flat_map(|head| map(layer, head)).copied().collect())
            .collect();
        Self {
            tokens: tokens[..n].to_vec(),
            heads: look.heads,
            channels: look.channels,
            scaled: look.scaled,
            normed: layers(&look.normed, look.channels),
            qkv: layers(&look.qkv, 3 * look.channels),
            probs,
            mixed: layers(&look.mixed, look.channels),
        }
    }

    /// L.
    pub fn layers(&self) -> usize {
        self.probs.len()
    }

    /// One head's map `[n, n]`: row i is where position i looks.
    pub fn map(&self, layer: usize, head: usize) -> &[f32] {
        let size = self.tokens.len() * self.tokens.len();
        &self.probs[layer][head * size..][..size]
    }

    /// The vector of one position that a layer makes its query, key and value of `[C]`, where it was kept.
    pub fn input(&self, layer: usize, position: usize) -> Option<&[f32]> {
        self.normed.get(layer)?.get(position * self.channels..)?.get(..self.channels)
    }

    /// Every number of one head at one position; none where queries, keys and values were not kept.
    pub fn trace(&self, layer: usize, head: usize, position: usize) -> Option<HeadTrace> {
        // The same arithmetic as on a whole look, whose only row this is.
        let mixed = self.mixed.get(layer).cloned();
        let known = mixed.is_some();
        let look = Look {
            heads: self.heads,
            channels: self.channels,
            context: self.tokens.len(),
            scaled: self.scaled,
            logp: Vec::new(),
            probs: vec![self.probs[layer].clone()],
            normed: Vec::new(),
            qkv: vec![self.qkv.get(layer)?.clone()],
            mixed: vec![mixed.unwrap_or_else(|| vec![0.0; self.tokens.len() * self.channels])],
        };
        let mut trace = HeadTrace { layer, ..look.trace(0, &self.tokens, 0, head, position) };
        if !known {
            let weighted = |x: usize| trace.weights.iter().zip(&trace.values).map(|(w, v)| w * v[x]).sum();
            trace.mix = (0..trace.mix.len()).map(weighted).collect();
        }
        Some(trace)
    }

    /// What is kept of one moment of many: numbers of `digits` after the point, and none that follow from others.
    #[must_use]
    pub fn thinned(mut self, digits: i32) -> Self {
        let unit = 10f32.powi(digits);
        self.normed.clear();
        self.mixed.clear();
        for part in [&mut self.qkv, &mut self.probs] {
            part.iter_mut().flatten().for_each(|x| *x = (*x * unit).round() / unit);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of three positions, one layer of two heads of one channel each.
    fn look() -> Look {
        let third = 1.0 / 3.0;
        let map = [1.0, 0.0, 0.0, 0.5, 0.5, 0.0, third, third, third];
        Look {
            heads: 2,
            channels: 2,
            context: 3,
            scaled: true,
            logp: Vec::new(),
            probs: vec![map.repeat(4)],
            normed: vec![(0..12).map(|i| i as f32).collect()],
            qkv: vec![(0..36).map(|i| i as f32).collect()],
            mixed: vec![(0..12).map(|i| i as f32).collect()],
        }
    }

    #[test]
    fn a_probe_holds_the_numbers_of_its_row() {
        let (look, tokens) = (look(), [7, 8]);
        let probe = Probe::of(&look, 1, &tokens);
        assert_eq!(probe.map(0, 1), [1.0, 0.0, 0.5, 0.5]);
        assert_eq!(probe.input(0, 1), Some(&[8.0, 9.0][..]));
        for (head, position) in [(0, 0), (0, 1), (1, 1)] {
            let (a, b) = (probe.trace(0, head, position).unwrap(), look.trace(1, &tokens, 0, head, position));
            assert_eq!((a.query, a.keys, a.scores, a.mix), (b.query, b.keys, b.scores, b.mix));
            assert_eq!(a.weights, b.weights);
        }
    }

    #[test]
    fn what_is_not_kept_follows_from_what_is() {
        let probe = Probe::of(&look(), 1, &[7, 8]).thinned(1);
        assert_eq!(probe.input(0, 1), None);
        let trace = probe.trace(0, 1, 1).unwrap();
        assert_eq!(trace.mix[0], 0.5 * trace.values[0][0] + 0.5 * trace.values[1][0]);
    }

    #[test]
    fn without_the_root_softmax_is_taken_of_the_scores() {
        let look = Look { scaled: false, ..look() };
        let trace = look.trace(0, &[1, 2, 3], 0, 0, 2);
        assert_eq!(trace.masked.iter().flatten().copied().collect::<Vec<_>>(), trace.scores);
    }
}
