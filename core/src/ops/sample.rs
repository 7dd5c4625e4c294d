//! Draws the next token on the device: temperature, top-k, top-p (Holtzman et al. 2019, nucleus).

use super::{Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};
use crate::rng::{Stream, threefry, unit};

/// reads logits `[B, 1, Vp]`, settings `[4]` u32 (bits of temperature, top_k, bits of top_p, seed; further
/// words are not looked at), lengths `[B]` u32 of the prompts; writes tokens `[B, P]` u32 at
/// `positions[b] + 1`, unless that is still prompt, and moves positions `[B]` u32 there. A row whose context is
/// full stays as it is.
///
/// A token stays if fewer than top_k tokens precede it in order of logit (then index), and if the
/// probability of those that precede it is less than top_p; the likeliest always stays. The draw is the
/// inverse of the cumulative sum over the kept tokens in order of index, at the 24-bit uniform of counter
/// `(position, b)`. Temperature 0 is greedy.
#[derive(Debug)]
pub struct Sample {
    /// V.
    pub vocab: usize,
    /// P.
    pub positions: usize,
}

impl Op for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["", "positions"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3
            && reads[0].last() >= self.vocab
            && reads[1].len() >= 4
            && reads[2].len() == reads[0].rows()
            && reads[1..].iter().all(|r| r.dtype == DType::U32);
        expect(ok, self.name(), reads)?;
        let rows = reads[0].rows();
        Ok(vec![Spec::u32([rows, self.positions]), Spec::u32([rows])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let width = io.read_spec(0).last();
        let (logits, settings, lengths) = (io.f(0), io.u(1), io.u(2));
        let (tokens, positions) = (io.out_u(0), io.out_u(1));
        for (b, row) in logits.chunks_exact(width).enumerate() {
            let next = positions[b] as usize + 1;
            if next >= self.positions {
                continue;
            }
            if next >= lengths[b] as usize {
                let word = threefry([settings[3], Stream::Sample as u32], [positions[b], b as u32])[0];
                let weights = weights(&row[..self.vocab], settings);
                tokens[b * self.positions + next] = draw(&weights, unit(word)).unwrap_or_default();
            }
            positions[b] = next as u32;
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let rows = reads[0].rows();
        let constants =
            vec![u("ROWS", rows), u("WIDTH", reads[0].last()), u("V", self.vocab), u("P", self.positions)];
        Dispatch { shader: "sample", constants, workgroups: groups(rows, 1) }
    }
}

/// What each token is drawn in proportion to: 0 for those that the settings leave out.
pub(super) fn weights<F: Real>(logits: &[F], settings: &[u32]) -> Vec<F> {
    let temperature = F::of(f64::from(f32::from_bits(settings[0])));
    let (top_k, top_p) = (settings[1] as usize, F::of(f64::from(f32::from_bits(settings[2]))));
    let best = (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best });
    if temperature <= F::zero() {
        let mut only = vec![F::zero(); logits.len()];
        only[best] = F::one();
        return only;
    }
    let mut weights: Vec<F> = logits.iter().map(|&x| ((x - logits[best]) / temperature).expo()).collect();
    if top_k == 0 && top_p >= F::one() {
        return weights;
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| {
        logits[b].partial_cmp(&logits[a]).unwrap_or(std::cmp::Ordering::Equal).then(a.cmp(&b))
    });
    let total = weights.iter().copied().sum::<F>();
    let mut before = F::zero();
    for (rank, &i) in order.iter().enumerate() {
        let weight = weights[i];
        let kept = rank == 0 || ((top_k == 0 || rank < top_k) && before < top_p * total);
        before += weight;
        if !kept {
            weights[i] = F::zero();
        }
    }
    weights
}

/// The token at `uniform` of the cumulative sum of `weights`; none if all weights are 0.
pub(super) fn draw<F: Real>(weights: &[F], uniform: f32) -> Option<u32> {
    let target = F::of(f64::from(uniform)) * weights.iter().copied().sum::<F>();
    let mut sum = F::zero();
    let mut last = None;
    for (i, &w) in weights.iter().enumerate().filter(|(_, w)| **w > F::zero()) {
        sum += w;
        last = Some(i as u32);
        if sum > target {
            break;
        }
    }
    last
}
