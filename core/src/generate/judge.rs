//! One number for each of many given rows: an answer's log-probability under a model, or a reward model's score.

use crate::device::{Data, Device, Program, Source};
use crate::graph::{Plan, Spec, Tape};
use crate::model::{Gpt, Params, forbid};
use crate::ops::{self, STATE_WORDS, example_words};
use crate::protocol::ModelConfig;
use crate::train::Example;
use crate::{Error, Result};

/// What a judge's plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct JudgeShape<'a> {
    /// Prefix of the model's buffers, as in [`Gpt::named`].
    pub prefix: &'a str,
    /// Rows judged at a time.
    pub batch: usize,
    /// Positions of the longest row: its tokens, less one for log-probabilities.
    pub context: usize,
    /// Tokens whose probability is 0 (log-probabilities only).
    pub forbidden: &'a [u32],
}

/// A compiled plan: rows in, `Σ_t w_t · x_t` out, x being ln p of each token or the score at it.
#[derive(Debug)]
pub struct Judge {
    program: Program,
    name: String,
    buffers: Vec<String>,
    batch: usize,
    context: usize,
    vocab: usize,
}

impl Judge {
    /// Judges by the model's log-probabilities: rows of [`Example::answer`] give ln p(answer | prompt).
    ///
    /// # Errors
    /// [`Error::Config`] for rows beyond the model's context, and the device's errors.
    pub fn log_probs(
        device: &mut dyn Device,
        model: &ModelConfig,
        params: &Params,
        shape: JudgeShape<'_>,
    ) -> Result<Self> {
        Self::new(device, model, params, shape, false)
    }

    /// Judges by the model's scalar head ([`Params::scored`]): rows of [`Example::scored`] give the score at
    /// their last token.
    ///
    /// # Errors
    /// As [`log_probs`](Self::log_probs).
    pub fn scores(
        device: &mut dyn Device,
        model: &ModelConfig,
        params: &Params,
        shape: JudgeShape<'_>,
    ) -> Result<Self> {
        Self::new(device, model, params, shape, true)
    }

    fn new(
        device: &mut dyn Device,
        model: &ModelConfig,
        params: &Params,
        shape: JudgeShape<'_>,
        scores: bool,
    ) -> Result<Self> {
        let JudgeShape { prefix, batch, context, forbidden } = shape;
        if batch == 0 || context == 0 || context > model.n_positions {
            return Err(Error::Config(format!(
                "{batch} rows of {context} positions cannot be judged: the model's context is {}",
                model.n_positions
            )));
        }
        let name = format!("{prefix}judge.");
        let mut tape = Tape::new();
        let mut gpt = Gpt::named(&mut tape, prefix, model, params, false)?;
        let bias = format!("{name}bias");
        if !forbidden.is_empty() && !scores {
            let value = tape.buffer(&bias, Spec::float([gpt.vocab().1]));
            gpt = gpt.with_logit_bias(value);
        }
        // A state of zeros: the batch is the buffer's rows from the first on.
        let state = tape.buffer(&format!("{name}state"), Spec::u32([STATE_WORDS]));
        let rows = tape.buffer(&format!("{name}rows"), Spec::u32([batch * example_words(context)]));
        let parts = tape.push("examples", ops::Examples { batch, context }, &[rows, state])?;
        let x = if scores {
            gpt.scores(&mut tape, parts[0])?
        } else {
            let logits = gpt.logits(&mut tape, parts[0])?;
            tape.push("logp", ops::LogProb { vocab: gpt.vocab().0 }, &[logits, parts[1]])?[0]
        };
        tape.push1("verdict", ops::MaskedSum, &[x, parts[2]])?;
        let plan = Plan::new("judge", &tape, &["verdict"]);
        let buffers = plan.buffers.keys().filter(|b| b.starts_with(&name)).cloned().collect();
        let program = device.compile(plan)?;
        if !forbidden.is_empty() && !scores {
            device.write(&bias, 0, &Data::Float(forbid(model, forbidden)))?;
        }
        Ok(Self { program, name, buffers, batch, context, vocab: model.vocab_size })
    }

    /// The weighted sum of each row.
    ///
    /// # Errors
    /// [`Error::Config`] for rows too long or not of the vocabulary, and the device's errors.
    pub async fn judge(&self, device: &mut dyn Device, rows: &[Example]) -> Result<Vec<f32>> {
        let mut verdicts = Vec::with_capacity(rows.len());
        for group in rows.chunks(self.batch) {
            let mut words = Vec::with_capacity(self.batch * example_words(self.context));
            for row in group {
                row.write(self.context, self.vocab, &mut words)?;
            }
            device.write(&format!("{}rows", self.name), 0, &Data::U32(words))?;
            device.submit(&[self.program])?;
            let all = device.read(Source::Node(self.program, "verdict".into())).await?.floats();
            verdicts.extend_from_slice(&all[..group.len()]);
        }
        Ok(verdicts)
    }

    /// Frees the plan and its buffers; the weights stay.
    pub fn release(self, device: &mut dyn Device) {
        device.release(self.program);
        self.buffers.iter().for_each(|name| device.forget(name));
    }
}
