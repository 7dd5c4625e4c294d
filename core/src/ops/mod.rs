//! The ops. Each is one file with four obligations: shape rule, CPU implementation, vector–Jacobian
//! product, dispatch; its kernel in `shaders/` bears the same name. An op that lacks one of the four
//! does not compile. `docs/ADDING_AN_OP.md` says how to add one.

mod adamw;
mod add;
mod advance;
mod advantage;
mod attention;
mod attention_cached;
mod attention_counted;
mod batch;
mod dpo;
mod embed;
mod examples;
mod family;
mod flash_attention;
mod flash_attention_grad;
mod form;
mod grad_norm;
mod gru;
mod kl;
mod linear;
mod log_prob;
mod masked_sum;
mod mul;
mod norm;
mod ppo;
mod pretrain;
mod record;
mod reward_pair;
mod sample;
mod scale;
mod sft;
mod speculative;
mod token_stats;
mod weight_average;

pub use adamw::AdamW;
pub use add::Add;
pub use advance::{Advance, STATE_WORDS, State};
pub use advantage::{Gae, TokenRewards, Whiten};
pub use attention::{Attention, AttentionGrad, AttentionGradScores};
pub use attention_cached::{AttentionCached, KvAppend};
pub use batch::{Batch, Draw};
pub use dpo::{DPO_METRICS, Dpo};
pub use embed::{Embed, EmbedAt, EmbedGrad};
pub use examples::{Examples, example_words};
pub use family::Family;
pub use flash_attention::FlashAttention;
pub use flash_attention_grad::{FlashAttentionDelta, FlashAttentionGradKv, FlashAttentionGradQ};
pub use form::Form;
pub use grad_norm::{GRAD_NORM_PARTS, GradNorm};
pub use gru::{Gru, GruGrad, MAX_GRU_WIDTH};
pub use kl::{Entropy, Kl};
pub use linear::{Linear, LinearGradInput, LinearGradWeight};
pub use log_prob::{LogProb, LogProbGrad};
pub use masked_sum::{MaskedSum, MaskedSumGrad};
pub use mul::Mul;
pub use norm::{Norm, NormGrad, NormGradParams};
pub use ppo::{Minibatch, OLD, POLICY_METRICS, PpoPolicy, PpoValue, VALUE_METRICS};
pub use pretrain::Pretrain;
pub use record::{RING, Record};
pub use reward_pair::{REWARD_METRICS, RewardPair};
pub use sample::Sample;
pub use scale::Scale;
pub use sft::{SFT_METRICS, Sft};
pub use speculative::{Accept, Distribution, Propose};
pub use token_stats::TokenStats;
pub use weight_average::WeightAverage;

use crate::device::cpu::{Io, Real, simd};
use crate::graph::{Backward, Spec, Step};
use crate::{Error, Result};
use family::ALONE;
use std::fmt::Debug;

/// One kernel launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The file in `shaders/`, without its ending.
    pub shader: &'static str,
    /// Shape constants, declared before the kernel's text. Every one must be used by it.
    pub constants: Vec<(&'static str, Constant)>,
    /// Workgroups in x, y, z.
    pub workgroups: [u32; 3],
}

/// A constant in a kernel's header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant {
    /// `u32`.
    U(u32),
    /// `f32`.
    F(f32),
    /// `bool`.
    B(bool),
}

/// What an op must bring. `reads` and `writes` are in the order of the kernel's bindings: binding i is
/// the i-th read, then come the writes, all in group 0.
pub trait Op: Debug + Send + Sync {
    /// The op's name; the stem of its file and of its kernel.
    fn name(&self) -> &'static str;

    /// Suffixes of its outputs' names; "" for the main one.
    fn outputs(&self) -> &'static [&'static str] {
        &[""]
    }

    /// The shape rule: what it writes, from what it reads.
    fn infer(&self, reads: &[Spec]) -> Result<Vec<Spec>>;

    /// The CPU implementation, in f32 (the CPU device) and f64 (the reference). In f32 it is compiled once for
    /// each instruction set: `#[inline(always)]` on it makes its loops vector code.
    fn cpu<F: Real>(&self, io: Io<'_, F>);

    /// Appends the vector–Jacobian product.
    fn vjp(&self, back: &mut Backward<'_>, step: &Step) -> Result<()>;

    /// Its output that is the slope of its first one, element by element, if it makes one: a step after it may multiply
    /// the gradient by it in passing ([`Backward::slope`]).
    fn slope(&self) -> Option<usize> {
        None
    }

    /// Whether it writes only a part of its output, of which other steps write the rest.
    fn part(&self) -> bool {
        false
    }

    /// The kernel launch.
    fn dispatch(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch;

    /// The launch of [`Family::Threads`], where there is another kernel for it.
    fn dispatch_threads(&self, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        self.dispatch(reads, writes)
    }
}

/// [`Op`] as a trait object. Nobody implements it by hand.
pub trait DynOp: Debug + Send + Sync {
    /// See [`Op::name`].
    fn name_dyn(&self) -> &'static str;
    /// See [`Op::cpu`].
    fn cpu_f32(&self, io: Io<'_, f32>);
    /// See [`Op::cpu`].
    fn cpu_f64(&self, io: Io<'_, f64>);
    /// See [`Op::vjp`].
    fn vjp_dyn(&self, back: &mut Backward<'_>, step: &Step) -> Result<()>;
    /// See [`Op::slope`].
    fn slope_dyn(&self) -> Option<usize>;
    /// See [`Op::part`].
    fn part_dyn(&self) -> bool;
    /// See [`Op::dispatch`].
    fn dispatch_dyn(&self, family: Family, reads: &[Spec], writes: &[Spec]) -> Dispatch;
}

impl<T: Op> DynOp for T {
    fn name_dyn(&self) -> &'static str {
        self.name()
    }
    fn cpu_f32(&self, io: Io<'_, f32>) {
        simd::run(self, io);
    }
    fn cpu_f64(&self, io: Io<'_, f64>) {
        self.cpu(io);
    }
    fn vjp_dyn(&self, back: &mut Backward<'_>, step: &Step) -> Result<()> {
        self.vjp(back, step)
    }
    fn slope_dyn(&self) -> Option<usize> {
        self.slope()
    }
    fn part_dyn(&self) -> bool {
        self.part()
    }
    fn dispatch_dyn(&self, family: Family, reads: &[Spec], writes: &[Spec]) -> Dispatch {
        match family {
            Family::Threads => self.dispatch_threads(reads, writes),
            Family::Workgroups => self.dispatch(reads, writes),
        }
    }
}

/// A shape constant.
fn u(name: &'static str, value: usize) -> (&'static str, Constant) {
    (name, Constant::U(value as u32))
}

/// A real constant.
fn f(name: &'static str, value: f64) -> (&'static str, Constant) {
    (name, Constant::F(value as f32))
}

/// A switch.
fn flag(name: &'static str, value: bool) -> (&'static str, Constant) {
    (name, Constant::B(value))
}

/// Workgroups along x for `items` things, `per` of them to a group; wrapped into y beyond the limit of
/// 65,535 (kernels compute their index as `y · 65535 + x` through `lib/index.wgsl`).
pub(crate) fn groups(items: usize, per: usize) -> [u32; 3] {
    let n = items.div_ceil(per).max(1) as u32;
    if n <= 65_535 { [n, 1, 1] } else { [65_535, n.div_ceil(65_535), 1] }
}

fn expect(ok: bool, op: &str, reads: &[Spec]) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::Shape(format!("{op} cannot take the shapes {reads:?}"))) }
}

/// For ops that nothing is differentiated through.
fn no_gradient(op: &str) -> Result<()> {
    Err(Error::Graph(format!("{op} has no gradient: nothing before it can be trained through it")))
}
