//! A gated recurrent unit over a whole sequence (Cho et al. 2014, arXiv 1406.1078, §2.3), in the form of
//! cuDNN and `torch.nn.GRU`: the reset gate acts after the recurrent product. From h₀ = 0,
//!
//! ```text
//! r = σ(x_r + W_hr·h + b_hr)      z = σ(x_z + W_hz·h + b_hz)
//! n = tanh(x_n + r ∘ (W_hn·h + b_hn))      h ← (1 − z) ∘ n + z ∘ h
//! ```
//!
//! where `x = W_ih·input + b_ih` is one product for all positions and is done outside. What is left must
//! go position by position: that is what attention does away with.

use super::{Dispatch, LinearGradWeight, Op, expect, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real, Start};
use crate::graph::{Backward, Spec, Step, Value};

/// Widest layer: the gradient kernel keeps 4C numbers in 16 KiB of workgroup memory.
pub const MAX_GRU_WIDTH: usize = 1024;

/// The widest for kernels that keep four rows at a time, a vector for each of the 4C numbers.
const MOST_TOGETHER: usize = MAX_GRU_WIDTH / 4;

/// reads x `[B, T, 3C]` (reset, update, new), w `[3C, C]`, b `[3C]`; writes h `[B, T, C]` and, for the
/// gradient, gates `[B, T, 4C]`: r, z, n and `W_hn·h + b_hn`.
#[derive(Debug)]
pub struct Gru;

#[derive(Clone, Copy)]
struct Sizes {
    b: usize,
    t: usize,
    c: usize,
}

impl Sizes {
    fn constants(self) -> Vec<(&'static str, super::Constant)> {
        vec![u("T", self.t), u("C", self.c)]
    }

    /// The launch of a kernel with a row a workgroup.
    fn apart(self, shader: &'static str) -> Dispatch {
        Dispatch { shader, constants: self.constants(), workgroups: [self.b as u32, 1, 1] }
    }

    /// That of one with four, which load a number of w once, if so many fit; else of the other.
    fn together(self, four: &'static str, one: &'static str) -> Dispatch {
        if self.c > MOST_TOGETHER {
            return self.apart(one);
        }
        let mut constants = self.constants();
        constants.push(u("B", self.b));
        Dispatch { shader: four, constants, workgroups: [self.b.div_ceil(4) as u32, 1, 1] }
    }
}

fn sigmoid<F: Real>(x: F) -> F {
    F::one() / (F::one() + (-x).max(F::of(-40.0)).min(F::of(40.0)).expo())
}

/// tanh as σ, so that all devices compute the same thing.
fn tanh<F: Real>(x: F) -> F {
    F::of(2.0) * sigmoid(x + x) - F::one()
}

impl Op for Gru {
    fn name(&self) -> &'static str {
        "gru"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["", "gates"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3
            && reads[0].shape.len() == 3
            && reads[1].shape == [reads[0].last(), reads[0].last() / 3]
            && reads[2].len() == reads[0].last()
            && reads[1].last().is_multiple_of(4)
            && reads[1].last() <= MAX_GRU_WIDTH;
        expect(ok, self.name(), reads)?;
        let (b, t, c) = (reads[0].shape[0], reads[0].shape[1], reads[1].last());
        Ok(vec![Spec::float([b, t, c]), Spec::float([b, t, 4 * c])])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let Sizes { b, t, c } = sizes(io.read_spec(0));
        let (x, w, bias, h, gates) = (io.f(0), io.f(1), io.f(2), io.out(0), io.out(1));
        let mut recurrent = vec![F::zero(); b * 3 * c];
        for i in 0..t {
            recurrent.chunks_exact_mut(3 * c).for_each(|row| row.copy_from_slice(bias));
            if i > 0 {
                let before = (&h[(i - 1) * c..], [t * c, 1]);
                F::gemm([b, 3 * c, c], before, (w, [1, c]), (&mut recurrent, 3 * c), Start::Held);
            }
            for (row, from) in recurrent.chunks_exact(3 * c).enumerate() {
                let at = row * t + i;
                let (x, g) = (&x[at * 3 * c..][..3 * c], &mut gates[at * 4 * c..][..4 * c]);
                for j in 0..c {
                    let r = sigmoid(x[j] + from[j]);
                    let z = sigmoid(x[c + j] + from[c + j]);
                    let n = tanh(x[2 * c + j] + r * from[2 * c + j]);
                    let before = if i > 0 { h[(at - 1) * c + j] } else { F::zero() };
                    h[at * c + j] = n + z * (before - n);
                    (g[j], g[c + j], g[2 * c + j], g[3 * c + j]) = (r, z, n, from[2 * c + j]);
                }
            }
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let Some(dh) = back.only(step) else { return Ok(()) };
        let ([x, w, bias], [h, gates]) = (&step.reads[..], &step.writes[..]) else {
            return no_gradient(self.name());
        };
        let made = back.push_all(*x, GruGrad, &[dh, *h, *gates, *w])?;
        if let Some(dw) = back.parameter(*w) {
            let db = back.parameter(*bias);
            let op = LinearGradWeight { transposed: true, bias: db.is_some() };
            let writes: Vec<Value> = [Some(dw), db].into_iter().flatten().collect();
            back.push_into(op, &[made[2], made[1]], &writes)?;
        }
        back.set(*x, made[0])
    }

    /// One workgroup a row: it walks the positions.
    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        sizes(&reads[0]).apart("gru")
    }

    fn dispatch_threads(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        sizes(&reads[0]).together("gru_threads", "gru")
    }
}

fn sizes(x: &Spec) -> Sizes {
    Sizes { b: x.shape[0], t: x.shape[1], c: x.last() / 3 }
}

/// Backward through time: reads dh `[B, T, C]`, h `[B, T, C]`, gates `[B, T, 4C]`, w `[3C, C]`; writes the
/// gradient of x `[B, T, 3C]`, that of the recurrent product `W_hh·h + b_hh` `[B, T, 3C]`, and h one position
/// earlier `[B, T, C]`, by which the latter multiplies into the gradient of `W_hh`.
#[derive(Debug)]
pub struct GruGrad;

impl GruGrad {
    fn sizes(reads: &[Spec]) -> Sizes {
        Sizes { b: reads[0].shape[0], t: reads[0].shape[1], c: reads[0].last() }
    }
}

impl Op for GruGrad {
    fn name(&self) -> &'static str {
        "gru_grad"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["", "recurrent", "before"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 4
            && reads[0] == reads[1]
            && reads[0].shape.len() == 3
            && reads[2].len() == 4 * reads[0].len()
            && reads[3].shape == [3 * reads[0].last(), reads[0].last()];
        expect(ok, self.name(), reads)?;
        let (b, t, c) = (reads[0].shape[0], reads[0].shape[1], reads[0].last());
        let wide = Spec::float([b, t, 3 * c]);
        Ok(vec![wide.clone(), wide, reads[0].clone()])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let shape = &io.read_spec(0).shape;
        let (b, t, c) = (shape[0], shape[1], shape[2]);
        let (dh, h, gates, w) = (io.f(0), io.f(1), io.f(2), io.f(3));
        let (dx, recurrent, earlier) = (io.out(0), io.out(1), io.out(2));
        // What later positions say of h here.
        let mut carry = vec![F::zero(); b * c];
        for i in (0..t).rev() {
            for (row, carry) in carry.chunks_exact_mut(c).enumerate() {
                let at = row * t + i;
                let g = &gates[at * 4 * c..][..4 * c];
                let (dx, dr) = (&mut dx[at * 3 * c..][..3 * c], &mut recurrent[at * 3 * c..][..3 * c]);
                for j in 0..c {
                    let (r, z, n, from) = (g[j], g[c + j], g[2 * c + j], g[3 * c + j]);
                    let before = if i > 0 { h[(at - 1) * c + j] } else { F::zero() };
                    let d = dh[at * c + j] + carry[j];
                    let dn = d * (F::one() - z) * (F::one() - n * n);
                    dx[j] = dn * from * r * (F::one() - r);
                    dx[c + j] = d * (before - n) * z * (F::one() - z);
                    dx[2 * c + j] = dn;
                    (dr[j], dr[c + j], dr[2 * c + j]) = (dx[j], dx[c + j], dn * r);
                    earlier[at * c + j] = before;
                    carry[j] = d * z;
                }
            }
            let from = (&recurrent[i * 3 * c..], [t * 3 * c, 1]);
            F::gemm([b, c, 3 * c], from, (w, [c, 1]), (&mut carry, c), Start::Held);
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        Self::sizes(reads).apart("gru_grad")
    }

    fn dispatch_threads(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        Self::sizes(reads).together("gru_grad_threads", "gru_grad")
    }
}
