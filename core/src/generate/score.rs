//! ln p of given tokens, row by row.

use crate::device::{Data, Device, Program, Source};
use crate::graph::{Plan, Spec, Tape};
use crate::model::{Architecture, Params, check_tokens};
use crate::ops;
use crate::protocol::ModelConfig;
use crate::{Error, Result};

/// A forward plan for rows of one length at most.
#[derive(Debug)]
pub struct Scorer {
    program: Program,
    batch: usize,
    context: usize,
    vocab: usize,
}

impl Scorer {
    /// Compiles a plan for `batch` rows of `context` predicted tokens. All its nodes can be read by name.
    pub fn new(
        device: &mut dyn Device,
        model: &ModelConfig,
        params: &Params,
        batch: usize,
        context: usize,
    ) -> Result<Self> {
        Self::of(Architecture::Gpt2, device, model, params, batch, context)
    }

    /// As [`new`](Self::new), for a model of either kind.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(
        architecture: Architecture,
        device: &mut dyn Device,
        model: &ModelConfig,
        params: &Params,
        batch: usize,
        context: usize,
    ) -> Result<Self> {
        if context > model.n_positions {
            return Err(Error::Config(format!(
                "a row of {} tokens is too long: the model's context is {} (n_positions)",
                context + 1,
                model.n_positions
            )));
        }
        let mut tape = Tape::new();
        let network = architecture.network(&mut tape, model, params, false)?;
        let tokens = tape.buffer("score.tokens", Spec::u32([batch, context]));
        let targets = tape.buffer("score.targets", Spec::u32([batch, context]));
        let logits = network.logits(&mut tape, tokens)?;
        tape.push("logp", ops::LogProb { vocab: network.vocab().0 }, &[logits, targets])?;
        let program = device.compile(Plan::probing("score", &tape))?;
        Ok(Self { program, batch, context, vocab: network.vocab().0 })
    }

    /// The program, for reading nodes after [`score`](Self::score).
    pub fn program(&self) -> Program {
        self.program
    }

    /// `result[i][t] = ln p(rows[i][t + 1] | rows[i][..= t])`.
    ///
    /// # Errors
    /// [`Error::Config`] for a row that is too long or names a token beyond the vocabulary.
    pub async fn score(&self, device: &mut dyn Device, rows: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        for (i, row) in rows.iter().enumerate() {
            if row.len() > self.context + 1 {
                let most = self.context + 1;
                return Err(Error::Config(format!("row {i} has {} tokens, the limit is {most}", row.len())));
            }
            check_tokens(format_args!("row {i}"), row, self.vocab)?;
        }
        let mut out = Vec::with_capacity(rows.len());
        for group in rows.chunks(self.batch) {
            // Rows are padded on the right: causal attention never looks there.
            let mut tokens = vec![0; self.batch * self.context];
            let mut targets = tokens.clone();
            for (i, row) in group.iter().enumerate() {
                let n = row.len().saturating_sub(1);
                tokens[i * self.context..][..n].copy_from_slice(&row[..n]);
                targets[i * self.context..][..n].copy_from_slice(&row[row.len() - n..]);
            }
            device.write("score.tokens", 0, &Data::U32(tokens))?;
            device.write("score.targets", 0, &Data::U32(targets))?;
            device.submit(&[self.program])?;
            let logp = device.read(Source::Node(self.program, "logp".into())).await?.floats();
            for (i, row) in group.iter().enumerate() {
                out.push(logp[i * self.context..][..row.len().saturating_sub(1)].to_vec());
            }
        }
        Ok(out)
    }

    /// Frees the plan and its inputs.
    pub fn release(self, device: &mut dyn Device) {
        device.release(self.program);
        device.forget("score.tokens");
        device.forget("score.targets");
    }
}
