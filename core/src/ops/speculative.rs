//! Speculative decoding (Leviathan et al. 2022, Algorithm 1): the draft's proposals, and what the target makes
//! of them. p is the target's distribution, q the draft's.

use super::sample::{draw, weights};
use super::{Dispatch, Op, expect, flag, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};
use crate::objective::speculative::{accepts, overlap, residual};
use crate::rng::{Stream, threefry, unit};

/// reads logits `[.., Vp]`, settings as [`Sample`](super::Sample) does; writes probs `[.., Vp]`: what tokens are
/// drawn with under these settings, 0 in the padding.
#[derive(Debug)]
pub struct Distribution {
    /// V.
    pub vocab: usize,
}

impl Op for Distribution {
    fn name(&self) -> &'static str {
        "distribution"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2
            && reads[0].last() >= self.vocab
            && reads[1].len() >= 4
            && reads[1].dtype == DType::U32;
        expect(ok, self.name(), reads)?;
        Ok(vec![reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let width = io.read_spec(0).last();
        let (logits, settings, probs) = (io.f(0), io.u(1), io.out(0));
        for (row, probs) in logits.chunks_exact(width).zip(probs.chunks_exact_mut(width)) {
            let weights = weights(&row[..self.vocab], settings);
            let total = weights.iter().copied().sum::<F>();
            probs.fill(F::zero());
            probs.iter_mut().zip(weights).for_each(|(p, w)| *p = w / total);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let rows = reads[0].rows();
        let constants = vec![u("ROWS", rows), u("WIDTH", reads[0].last()), u("V", self.vocab)];
        Dispatch { shader: "distribution", constants, workgroups: groups(rows, 1) }
    }
}

/// reads q `[B, 1, Vp]`, positions `[B]` u32, settings; writes tokens `[B, P]` at
/// `positions[b] + 1 + offset`, drawn from q. Beyond P nothing is written. The draw's counter is (index of the
/// token, b): a proposal that is thrown away and made anew later repeats its number, which nothing kept ever
/// depended on.
#[derive(Debug)]
pub struct Propose {
    /// V.
    pub vocab: usize,
    /// P.
    pub positions: usize,
    /// Which proposal of the round, from 0.
    pub offset: usize,
}

impl Op for Propose {
    fn name(&self) -> &'static str {
        "propose"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3
            && reads[0].last() >= self.vocab
            && reads[1].len() == reads[0].rows()
            && reads[2].len() >= 4
            && reads[1..].iter().all(|r| r.dtype == DType::U32);
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::u32([reads[0].rows(), self.positions])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let width = io.read_spec(0).last();
        let (q, positions, settings, tokens) = (io.f(0), io.u(1), io.u(2), io.out_u(0));
        for (b, q) in q.chunks_exact(width).enumerate() {
            let index = positions[b] + 1 + self.offset as u32;
            if (index as usize) < self.positions {
                let word = threefry([settings[3], Stream::Propose as u32], [index, b as u32])[0];
                let token = draw(&q[..self.vocab], unit(word)).unwrap_or_default();
                tokens[b * self.positions + index as usize] = token;
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let rows = reads[0].rows();
        let constants = vec![
            u("ROWS", rows),
            u("WIDTH", reads[0].last()),
            u("V", self.vocab),
            u("P", self.positions),
            u("OFFSET", self.offset),
        ];
        Dispatch { shader: "propose", constants, workgroups: groups(rows, 1) }
    }
}

/// reads q `[K, S]` (proposal i's `[B, Vp]` begins at i · S), p `[B, K + 1, Vp]`, settings `[5]` (as
/// [`Sample`](super::Sample), then the token that ends a row, `u32::MAX` for none), ends `[B]` u32 (tokens at
/// which a row is long enough); writes, in place, tokens `[B, P]`, positions `[B]`, counts
/// `[B, 4 + 2K]` u32, overlap `[B, K]`.
///
/// Row b's proposals stand in tokens after `positions[b]`. They are accepted one after another with
/// min(1, p/q); after the first rejection a token is drawn from norm(max(0, p − q)), after K acceptances from
/// the target's last row (the bonus). The row's position moves to its last token. A row is done after its
/// stop token, at its end or where the context is full, and is then left alone. Where room for proposals is
/// short, fewer are looked at, so what is kept follows the target's law in any case.
///
/// counts are: 1 if done; calls of the target; tokens made; bonus tokens; then for each proposal how often it
/// was looked at, and how often accepted. overlap sums Σ min(p, q) where a proposal was looked at.
#[derive(Debug)]
pub struct Accept {
    /// V.
    pub vocab: usize,
    /// P.
    pub positions: usize,
    /// K.
    pub proposals: usize,
    /// False breaks the rule on purpose: after a rejection it draws from p, and the text no longer follows the
    /// target's law.
    pub residual: bool,
}

impl Accept {
    /// Counts before those of the single proposals.
    pub const HEAD: usize = 4;

    /// Words of a row's counts.
    pub const fn counts(proposals: usize) -> usize {
        Self::HEAD + 2 * proposals
    }

    /// S: where WebGPU can bind the next proposal's distributions.
    pub const fn slab(batch: usize, width: usize) -> usize {
        (batch * width).next_multiple_of(crate::graph::ALIGN)
    }
}

impl Op for Accept {
    fn name(&self) -> &'static str {
        "accept"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["", "positions", "counts", "overlap"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let k = self.proposals;
        let ok = reads.len() == 4
            && k > 0
            && reads[1].shape.len() == 3
            && reads[1].shape[1] == k + 1
            && reads[1].last() >= self.vocab
            && reads[0].len() == k * Self::slab(reads[1].shape[0], reads[1].last())
            && reads[2].len() == 5
            && reads[3].len() == reads[1].shape[0]
            && reads[2..].iter().all(|r| r.dtype == DType::U32);
        expect(ok, self.name(), reads)?;
        let b = reads[1].shape[0];
        Ok(vec![
            Spec::u32([b, self.positions]),
            Spec::u32([b]),
            Spec::u32([b, Self::counts(k)]),
            Spec::float([b, k]),
        ])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (k, v, [batch, _, width]) =
            (self.proposals, self.vocab, [0, 1, 2].map(|i| io.read_spec(1).shape[i]));
        let slab = Self::slab(batch, width);
        let (q, p, settings, ends) = (io.f(0), io.f(1), io.u(2), io.u(3));
        let (tokens, positions) = (io.out_u(0), io.out_u(1));
        let (counts, overlaps) = (io.out_u(2), io.out(3));
        let words = |index: usize, b: usize| {
            threefry([settings[3], Stream::Accept as u32], [index as u32, b as u32]).map(unit)
        };
        for b in 0..batch {
            let counts = &mut counts[b * Self::counts(k)..][..Self::counts(k)];
            if counts[0] != 0 {
                continue;
            }
            let position = (positions[b] as usize).min(self.positions - 1);
            let row = &mut tokens[b * self.positions..][position + 1..self.positions];
            let p = |i: usize| &p[(b * (k + 1) + i) * width..][..v];
            let q = |i: usize| &q[i * slab + b * width..][..v];
            let (mut accepted, mut rejected) = (0, false);
            for (i, &x) in row.iter().enumerate().take(k) {
                let coin = F::of(f64::from(words(position + 1 + i, b)[0]));
                overlaps[b * k + i] += overlap(p(i), q(i));
                counts[Self::HEAD + i] += 1;
                if !accepts(p(i)[x as usize], q(i)[x as usize], coin) {
                    rejected = true;
                    break;
                }
                counts[Self::HEAD + k + i] += 1;
                accepted += 1;
            }
            let drawn = accepted < row.len();
            if drawn {
                let uniform = words(position + 1 + accepted, b)[1];
                let token = if rejected && self.residual {
                    // Nothing is left only where p is q and rounding rejected: then the proposal stays.
                    draw(&residual(p(accepted), q(accepted)), uniform)
                } else {
                    draw(p(accepted), uniform)
                };
                row[accepted] = token.unwrap_or(row[accepted]);
            }
            let made = accepted + usize::from(drawn);
            let stop = row[..made].iter().position(|&t| t == settings[4]);
            let kept = stop.map_or(made, |at| at + 1);
            positions[b] = (position + kept) as u32;
            let end = (ends[b] as usize).min(self.positions);
            counts[0] = u32::from(stop.is_some() || position + kept + 1 >= end);
            counts[1] += 1;
            counts[2] += kept as u32;
            counts[3] += u32::from(drawn && !rejected && kept == made);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (rows, width) = (reads[1].shape[0], reads[1].last());
        let constants = vec![
            u("ROWS", rows),
            u("WIDTH", width),
            u("SLAB", Self::slab(rows, width)),
            u("V", self.vocab),
            u("P", self.positions),
            u("K", self.proposals),
            flag("RESIDUAL", self.residual),
        ];
        Dispatch { shader: "accept", constants, workgroups: groups(rows, 1) }
    }
}
