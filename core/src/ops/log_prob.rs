//! ln p of the target tokens under softmax(logits).

use super::{ALONE, Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};

/// reads logits `[.., Vp]`, targets `[..]` u32; writes logp `[..]`, lse `[..]`. Columns from `vocab` on
/// are padding and count for nothing.
#[derive(Debug)]
pub struct LogProb {
    /// V.
    pub vocab: usize,
}

impl Op for LogProb {
    fn name(&self) -> &'static str {
        "log_prob"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["", "lse"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 2
            && reads[1].dtype == DType::U32
            && reads[0].rows() == reads[1].len()
            && reads[0].last() >= self.vocab;
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float(reads[1].shape.clone()); 2])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let width = io.read_spec(0).last();
        let (logits, targets, logp, lse) = (io.f(0), io.u(1), io.out(0), io.out(1));
        for (i, row) in logits.chunks_exact(width).enumerate() {
            let row = &row[..self.vocab];
            let max = F::largest(row);
            lse[i] = max + F::sum_of(row, row, |x, _| (x - max).expo()).ln();
            logp[i] = row[targets[i] as usize] - lse[i];
        }
    }

    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        let Some(d) = back.only(step) else { return Ok(()) };
        let (logits, targets, lse) = (step.reads[0], step.reads[1], step.writes[1]);
        let op = LogProbGrad { vocab: self.vocab };
        let dlogits = back.push(logits, op, &[d, logits, targets, lse])?;
        back.set(logits, dlogits)
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let constants = vec![u("ROWS", reads[0].rows()), u("WIDTH", reads[0].last()), u("V", self.vocab)];
        Dispatch { shader: "log_prob", constants, workgroups: groups(reads[0].rows(), 1) }
    }

    fn dispatch_threads(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        let mut constants = self.dispatch(reads, writes).constants;
        constants.push(u("THREADS", ALONE));
        Dispatch { shader: "log_prob_threads", constants, workgroups: groups(reads[0].rows(), ALONE) }
    }
}

/// reads dlogp `[..]`, logits `[.., Vp]`, targets, lse; writes dlogits `[.., Vp]`:
/// `dlogp · (onehot(target) − softmax(logits))`, 0 in the padding.
#[derive(Debug)]
pub struct LogProbGrad {
    /// V.
    pub vocab: usize,
}

impl Op for LogProbGrad {
    fn name(&self) -> &'static str {
        "log_prob_grad"
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        expect(reads.len() == 4 && reads[1].rows() == reads[0].len(), self.name(), reads)?;
        Ok(vec![reads[1].clone()])
    }

    #[inline(always)]
    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let width = io.read_spec(1).last();
        let (dlogp, logits, targets, lse, out) = (io.f(0), io.f(1), io.u(2), io.f(3), io.out(0));
        for (i, (row, out)) in logits.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate() {
            let (d, lse) = (dlogp[i], lse[i]);
            for (o, &x) in out[..self.vocab].iter_mut().zip(row) {
                *o = -d * (x - lse).expo();
            }
            out[targets[i] as usize] += dlogp[i];
            out[self.vocab..].fill(F::zero());
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let n = reads[1].len();
        let constants = vec![u("N", n), u("WIDTH", reads[1].last()), u("V", self.vocab)];
        Dispatch { shader: "log_prob_grad", constants, workgroups: groups(n, 256) }
    }
}
