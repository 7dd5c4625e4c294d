//! The laws that choices are drawn from, and what a choice costs in nats.

use gradus_core::rng::Rng;

use super::vocabulary::Class;

/// What was drawn: a token, its index in its class, its rank under its law, and its probability.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub(crate) token: u32,
    pub(crate) index: usize,
    pub(crate) rank: usize,
    pub(crate) p: f64,
}

/// Zipf's law over ranks: P(k) ∝ (k + 1)^−s (Zipf 1935).
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    p: Vec<f64>,
    /// Upper ends of the ranks' shares of the 32-bit words.
    ends: Vec<u32>,
}

impl Zipf {
    pub(crate) fn new(n: usize, s: f64) -> Self {
        let weights: Vec<f64> = (0..n).map(|k| ((k + 1) as f64).powf(-s)).collect();
        let total: f64 = weights.iter().sum();
        let p: Vec<f64> = weights.iter().map(|w| w / total).collect();
        let mut sum = 0.0;
        let ends = p
            .iter()
            .map(|p| {
                sum += p;
                (sum * 4_294_967_296.0) as u32 // saturates at the top
            })
            .collect();
        Self { p, ends }
    }

    pub(crate) fn p(&self, rank: usize) -> f64 {
        self.p[rank]
    }

    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let word = rng.next_u32();
        // The head holds most of the mass, so a linear search beats a binary one.
        self.ends.iter().position(|&end| word < end).unwrap_or(self.ends.len() - 1)
    }

    pub(crate) fn entropy(&self) -> f64 {
        entropy(&self.p)
    }

    /// Expected entropy of a draw that may not repeat rank i, where i has distribution `d`; and the
    /// distribution of what was drawn.
    pub(crate) fn without(&self, d: &[f64]) -> (f64, Vec<f64>) {
        let (mut nats, mut next) = (0.0, vec![0.0; self.p.len()]);
        for (i, &di) in d.iter().enumerate() {
            for (j, &pj) in self.p.iter().enumerate().filter(|&(j, _)| j != i) {
                let p = pj / (1.0 - self.p[i]);
                nats -= di * p * p.ln();
                next[j] += di * p;
            }
        }
        (nats, next)
    }

    pub(crate) fn probabilities(&self) -> &[f64] {
        &self.p
    }
}

/// Zipf's law over a class of words, in an order of its own for every context.
#[derive(Clone, Debug)]
pub(crate) struct Ranked {
    class: Class,
    law: Zipf,
    /// contexts × class size: which word of the class has which rank.
    order: Vec<u8>,
}

impl Ranked {
    /// `contexts` random orders.
    pub(crate) fn shuffled(class: Class, s: f64, contexts: usize, rng: &mut Rng) -> Self {
        let n = class.len();
        let mut order = Vec::with_capacity(contexts * n);
        for context in 0..contexts {
            order.extend(0..n as u8);
            rng.shuffle(&mut order[context * n..]);
        }
        Self { class, law: Zipf::new(n, s), order }
    }

    /// One context, in the order of the word list.
    pub(crate) fn listed(class: Class, s: f64) -> Self {
        let n = class.len();
        Self { class, law: Zipf::new(n, s), order: (0..n as u8).collect() }
    }

    pub(crate) fn draw(&self, context: usize, rng: &mut Rng) -> Pick {
        let rank = self.law.draw(rng);
        let index = usize::from(self.order[context * self.class.len() + rank]);
        Pick { token: self.class.token(index), index, rank, p: self.law.p(rank) }
    }

    /// A draw that may not repeat the word of rank `taken`.
    pub(crate) fn draw_except(&self, context: usize, taken: usize, rng: &mut Rng) -> Pick {
        loop {
            let pick = self.draw(context, rng);
            if pick.rank != taken {
                return Pick { p: pick.p / (1.0 - self.law.p(taken)), ..pick };
            }
        }
    }

    pub(crate) fn law(&self) -> &Zipf {
        &self.law
    }
}

/// True with probability `p`.
pub(crate) fn chance(p: f64, rng: &mut Rng) -> bool {
    f64::from(rng.next_u32()) < p * 4_294_967_296.0
}

/// An index drawn in proportion to `weights`, and its probability.
pub(crate) fn weighted(weights: &[f64], rng: &mut Rng) -> (usize, f64) {
    let total: f64 = weights.iter().sum();
    let mut left = f64::from(rng.next_u32()) * (total / 4_294_967_296.0);
    let mut drawn = 0;
    for (i, &w) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
        drawn = i;
        if left < w {
            break;
        }
        left -= w;
    }
    (drawn, weights[drawn] / total)
}

/// Entropy in nats of a choice made in proportion to `weights`.
pub(crate) fn entropy(weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    weights.iter().filter(|w| **w > 0.0).map(|w| -(w / total) * (w / total).ln()).sum()
}

/// Entropy in nats of a yes or no with probability `p`.
pub(crate) fn coin(p: f64) -> f64 {
    entropy(&[p, 1.0 - p])
}

/// What something is expected to cost: its entropy in nats, and its length in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Entropy, in nats.
    pub nats: f64,
    /// Mean length, in tokens; a document's includes its closing `<eos>`.
    pub tokens: f64,
}

impl Cost {
    pub(crate) const fn new(nats: f64, tokens: f64) -> Self {
        Self { nats, tokens }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.nats + other.nats, self.tokens + other.tokens)
    }
}

impl std::ops::Mul<Cost> for f64 {
    type Output = Cost;
    fn mul(self, cost: Cost) -> Cost {
        Cost::new(self * cost.nats, self * cost.tokens)
    }
}

/// When a document of equal sentences ends: after each of the first `most − 1` with probability `stop`,
/// and always after the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) stop: f64,
    pub(crate) most: usize,
}

impl Ending {
    /// The probability of ending after sentence number `n` (from 1).
    pub(crate) fn hazard(self, n: usize) -> f64 {
        if n >= self.most { 1.0 } else { self.stop }
    }

    /// Expected number of sentences, and the entropy of that number.
    pub(crate) fn cost(self) -> (f64, f64) {
        (0..self.most).fold((0.0, 0.0), |(sentences, nats), n| {
            let reached = (1.0 - self.stop).powi(n as i32);
            (sentences + reached, nats + reached * coin(self.hazard(n + 1)))
        })
    }
}

/// When a list ends: its number of lines is uniform in `least..=most`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    pub(crate) least: usize,
    pub(crate) most: usize,
}

impl Lines {
    /// The probability of ending after line number `n` (from 1).
    pub(crate) fn hazard(self, n: usize) -> f64 {
        if n < self.least { 0.0 } else { 1.0 / (self.most - n + 1) as f64 }
    }

    /// Mean number of lines.
    pub(crate) fn mean(self) -> f64 {
        (self.least + self.most) as f64 / 2.0
    }

    /// The probability that line number `n` (from 1) is written.
    pub(crate) fn reaches(self, n: usize) -> f64 {
        (1..n).map(|before| 1.0 - self.hazard(before)).product()
    }

    /// Entropy of the number of lines.
    pub(crate) fn entropy(self) -> f64 {
        ((self.most - self.least + 1) as f64).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_core::rng::Stream;

    #[test]
    fn draws_follow_their_laws() {
        let mut rng = Rng::new(1, Stream::Test);
        let zipf = Zipf::new(5, 1.2);
        let n = 400_000;
        let (mut ranks, mut choices, mut yes) = ([0.0; 5], [0.0; 4], 0.0);
        let weights = [0.3, 0.0, 0.2, 0.4];
        for _ in 0..n {
            ranks[zipf.draw(&mut rng)] += 1.0 / n as f64;
            choices[weighted(&weights, &mut rng).0] += 1.0 / n as f64;
            yes += f64::from(u8::from(chance(0.35, &mut rng))) / n as f64;
        }
        // Four standard errors of a proportion are at most 0.0032 here.
        for (k, share) in ranks.iter().enumerate() {
            assert!((share - zipf.p(k)).abs() < 0.0032, "{ranks:?}");
        }
        for (share, w) in choices.iter().zip(weights) {
            assert!((share - w / 0.9).abs() < 0.0032, "{choices:?}");
        }
        assert!((yes - 0.35).abs() < 0.0032, "{yes}");
    }

    #[test]
    fn endings_are_laws() {
        let lines = Lines { least: 4, most: 11 };
        let lengths: Vec<f64> = (1..=11).map(|n| lines.reaches(n) * lines.hazard(n)).collect();
        assert!((entropy(&lengths) - lines.entropy()).abs() < 1e-12);
        assert!((lengths.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let (sentences, nats) = Ending { stop: 0.3, most: 4 }.cost();
        assert!((sentences - 2.533).abs() < 1e-12);
        assert!((nats - entropy(&[0.3, 0.21, 0.147, 0.343])).abs() < 1e-12);
    }
}
