//! Layer normalisation (Ba et al. 2016), ε = 1e-5 as in GPT-2.

use super::{ALONE, Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

const EPS: f64 = 1e-5;

/// reads x `[.., C]`, gain `[C]`, bias `[C]`; writes y `[.., C]`, mean `[rows]`, rstd `[rows]`.
#[derive(Debug)]
pub struct Norm;

impl Op for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["", "mean", "rstd"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3 && reads[1].len() == reads[0].last() && reads[2].len() == reads[0].last();
        expect(ok, self.name(), reads)?;
        let rows = reads[0].rows();
        Ok(vec![reads[0].clone(), Spec::float([rows]), Spec::float([rows])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let c = io.read_spec(0).last();
        let (x, gain, bias) = (io.f(0), io.f(1), io.f(2));
        let (y, mean, rstd) = (io.out(0), io.out(1), io.out(2));
        let n = F::of(c as f64);
        for (i, (x, y)) in x.chunks_exact(c).zip(y.chunks_exact_mut(c)).enumerate() {
            let mu = F::total(x) / n;
            let var = F::sum_of(x, x, |v, _| (v - mu) * (v - mu)) / n;
            let r = F::one() / (var + F::of(EPS)).sqrt();
            for (((y, &x), &g), &b) in y.iter_mut().zip(x).zip(gain).zip(bias) {
                *y = (x - mu) * r * g + b;
            }
            (mean[i], rstd[i]) = (mu, r);
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let [x, gain, bias] = step.reads[..] else { return no_gradient(self.name()) };
        let [_, mean, rstd] = step.writes[..] else { return no_gradient(self.name()) };
        let Some(dy) = back.only(step) else { return Ok(()) };
        if let (Some(dgain), Some(dbias)) = (back.parameter(gain), back.parameter(bias)) {
            back.push_into(NormGradParams, &[dy, x, mean, rstd], &[dgain, dbias])?;
        }
        // The residual stream's other gradient is folded in, which spares a pass over it.
        let dx = match back.take(x) {
            Some(other) => back.push(x, NormGrad { add: true }, &[dy, x, mean, rstd, gain, other])?,
            None => back.push(x, NormGrad { add: false }, &[dy, x, mean, rstd, gain])?,
        };
        back.set(x, dx)
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (rows, c) = (reads[0].rows(), reads[0].last());
        Dispatch { shader: "norm", constants: vec![u("ROWS", rows), u("C", c)], workgroups: groups(rows, 64) }
    }
}

/// reads dy, x `[.., C]`, mean, rstd `[rows]`, gain `[C]`, and if `add` another gradient `[.., C]`;
/// writes dx `[.., C]`.
#[derive(Debug)]
pub struct NormGrad {
    /// Whether another gradient of x is added.
    pub add: bool,
}

impl Op for NormGrad {
    fn name(&self) -> &'static str {
        "norm_grad"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 5 + usize::from(self.add) && reads[0].len() == reads[1].len();
        expect(ok, self.name(), reads)?;
        Ok(vec![reads[1].clone()])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let c = io.read_spec(1).last();
        let (dy, x, means, rstd, gain, dx) = (io.f(0), io.f(1), io.f(2), io.f(3), io.f(4), io.out(0));
        let n = F::of(c as f64);
        for (i, dx) in dx.chunks_exact_mut(c).enumerate() {
            let (dy, x, mu, r) = (&dy[i * c..][..c], &x[i * c..][..c], means[i], rstd[i]);
            for ((dx, &d), &g) in dx.iter_mut().zip(dy).zip(gain) {
                *dx = d * g;
            }
            let mean = F::total(dx) / n;
            let along = F::sum_of(dx, x, |d, x| d * (x - mu) * r) / n;
            for (dx, &x) in dx.iter_mut().zip(x) {
                *dx = r * (*dx - mean - (x - mu) * r * along);
            }
            if self.add {
                for (dx, &other) in dx.iter_mut().zip(&io.f(5)[i * c..][..c]) {
                    *dx += other;
                }
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (rows, c) = (reads[1].rows(), reads[1].last());
        let constants = vec![u("ROWS", rows), u("C", c)];
        let shader = if self.add { "norm_grad_add" } else { "norm_grad" };
        Dispatch { shader, constants, workgroups: groups(rows, 64) }
    }
}

/// reads dy, x `[.., C]`, mean, rstd `[rows]`; adds to dgain `[C]`, dbias `[C]`.
#[derive(Debug)]
pub struct NormGradParams;

impl Op for NormGradParams {
    fn name(&self) -> &'static str {
        "norm_grad_params"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["gain", "bias"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 4 && reads[0].len() == reads[1].len(), self.name(), reads)?;
        let c = reads[1].last();
        Ok(vec![Spec::float([c]), Spec::float([c])])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let c = io.read_spec(1).last();
        let (dy, x, mean, rstd) = (io.f(0), io.f(1), io.f(2), io.f(3));
        let (dgain, dbias) = (io.out(0), io.out(1));
        for (i, (dy, x)) in dy.chunks_exact(c).zip(x.chunks_exact(c)).enumerate() {
            let (mu, r) = (mean[i], rstd[i]);
            for (((dg, db), &d), &x) in dgain.iter_mut().zip(dbias.iter_mut()).zip(dy).zip(x) {
                *dg += d * (x - mu) * r;
                *db += d;
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (rows, c) = (reads[1].rows(), reads[1].last());
        Dispatch {
            shader: "norm_grad_params",
            constants: vec![u("ROWS", rows), u("C", c)],
            workgroups: groups(c, 8),
        }
    }

    fn dispatch_threads(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let (rows, c) = (reads[1].rows(), reads[1].last());
        let constants = vec![u("ROWS", rows), u("C", c), u("THREADS", ALONE)];
        Dispatch { shader: "norm_grad_params_threads", constants, workgroups: groups(c, ALONE) }
    }
}
