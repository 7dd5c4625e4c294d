//! Self-attention with its `[T, T]` matrix written out (Vaswani et al. 2017, §3.2.1):
//! `softmax(Q·Kᵀ/√D + mask)·V`. What flash attention computes without the matrix.

use super::{Dispatch, Form, Op, attention_counted as counted, expect, f, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Heads, Io, Real, Start, each_head};
use crate::graph::{Backward, Spec, Step};

/// Sizes that every attention op shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub b: usize,
    pub t: usize,
    pub h: usize,
    pub d: usize,
    pub scaled: bool,
}

impl Sizes {
    /// From qkv `[B, T, 3C]`.
    pub(super) fn of(qkv: &Spec, h: usize, scaled: bool) -> Self {
        Self { b: qkv.shape[0], t: qkv.shape[1], h, d: qkv.last() / 3 / h, scaled }
    }

    pub(super) fn c(&self) -> usize {
        self.h * self.d
    }

    pub(super) fn check(op: &str, reads: &[Spec], h: usize) -> Result<Self> {
        let ok = reads.first().is_some_and(|q| q.shape.len() == 3 && h > 0 && q.last() % (3 * h) == 0);
        expect(ok, op, reads)?;
        Ok(Self::of(&reads[0], h, true))
    }

    pub(super) fn constants(&self) -> Vec<(&'static str, super::Constant)> {
        vec![u("T", self.t), u("H", self.h), u("D", self.d), f("SCALE", self.scale())]
    }

    /// One workgroup a line of the `[B, H, T, T]` matrix.
    fn lines(&self, shader: &'static str, form: Form, counter: usize) -> Dispatch {
        let lines = self.b * self.h * self.t;
        let constants = [self.constants(), vec![u("LINES", lines)], form.constants(counter)].concat();
        Dispatch { shader, constants, workgroups: groups(lines, 1) }
    }

    pub(super) fn scale(&self) -> f64 {
        scale(self.d, self.scaled)
    }

    /// As the CPU device's own kernels take them.
    pub(super) fn of_heads<F>(self, causal: bool, qkv: &[F]) -> Heads<'_, F> {
        let scale = self.scale();
        Heads { b: self.b, t: self.t, h: self.h, d: self.d, scale, causal, qkv }
    }

    /// For each sequence and head: its index, and where its queries begin in qkv and its output in o.
    pub(super) fn heads(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        each_head([self.b, self.t, self.h, self.d])
    }
}

/// What scores are multiplied by: 1/√D, which gives scores of independent queries and keys of unit variance
/// unit variance too (Vaswani et al. 2017, §3.2.1, footnote 4), or 1 where that is left out.
pub(super) fn scale(d: usize, scaled: bool) -> f64 {
    if scaled { 1.0 / (d as f64).sqrt() } else { 1.0 }
}

/// reads qkv `[B, T, 3C]`; writes o `[B, T, C]`, probs `[B, H, T, T]`, and adds to a counter, if counted.
#[derive(Debug)]
pub struct Attention {
    /// H.
    pub heads: usize,
    /// Causal or full, counted or not.
    pub form: Form,
}

impl Attention {
    /// Causal, not counted: what models are made of. `scaled`: scores are divided by √D.
    pub fn new(heads: usize, scaled: bool) -> Self {
        Self { heads, form: Form::model(scaled) }
    }
}

impl Op for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn outputs(&self) -> &'static [&'static str] {
        if self.form.counted { &["", "probs", "traffic"] } else { &["", "probs"] }
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let s = Sizes::check(self.name(), reads, self.heads)?;
        let writes = vec![Spec::float([s.b, s.t, s.c()]), Spec::float([s.b, s.h, s.t, s.t])];
        Ok(self.form.with_counter(writes))
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        if self.form.counted {
            return counted::forward(io, self.heads, self.form);
        }
        let s = Sizes::of(io.read_spec(0), self.heads, self.form.scaled);
        let (qkv, o, probs) = (io.f(0), io.out(0), io.out(1));
        let (t, d, c, row) = (s.t, s.d, s.c(), 3 * s.c());
        for (i, q, out) in s.heads() {
            let p = &mut probs[i * t * t..][..t * t];
            F::gemm([t, t, d], (&qkv[q..], [row, 1]), (&qkv[q + c..], [1, row]), (p, t), Start::Zero);
            for (r, p) in p.chunks_exact_mut(t).enumerate() {
                let (seen, unseen) = p.split_at_mut(self.form.seen(r, t));
                softmax(seen, F::of(s.scale()));
                unseen.fill(F::zero());
            }
            F::gemm([t, d, t], (p, [t, 1]), (&qkv[q + 2 * c..], [row, 1]), (&mut o[out..], c), Start::Zero);
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let Some(d) = back.only(step) else { return Ok(()) };
        let (qkv, probs) = (step.reads[0], step.writes[1]);
        let (heads, form) = (self.heads, self.form.uncounted());
        let scores = back.push(probs, AttentionGradScores { heads, form }, &[qkv, d, probs])?;
        let dqkv = back.push(qkv, AttentionGrad { heads, form }, &[qkv, d, probs, scores])?;
        back.set(qkv, dqkv)
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        s.lines("attention", self.form, 3)
    }
}

/// `x ← softmax(scale · x)`.
#[inline(always)]
pub(super) fn softmax<F: Real>(x: &mut [F], scale: F) {
    let max = F::largest(x);
    x.iter_mut().for_each(|x| *x = ((*x - max) * scale).expo());
    let sum = F::total(x);
    x.iter_mut().for_each(|x| *x /= sum);
}

/// reads qkv, do `[B, T, C]`, probs; writes the gradient of the unscaled scores `[B, H, T, T]`:
/// `SCALE · P ∘ (dO·Vᵀ − rowsum(P ∘ dO·Vᵀ))`; and adds to a counter, if counted.
#[derive(Debug)]
pub struct AttentionGradScores {
    /// H.
    pub heads: usize,
    /// Causal or full, counted or not.
    pub form: Form,
}

impl Op for AttentionGradScores {
    fn name(&self) -> &'static str {
        "attention_grad_scores"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let s = Sizes::check(self.name(), reads, self.heads)?;
        Ok(self.form.with_counter(vec![Spec::float([s.b, s.h, s.t, s.t])]))
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        if self.form.counted {
            return counted::grad_scores(io, self.heads, self.form);
        }
        let s = Sizes::of(io.read_spec(0), self.heads, self.form.scaled);
        let (qkv, dout, probs, ds) = (io.f(0), io.f(1), io.f(2), io.out(0));
        let (t, d, c, row) = (s.t, s.d, s.c(), 3 * s.c());
        for (i, q, out) in s.heads() {
            let (p, ds) = (&probs[i * t * t..][..t * t], &mut ds[i * t * t..][..t * t]);
            F::gemm([t, t, d], (&dout[out..], [c, 1]), (&qkv[q + 2 * c..], [1, row]), (ds, t), Start::Zero);
            for (p, ds) in p.chunks_exact(t).zip(ds.chunks_exact_mut(t)) {
                let dot = F::dot(p, ds);
                for (ds, &p) in ds.iter_mut().zip(p) {
                    *ds = F::of(s.scale()) * p * (*ds - dot);
                }
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        s.lines("attention_grad_scores", self.form, 4)
    }
}

/// reads qkv, do, probs, ds `[B, H, T, T]`; writes dqkv `[B, T, 3C]`: `dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dO`;
/// and adds to a counter, if counted.
#[derive(Debug)]
pub struct AttentionGrad {
    /// H.
    pub heads: usize,
    /// Causal or full, counted or not.
    pub form: Form,
}

impl Op for AttentionGrad {
    fn name(&self) -> &'static str {
        "attention_grad"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        Sizes::check(self.name(), reads, self.heads)?;
        Ok(self.form.with_counter(vec![reads[0].clone()]))
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        if self.form.counted {
            return counted::grad(io, self.heads, self.form);
        }
        let s = Sizes::of(io.read_spec(0), self.heads, self.form.scaled);
        let (qkv, dout, probs, ds, dqkv) = (io.f(0), io.f(1), io.f(2), io.f(3), io.out(0));
        let (t, d, c, row) = (s.t, s.d, s.c(), 3 * s.c());
        for (i, q, out) in s.heads() {
            let (p, ds) = (&probs[i * t * t..][..t * t], &ds[i * t * t..][..t * t]);
            F::gemm([t, d, t], (ds, [t, 1]), (&qkv[q + c..], [row, 1]), (&mut dqkv[q..], row), Start::Zero);
            F::gemm([t, d, t], (ds, [1, t]), (&qkv[q..], [row, 1]), (&mut dqkv[q + c..], row), Start::Zero);
            F::gemm(
                [t, d, t],
                (p, [1, t]),
                (&dout[out..], [c, 1]),
                (&mut dqkv[q + 2 * c..], row),
                Start::Zero,
            );
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let s = Sizes::of(&reads[0], self.heads, self.form.scaled);
        let n = s.b * s.t * s.c();
        let sizes = vec![u("N", n), u("T", s.t), u("H", s.h), u("D", s.d)];
        let constants = [sizes, self.form.constants(5)].concat();
        Dispatch { shader: "attention_grad", constants, workgroups: groups(n, 64) }
    }
}
