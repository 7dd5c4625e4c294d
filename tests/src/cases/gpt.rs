//! A whole training step of a small GPT-2: what no op tested alone can show — gradients that meet, a tied
//! embedding, slots that are used again.

use super::{Case, build::Build};
use gradus_core::Result;
use gradus_core::graph::{Spec, Tape, Value};
use gradus_core::ops::{Attention, Embed, FlashAttention, Linear, LogProb, Norm, Pretrain};

/// Which attention the blocks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// With its `[T, T]` matrix.
    Materialised,
    /// Tile by tile.
    Flash,
}

/// A GPT-2 (pre-LN, learned positions, tied head).
#[derive(Clone, Copy, Debug)]
pub struct Gpt {
    /// B.
    pub batch: usize,
    /// T.
    pub context: usize,
    /// C.
    pub channels: usize,
    /// H.
    pub heads: usize,
    /// L.
    pub layers: usize,
    /// V.
    pub vocab: usize,
    /// Rows of the embedding: V and padding.
    pub padded: usize,
    /// The form of attention.
    pub attention: Heads,
    /// The share of one micro-batch in the loss.
    pub scale: f64,
}

/// What [`Gpt::forward`] leaves on the tape.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// ln p of the targets `[B, T]`.
    pub logp: Value,
    /// The loss's gradient in logp `[B, T]`.
    pub seed: Value,
}

impl Gpt {
    /// Two blocks, ragged sizes, two micro-batches a step.
    pub fn small(attention: Heads) -> Self {
        Self {
            batch: 2,
            context: 5,
            channels: 12,
            heads: 2,
            layers: 2,
            vocab: 11,
            padded: 12,
            attention,
            scale: 0.5,
        }
    }

    /// Names and shapes of all parameters.
    pub fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let c = self.channels;
        let mut list =
            vec![("wte".to_string(), vec![self.padded, c]), ("wpe".into(), vec![self.context + 3, c])];
        for l in 0..self.layers {
            let shapes: [(&str, &[usize]); 12] = [
                ("ln1.gain", &[c]),
                ("ln1.bias", &[c]),
                ("qkv.w", &[c, 3 * c]),
                ("qkv.b", &[3 * c]),
                ("proj.w", &[c, c]),
                ("proj.b", &[c]),
                ("ln2.gain", &[c]),
                ("ln2.bias", &[c]),
                ("up.w", &[c, 4 * c]),
                ("up.b", &[4 * c]),
                ("down.w", &[4 * c, c]),
                ("down.b", &[c]),
            ];
            list.extend(shapes.map(|(name, shape)| (format!("block.{l}.{name}"), shape.to_vec())));
        }
        list.extend([("ln.gain".into(), vec![c]), ("ln.bias".into(), vec![c])]);
        list
    }

    /// Where each parameter begins in `params`, and the length of `params`.
    pub fn layout(&self) -> (Vec<usize>, usize) {
        let mut end = 0;
        let offsets = self
            .parameters()
            .iter()
            .map(|(_, shape)| {
                let at = end;
                end += shape.iter().product::<usize>().next_multiple_of(64);
                at
            })
            .collect();
        (offsets, end)
    }

    /// Records the forward pass and the loss. Buffers: `params`, `grads`, `tokens`, `targets`, `loss`, `seed`.
    pub fn forward(&self, tape: &mut Tape) -> Result<Ends> {
        let (offsets, len) = self.layout();
        tape.buffer("params", Spec::float([len]));
        tape.buffer("grads", Spec::float([len]));
        for ((name, shape), offset) in self.parameters().iter().zip(offsets) {
            tape.parameter(name, ["params", "grads"], offset, shape)?;
        }
        let ids = Spec::u32([self.batch, self.context]);
        let (tokens, targets) = (tape.buffer("tokens", ids.clone()), tape.buffer("targets", ids));
        let loss = tape.buffer("loss", Spec::float([1]));
        let seed = tape.buffer("seed", Spec::float([self.batch, self.context]));
        let p = |tape: &Tape, name: &str| tape.find(name).expect("all parameters are declared above");

        let (wte, wpe) = (p(tape, "wte"), p(tape, "wpe"));
        let mut x = tape.push1("embed", Embed, &[tokens, wte, wpe])?;
        let bias = Linear { bias: true, ..Linear::default() };
        let (onto, gelu) = (Linear { residual: true, ..bias }, Linear { gelu: true, ..bias });
        for l in 0..self.layers {
            let of = |tape: &Tape, part: &str| p(tape, &format!("block.{l}.{part}"));
            let name = |part: &str| format!("block.{l}.{part}");
            let reads = [x, of(tape, "ln1.gain"), of(tape, "ln1.bias")];
            let y = tape.push1(&name("norm1"), Norm, &reads)?;
            let reads = [y, of(tape, "qkv.w"), of(tape, "qkv.b")];
            let qkv = tape.push1(&name("qkv"), bias, &reads)?;
            let heads = self.heads;
            let o = match self.attention {
                Heads::Materialised => {
                    tape.push(&name("attn"), Attention { heads, scaled: true }, &[qkv])?[0]
                }
                Heads::Flash => tape.push(&name("attn"), FlashAttention { heads, scaled: true }, &[qkv])?[0],
            };
            let reads = [o, of(tape, "proj.w"), of(tape, "proj.b"), x];
            x = tape.push1(&name("proj"), onto, &reads)?;
            let reads = [x, of(tape, "ln2.gain"), of(tape, "ln2.bias")];
            let y = tape.push1(&name("norm2"), Norm, &reads)?;
            let reads = [y, of(tape, "up.w"), of(tape, "up.b")];
            let y = tape.push(&name("up"), gelu, &reads)?[0];
            let reads = [y, of(tape, "down.w"), of(tape, "down.b"), x];
            x = tape.push1(&name("down"), onto, &reads)?;
        }
        let reads = [x, p(tape, "ln.gain"), p(tape, "ln.bias")];
        let y = tape.push("norm", Norm, &reads)?[0];
        let tied = Linear { transposed: true, ..Linear::default() };
        let logits = tape.push1("logits", tied, &[y, wte])?;
        let logp = tape.push("logp", LogProb { vocab: self.vocab }, &[logits, targets])?[0];
        tape.push_into(Pretrain { scale: self.scale }, &[logp], &[loss, seed])?;
        Ok(Ends { logp, seed })
    }

    /// The forward pass and the gradient pass, whose gradients are added to `grads`.
    pub fn step(&self, tape: &mut Tape) -> Result<()> {
        let ends = self.forward(tape)?;
        tape.backward(&[(ends.logp, ends.seed)])?;
        Ok(())
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for attention in [Heads::Materialised, Heads::Flash] {
        let small = Gpt::small(attention);
        let larger = Gpt { context: 33, channels: 40, heads: 2, vocab: 50, padded: 52, ..small };
        cases.extend([case(small), case(larger)]);
    }
    cases
}

/// The case of one whole step: logits, ln p, loss and every gradient.
pub(super) fn case(gpt: Gpt) -> Case {
    let name = format!("gpt {:?} T={} C={}", gpt.attention, gpt.context, gpt.channels);
    let mut tape = Tape::new();
    gpt.step(&mut tape).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut inputs = Build::new(name.clone());
    let len = gpt.layout().1;
    inputs.scaled("params", &[len], 0.25);
    inputs.random("grads", &[len]);
    inputs.random("loss", &[1]);
    let shape = [gpt.batch, gpt.context];
    inputs.random("seed", &shape);
    inputs.tokens("tokens", &shape, gpt.vocab);
    inputs.tokens("targets", &shape, gpt.vocab);
    inputs.with_tape(tape, &["logits", "logp"])
}
