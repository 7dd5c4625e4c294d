//! AdamW over the whole flat parameter buffer in one dispatch (Loshchilov & Hutter 2017, arXiv
//! 1711.05101, algorithm 2; arithmetic in PyTorch's order), with the clip by global norm folded in.

use super::{
    ALONE, Constant, Dispatch, GRAD_NORM_PARTS, Op, STATE_WORDS, State, expect, f, groups, no_gradient, u,
};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, Spec, Step};

/// reads state `[16]` u32, parts `[64]`; updates params, m, v `[n]`, and zeroes grads `[n]` for the next
/// step. Parameters are laid out matrices first: only elements below `decayed` decay.
#[derive(Clone, Debug)]
pub struct AdamW {
    /// n, with padding.
    pub len: usize,
    /// Elements that decay: all matrices.
    pub decayed: usize,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Norm above which gradients are scaled down; 0 means never.
    pub max_grad_norm: f64,
}

impl Op for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["params", "m", "v", "grads"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2 && reads[0].len() == STATE_WORDS && reads[1].len() == GRAD_NORM_PARTS;
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float([self.len]); 4])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let state = State::from_words(io.u(0));
        let norm = io.f(1).iter().copied().sum::<F>().sqrt();
        let clip = match self.max_grad_norm {
            0.0 => F::one(),
            max => (F::of(max) / (norm + F::of(1e-6))).min(F::one()),
        };
        let (params, m, v, grads) = (io.out(0), io.out(1), io.out(2), io.out(3));
        let lr = F::of(f64::from(state.lr));
        let rate = lr / F::of(f64::from(state.correction1));
        let root = F::of(f64::from(state.correction2));
        let (b1, b2, eps) = (F::of(self.beta1), F::of(self.beta2), F::of(self.eps));
        let decayed = F::one() - lr * F::of(self.weight_decay);
        for (part, decay) in [(0..self.decayed, decayed), (self.decayed..self.len, F::one())] {
            let (m, v, grads) = (&mut m[part.clone()], &mut v[part.clone()], &mut grads[part.clone()]);
            for (((p, m), v), grad) in params[part].iter_mut().zip(m).zip(v).zip(grads) {
                let g = *grad * clip;
                *m += (F::one() - b1) * (g - *m);
                *v = b2 * *v + (F::one() - b2) * g * g;
                *p = *p * decay - rate * *m / (v.sqrt() / root + eps);
                *grad = F::zero();
            }
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, _: &[Spec], _: &[Spec]) -> Dispatch {
        Dispatch { shader: "adamw", constants: self.constants(), workgroups: groups(self.len, 1024) }
    }

    fn dispatch_threads(&self, _: &[Spec], _: &[Spec]) -> Dispatch {
        let mut constants = self.constants();
        constants.extend([u("THREADS", ALONE), u("SPAN", SPAN)]);
        Dispatch { shader: "adamw_threads", constants, workgroups: groups(self.len, ALONE * SPAN) }
    }
}

/// Parameters of a thread that works alone, and so has to find the gradient's norm by itself.
const SPAN: usize = 256;

impl AdamW {
    fn constants(&self) -> Vec<(&'static str, Constant)> {
        vec![
            u("N", self.len),
            u("DECAYED", self.decayed),
            f("BETA1", self.beta1),
            f("BETA2", self.beta2),
            f("EPS", self.eps),
            f("WEIGHT_DECAY", self.weight_decay),
            f("MAX_GRAD_NORM", self.max_grad_norm),
        ]
    }
}
