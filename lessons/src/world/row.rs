//! Rows: what a model is trained on, and the entropy of a mix measured on them.

use gradus_core::rng::{Rng, Stream};

use super::World;
use super::document::Document;
use super::kind::Kind;
use super::mix::{Floor, Mix};
use super::vocabulary::EOS;

/// One row: `<eos>`, then whole documents one after another, the last one cut off.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Token ids `[T + 1]`, the first of which is `<eos>`.
    pub tokens: Vec<u32>,
    /// −ln P(`tokens[t + 1]` | `tokens[..=t]`) in nats `[T]`: exact, since the row begins where documents
    /// begin.
    pub surprisal: Vec<f32>,
    /// The kind of document that `tokens[t + 1]` belongs to `[T]`.
    pub kinds: Vec<Kind>,
}

impl World {
    /// Row number `row` of `seed`, predicting `context` tokens (T). It depends on these alone, not on
    /// other rows.
    pub fn row(&self, mix: &Mix, seed: u32, row: u32, context: usize) -> Row {
        let mut out = Row { tokens: vec![EOS], surprisal: Vec::new(), kinds: Vec::new() };
        self.pack(mix, seed, row, context, |document, n| {
            out.tokens.extend_from_slice(&document.tokens[..n]);
            out.surprisal.extend(document.probs[..n].iter().map(|p| -p.ln() as f32));
            out.kinds.resize(out.surprisal.len(), document.kind);
        });
        out
    }

    /// The tokens of [`World::row`] alone, filling `out` `[T + 1]`.
    pub fn fill_row(&self, mix: &Mix, seed: u32, row: u32, out: &mut [u32]) {
        let Some((first, rest)) = out.split_first_mut() else { return };
        *first = EOS;
        let mut at = 0;
        self.pack(mix, seed, row, rest.len(), |document, n| {
            rest[at..at + n].copy_from_slice(&document.tokens[..n]);
            at += n;
        });
    }

    /// Calls `take(document, n)` with the documents of a row and how many of their tokens belong to it.
    fn pack(&self, mix: &Mix, seed: u32, row: u32, context: usize, mut take: impl FnMut(&Document, usize)) {
        let law = self.law(mix);
        let mut rng = Rng::at(seed, Stream::World, row);
        let mut document = Document::empty();
        let mut left = context;
        while left > 0 {
            self.sample_into(&law, &mut rng, &mut document);
            let n = document.tokens.len().min(left);
            take(&document, n);
            left -= n;
        }
    }

    /// The entropy of packed rows, measured on rows 0..`rows` of `seed`. Rows are independent, so the
    /// standard error is that of a mean.
    pub fn measure_floor(&self, mix: &Mix, seed: u32, context: usize, rows: u32) -> Floor {
        let (mut sum, mut squares) = (0.0, 0.0);
        for row in 0..rows {
            let mut nats = 0.0;
            self.pack(mix, seed, row, context, |document, n| {
                // One logarithm a few tokens: their product stays far above underflow.
                nats -= document.probs[..n].chunks(16).map(|p| p.iter().product::<f64>().ln()).sum::<f64>();
            });
            let mean = nats / context.max(1) as f64;
            sum += mean;
            squares += mean * mean;
        }
        let n = f64::from(rows.max(1));
        let variance = (squares / n - (sum / n).powi(2)).max(0.0);
        Floor { context, nats: sum / n, se: (variance / n).sqrt() }
    }

    /// The stated entropy of rows of `context` tokens in nats a token: from the mix's table where it
    /// lists the context, else measured here on 20,000 rows (standard error about 0.001; takes some
    /// tenths of a second at 64 tokens).
    pub fn floor(&self, mix: &Mix, context: usize) -> Floor {
        let listed = mix.floors().iter().find(|floor| floor.context == context);
        listed.copied().unwrap_or_else(|| self.measure_floor(mix, 0, context, 20_000))
    }
}
