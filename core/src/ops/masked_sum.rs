//! A weighted sum along each row: an answer's log-probability from its tokens', a score from its last token.

use super::{Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// reads x `[B, T]` or `[B, T, S]`, weights `[B, T]`; writes y `[B]`: `y_b = Σ_t w_bt · x_bt` of x's first
/// column. The weights are constants.
#[derive(Debug)]
pub struct MaskedSum;

impl Op for MaskedSum {
    fn name(&self) -> &'static str {
        "masked_sum"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2
            && reads[1].shape.len() == 2
            && reads[0].shape.starts_with(&reads[1].shape)
            && reads[0].shape.len() <= 3;
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([reads[1].shape[0]])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (t, stride) = (io.read_spec(1).last(), io.read_spec(0).len() / io.read_spec(1).len());
        let (x, weights, y) = (io.f(0), io.f(1), io.out(0));
        for ((y, x), w) in y.iter_mut().zip(x.chunks_exact(t * stride)).zip(weights.chunks_exact(t)) {
            *y = x.iter().step_by(stride).zip(w).map(|(&x, &w)| w * x).sum();
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let Some(d) = back.only(step) else { return Ok(()) };
        let (x, weights) = (step.reads[0], step.reads[1]);
        let shape = back.tape().spec(x).shape.clone();
        let dx = back.push(x, MaskedSumGrad { shape }, &[d, weights])?;
        back.set(x, dx)
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (b, t) = (reads[1].shape[0], reads[1].shape[1]);
        let constants = vec![u("ROWS", b), u("T", t), u("STRIDE", reads[0].len() / (b * t))];
        Dispatch { shader: "masked_sum", constants, workgroups: groups(b, 1) }
    }
}

/// reads dy `[B]`, weights `[B, T]`; writes dx, shaped as x: `dx_bt = dy_b · w_bt` in its first column, 0 in
/// the others.
#[derive(Debug)]
pub struct MaskedSumGrad {
    /// x's.
    pub shape: Vec<usize>,
}

impl Op for MaskedSumGrad {
    fn name(&self) -> &'static str {
        "masked_sum_grad"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2
            && self.shape.starts_with(&reads[1].shape)
            && reads[1].shape.first() == Some(&reads[0].len());
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float(self.shape.clone())])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let (t, stride) = (io.read_spec(1).last(), io.write_spec(0).len() / io.read_spec(1).len());
        let (dy, weights, dx) = (io.f(0), io.f(1), io.out(0));
        for (i, (dx, &w)) in dx.chunks_exact_mut(stride).zip(weights).enumerate() {
            dx.fill(F::zero());
            dx[0] = dy[i / t] * w;
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let (n, t) = (writes[0].len(), reads[1].shape[1]);
        let constants = vec![u("N", n), u("T", t), u("STRIDE", n / reads[1].len())];
        Dispatch { shader: "masked_sum_grad", constants, workgroups: groups(n, 64) }
    }
}
