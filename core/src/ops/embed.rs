//! Token plus position embedding (Radford et al. 2019, GPT-2).

use super::{ALONE, Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};

/// reads tokens `[B, T]` u32, wte `[V, C]`, wpe `[P, C]` with P ≥ T; writes x `[B, T, C]`.
#[derive(Debug)]
pub struct Embed;

impl Op for Embed {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3
            && reads[0].dtype == DType::U32
            && reads[0].shape.len() == 2
            && reads[1].last() == reads[2].last()
            && reads[0].shape[1] <= reads[2].rows();
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([reads[0].shape[0], reads[0].shape[1], reads[1].last()])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (t, c) = (io.read_spec(0).shape[1], io.read_spec(1).last());
        let (tokens, wte, wpe, x) = (io.u(0), io.f(1), io.f(2), io.out(0));
        for (i, row) in x.chunks_exact_mut(c).enumerate() {
            let (token, position) = (tokens[i] as usize, i % t);
            for ((x, &e), &p) in row.iter_mut().zip(&wte[token * c..][..c]).zip(&wpe[position * c..][..c]) {
                *x = e + p;
            }
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let [tokens, wte, wpe] = step.reads[..] else { return no_gradient(self.name()) };
        if let (Some(dx), Some(dwte), Some(dwpe)) =
            (back.only(step), back.parameter(wte), back.parameter(wpe))
        {
            let (v, p) = (back.tape().spec(wte).rows(), back.tape().spec(wpe).rows());
            back.push_into(EmbedGrad { vocab: v, positions: p }, &[dx, tokens], &[dwte, dwpe])?;
        }
        Ok(())
    }

    fn dispatch(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let (t, c, n) = (reads[0].shape[1], reads[1].last(), writes[0].len());
        Dispatch {
            shader: "embed",
            constants: vec![u("N", n), u("T", t), u("C", c)],
            workgroups: groups(n, 256),
        }
    }
}

/// reads dx `[B, T, C]`, tokens `[B, T]`; adds to dwte `[V, C]` and dwpe `[P, C]`. One workgroup gathers
/// one row, so the sum has one order and needs no float atomics.
#[derive(Debug)]
pub struct EmbedGrad {
    /// V.
    pub vocab: usize,
    /// P.
    pub positions: usize,
}

impl Op for EmbedGrad {
    fn name(&self) -> &'static str {
        "embed_grad"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["wte", "wpe"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 2 && reads[0].rows() == reads[1].len(), self.name(), reads)?;
        let c = reads[0].last();
        Ok(vec![Spec::float([self.vocab, c]), Spec::float([self.positions, c])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (t, c) = (io.read_spec(1).shape[1], io.read_spec(0).last());
        let (dx, tokens, dwte, dwpe) = (io.f(0), io.u(1), io.out(0), io.out(1));
        for (i, row) in dx.chunks_exact(c).enumerate() {
            for (table, at) in [(&mut *dwte, tokens[i] as usize), (&mut *dwpe, i % t)] {
                for (d, &g) in table[at * c..][..c].iter_mut().zip(row) {
                    *d += g;
                }
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (b, t, c) = (reads[1].shape[0], reads[1].shape[1], reads[0].last());
        let constants = vec![u("B", b), u("T", t), u("C", c), u("V", self.vocab)];
        Dispatch { shader: "embed_grad", constants, workgroups: groups(self.vocab + t, 1) }
    }

    fn dispatch_threads(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (b, t, c) = (reads[1].shape[0], reads[1].shape[1], reads[0].last());
        let constants = vec![u("B", b), u("T", t), u("C", c), u("THREADS", ALONE)];
        Dispatch { shader: "embed_grad_threads", constants, workgroups: groups(c + t * c, ALONE) }
    }
}

/// The embedding of Q positions a row, while decoding: reads tokens `[B, P]` u32, wte, wpe, positions `[B]`
/// u32; writes x `[B, Q, C]` of positions `positions[b] + offset + 0..Q`. Beyond P it repeats the last one:
/// what is computed there means nothing.
#[derive(Debug)]
pub struct EmbedAt {
    /// Q.
    pub queries: usize,
    /// How far after `positions[b]` the first query stands.
    pub offset: usize,
}

impl Op for EmbedAt {
    fn name(&self) -> &'static str {
        "embed_at"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 4
            && reads[0].dtype == DType::U32
            && reads[0].shape.len() == 2
            && reads[1].last() == reads[2].last()
            && reads[0].shape[1] <= reads[2].rows()
            && reads[3].dtype == DType::U32
            && reads[3].len() == reads[0].shape[0];
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([reads[0].shape[0], self.queries, reads[1].last()])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (span, c) = (io.read_spec(0).shape[1], io.read_spec(1).last());
        let (tokens, wte, wpe, positions, x) = (io.u(0), io.f(1), io.f(2), io.u(3), io.out(0));
        for (i, row) in x.chunks_exact_mut(c).enumerate() {
            let (b, k) = (i / self.queries, i % self.queries);
            let position = (positions[b] as usize + self.offset + k).min(span - 1);
            let token = tokens[b * span + position] as usize;
            for ((x, &e), &p) in row.iter_mut().zip(&wte[token * c..][..c]).zip(&wpe[position * c..][..c]) {
                *x = e + p;
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let (p, c, n) = (reads[0].shape[1], reads[1].last(), writes[0].len());
        let constants = vec![u("N", n), u("P", p), u("C", c), u("Q", self.queries), u("OFFSET", self.offset)];
        Dispatch { shader: "embed_at", constants, workgroups: groups(n, 64) }
    }
}
