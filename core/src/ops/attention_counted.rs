//! The counting CPU side of materialised attention: the kernels' own loops, one load and one store at a time,
//! each told to the counter. (The device's usual matrix product caches in ways that nobody can count.)

use super::Form;
use super::attention::Sizes;
use crate::attention::Meter;
use crate::device::cpu::{Io, Real};
use std::cell::Cell;

/// Where loads and stores are counted.
#[derive(Default)]
struct Count {
    reads: Cell<usize>,
    writes: Cell<usize>,
}

impl Count {
    fn load<F: Copy>(&self, from: &[F], at: usize) -> F {
        self.reads.set(self.reads.get() + 1);
        from[at]
    }

    fn store<F>(&self, to: &mut [F], at: usize, value: F) {
        self.writes.set(self.writes.get() + 1);
        to[at] = value;
    }

    fn tell(&self, meter: &mut dyn Meter) {
        meter.read(self.reads.get());
        meter.wrote(self.writes.get());
    }

    /// The product of `n` numbers from `a` and from `b` on.
    fn dot<F: Real>(&self, (x, a): (&[F], usize), (y, b): (&[F], usize), n: usize) -> F {
        (0..n).map(|i| self.load(x, a + i) * self.load(y, b + i)).sum()
    }
}

/// `shaders/attention.wgsl`.
pub(super) fn forward<F: Real>(io: Io<'_, F>, heads: usize, form: Form) {
    form.metered(io, 2, |io, meter| {
        let s = Sizes::of(io.read_spec(0), heads, form.scaled);
        let (qkv, o, probs) = (io.f(0), io.out(0), io.out(1));
        let (t, d, c, scale, count) = (s.t, s.d, s.c(), F::of(s.scale()), Count::default());
        for (head, query, out) in s.heads() {
            for row in 0..t {
                let (line, q, seen) = ((head * t + row) * t, query + row * 3 * c, form.seen(row, t));
                let mut largest = F::neg_infinity();
                for j in 0..seen {
                    let score = scale * count.dot((qkv, q), (qkv, query + j * 3 * c + c), d);
                    count.store(probs, line + j, score);
                    largest = largest.max(score);
                }
                let mut sum = F::zero();
                for j in 0..t {
                    let e = if j < seen { (count.load(probs, line + j) - largest).expo() } else { F::zero() };
                    count.store(probs, line + j, e);
                    sum += e;
                }
                for j in 0..seen {
                    let p = count.load(probs, line + j) / sum;
                    count.store(probs, line + j, p);
                }
                for l in 0..d {
                    let value = |j: usize| count.load(qkv, query + j * 3 * c + 2 * c + l);
                    let total = (0..seen).map(|j| count.load(probs, line + j) * value(j)).sum();
                    count.store(o, out + row * c + l, total);
                }
            }
        }
        count.tell(meter);
    });
}

/// `shaders/attention_grad_scores.wgsl`.
pub(super) fn grad_scores<F: Real>(io: Io<'_, F>, heads: usize, form: Form) {
    form.metered(io, 1, |io, meter| {
        let s = Sizes::of(io.read_spec(0), heads, form.scaled);
        let (qkv, dout, probs, ds) = (io.f(0), io.f(1), io.f(2), io.out(0));
        let (t, d, c, scale, count) = (s.t, s.d, s.c(), F::of(s.scale()), Count::default());
        for (head, query, out) in s.heads() {
            for row in 0..t {
                let (line, seen) = ((head * t + row) * t, form.seen(row, t));
                let mut sum = F::zero();
                for j in 0..seen {
                    let dp = count.dot((dout, out + row * c), (qkv, query + j * 3 * c + 2 * c), d);
                    count.store(ds, line + j, dp);
                    sum += count.load(probs, line + j) * dp;
                }
                for j in 0..t {
                    let value = if j < seen {
                        scale * count.load(probs, line + j) * (count.load(ds, line + j) - sum)
                    } else {
                        F::zero()
                    };
                    count.store(ds, line + j, value);
                }
            }
        }
        count.tell(meter);
    });
}

/// `shaders/attention_grad.wgsl`.
pub(super) fn grad<F: Real>(io: Io<'_, F>, heads: usize, form: Form) {
    form.metered(io, 1, |io, meter| {
        let s = Sizes::of(io.read_spec(0), heads, form.scaled);
        let (qkv, dout, probs, ds, dqkv) = (io.f(0), io.f(1), io.f(2), io.f(3), io.out(0));
        let (t, d, c, count) = (s.t, s.d, s.c(), Count::default());
        for (head, query, out) in s.heads() {
            let pair = |i: usize, j: usize| (head * t + i) * t + j;
            for row in 0..t {
                let first = if form.causal { row } else { 0 };
                for l in 0..d {
                    let (mut dq, mut dk, mut dv) = (F::zero(), F::zero(), F::zero());
                    for j in 0..form.seen(row, t) {
                        dq += count.load(ds, pair(row, j)) * count.load(qkv, query + j * 3 * c + c + l);
                    }
                    for i in first..t {
                        dk += count.load(ds, pair(i, row)) * count.load(qkv, query + i * 3 * c + l);
                        dv += count.load(probs, pair(i, row)) * count.load(dout, out + i * c + l);
                    }
                    let at = query + row * 3 * c + l;
                    count.store(dqkv, at, dq);
                    count.store(dqkv, at + c, dk);
                    count.store(dqkv, at + 2 * c, dv);
                }
            }
        }
        count.tell(meter);
    });
}
