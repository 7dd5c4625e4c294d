//! What metrics say of each predicted token: entropy, whether the likeliest token was right, mean logit.

use super::{Dispatch, Op, expect, groups, no_gradient, u};
use crate::Result;
use crate::device::cpu::{Io, Real};
use crate::graph::{Backward, DType, Spec, Step};

/// A logit below this belongs to a forbidden token ([`forbid`](crate::model::forbid)).
const FORBIDDEN_BELOW: f64 = -5e3;

/// reads logits `[.., Vp]`, lse `[..]`, targets `[..]` u32; writes, all `[..]`, entropy (nats), hit (1 where
/// the target is the likeliest token, the first of equals; else 0), mean (of the logits of tokens that are
/// not forbidden). Columns from `vocab` on are padding.
#[derive(Debug)]
pub struct TokenStats {
    /// V.
    pub vocab: usize,
}

impl Op for TokenStats {
    fn name(&self) -> &'static str {
        "token_stats"
    }

    fn outputs(&self) -> &'static [&'static str] {
        &["entropy", "hit", "mean"]
    }

    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>> {
        let ok = reads.len() == 3
            && reads[2].dtype == DType::U32
            && reads[0].rows() == reads[1].len()
            && reads[1].len() == reads[2].len()
            && reads[0].last() >= self.vocab;
        expect(ok, self.name(), reads)?;
        Ok(vec![Spec::float(reads[1].shape.clone()); 3])
    }

    fn cpu<F: Real>(&self, mut io: Io<'_, F>) {
        let width = io.read_spec(0).last();
        let (logits, lse, targets) = (io.f(0), io.f(1), io.u(2));
        let (entropy, hit, mean) = (io.out(0), io.out(1), io.out(2));
        for (i, row) in logits.chunks_exact(width).enumerate() {
            let (row, target) = (&row[..self.vocab], targets[i] as usize);
            entropy[i] = row.iter().map(|&x| (x - lse[i]).expo() * (lse[i] - x)).sum();
            let own = row[target];
            let beaten = row.iter().enumerate().any(|(j, &x)| x > own || (x == own && j < target));
            hit[i] = if beaten { F::zero() } else { F::one() };
            let allowed = row.iter().copied().filter(|&x| x > F::of(FORBIDDEN_BELOW));
            let (sum, count) = allowed.fold((F::zero(), F::zero()), |(s, n), x| (s + x, n + F::one()));
            mean[i] = sum / count.max(F::one());
        }
    }

    fn vjp(&self, _: &mut Backward<'_>, _: &Step) -> Result<()> {
        no_gradient(self.name())
    }

    fn dispatch(&self, reads: &[Spec], _: &[Spec]) -> Dispatch {
        let rows = reads[1].len();
        let constants = vec![u("ROWS", rows), u("WIDTH", reads[0].last()), u("V", self.vocab)];
        Dispatch { shader: "token_stats", constants, workgroups: groups(rows, 1) }
    }
}
