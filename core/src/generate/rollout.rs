//! Answers to many prompts at once: the samples that preferences and policy gradients are made of. One plan
//! decodes one position of all rows; a batch of answers is one submission, however long they are.

use super::decode::check;
use super::prefill::{Prefill, Reader};
use crate::device::{Data, Device, Program, Source, compile_all};
use crate::graph::{Plan, Spec, Tape};
use crate::model::{DecodeInputs, Params, check_tokens, forbid};
use crate::ops;
use crate::protocol::{ModelConfig, SampleConfig};
use crate::rng::{Stream, threefry};
use crate::{Error, Result};

/// What a rollout's plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct RolloutShape<'a> {
    /// Prefix of the model's buffers, as in [`Gpt::named`](crate::model::Gpt::named): `""` is the model in training.
    pub prefix: &'a str,
    /// B, rows decoded at a time.
    pub batch: usize,
    /// Tokens of the longest prompt.
    pub prompt: usize,
    /// Tokens of the longest answer.
    pub answer: usize,
    /// Tokens that are never drawn.
    pub forbidden: &'a [u32],
}

/// The plan that answers `batch` prompts at a time, compiled on one device.
#[derive(Debug)]
pub struct Rollout {
    prefill: Prefill,
    program: Program,
    /// Its buffers, and the caches.
    buffers: Vec<String>,
    name: String,
    batch: usize,
    prompt: usize,
    answer: usize,
    vocab: usize,
}

impl Rollout {
    /// Compiles the plan. The weights are whatever buffer `{prefix}params` holds when it runs; all other
    /// buffers of it begin with `{prefix}rollout.`.
    ///
    /// # Errors
    /// [`Error::Config`] where prompt and answer together exceed the model's context, and the device's errors.
    pub fn new(
        device: &mut dyn Device,
        model: &ModelConfig,
        params: &Params,
        shape: RolloutShape<'_>,
    ) -> Result<Self> {
        let RolloutShape { prefix, batch, prompt, answer, forbidden } = shape;
        let positions = prompt.saturating_add(answer);
        if batch == 0 || prompt == 0 || answer == 0 || positions > model.n_positions {
            return Err(Error::Config(format!(
                "{batch} prompts of {prompt} tokens with answers of {answer} do not fit: each must be 1 or \
                 more, and prompt and answer together at most {} (n_positions)",
                model.n_positions
            )));
        }
        let name = format!("{prefix}rollout.");
        let reader = Reader { prefix, caches: &name, model, params };
        let mut tape = Tape::new();
        let buffer = |tape: &mut Tape, part: &str, shape: &[usize]| {
            tape.buffer(&format!("{name}{part}"), Spec::u32(shape))
        };
        let mut gpt = reader.gpt(&mut tape)?;
        let at = buffer(&mut tape, "positions", &[batch]);
        let settings = buffer(&mut tape, "settings", &[4]);
        let lengths = buffer(&mut tape, "lengths", &[batch]);
        let tokens = buffer(&mut tape, "tokens", &[batch, positions]);
        let bias = format!("{name}bias");
        if !forbidden.is_empty() {
            let value = tape.buffer(&bias, Spec::float([gpt.vocab().1]));
            gpt = gpt.with_logit_bias(value);
        }
        let logits = gpt.decode(&mut tape, DecodeInputs { tokens, positions: at, queries: 1, offset: 0 })?;
        let vocab = gpt.vocab().0;
        tape.push_into(ops::Sample { vocab, positions }, &[logits, settings, lengths], &[tokens, at])?;
        let plan = Plan::new("rollout", &tape, &[]);
        let buffers = plan.buffers.keys().filter(|b| b.starts_with(&name)).cloned().collect();
        let plans = [Prefill::plan(&name, &[reader], [batch, positions])?, plan];
        let [prefill, program] = compile_all(device, plans)?;
        let prefill = Prefill::new(prefill, &name, positions);
        if !forbidden.is_empty() {
            device.write(&bias, 0, &Data::Float(forbid(model, forbidden)))?;
        }
        Ok(Self { prefill, program, buffers, name, batch, prompt, answer, vocab })
    }

    /// An answer to each prompt: at most `settings.max_tokens` tokens, ended by `stop`, which is part of it.
    /// Row i's draws depend on the seed, on i and on the position alone. After it, buffer
    /// `{prefix}rollout.tokens` `[B, prompt + answer]` still holds the last batch's rows; what follows an
    /// answer's end in it means nothing.
    ///
    /// # Errors
    /// [`Error::Config`] for prompts that are empty, too long or not of the vocabulary, settings out of
    /// range, and the device's errors.
    pub async fn run(
        &self,
        device: &mut dyn Device,
        prompts: &[Vec<u32>],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Vec<Vec<u32>>> {
        for (i, prompt) in prompts.iter().enumerate() {
            check(prompt, settings)?;
            if prompt.len() > self.prompt {
                return Err(Error::Config(format!(
                    "prompt {i} has {} tokens, and the limit is {}",
                    prompt.len(),
                    self.prompt
                )));
            }
            check_tokens(format_args!("prompt {i}"), prompt, self.vocab)?;
        }
        let most = settings.max_tokens.min(self.answer);
        let mut answers = Vec::with_capacity(prompts.len());
        for (group, prompts) in prompts.chunks(self.batch).enumerate() {
            // No draw is made at this position, so the groups' seeds are apart from all draws.
            let seed = threefry([settings.seed, Stream::Sample as u32], [u32::MAX, group as u32])[0];
            answers.extend(self.group(device, prompts, settings, seed, most, stop).await?);
        }
        Ok(answers)
    }

    async fn group(
        &self,
        device: &mut dyn Device,
        prompts: &[Vec<u32>],
        settings: &SampleConfig,
        seed: u32,
        most: usize,
        stop: Option<u32>,
    ) -> Result<Vec<Vec<u32>>> {
        let positions = self.prompt + self.answer;
        let mut tokens = vec![0; self.batch * positions];
        // Rows beyond the prompts count as all prompt: nothing is drawn there.
        let mut lengths = vec![positions as u32; self.batch];
        for (b, prompt) in prompts.iter().enumerate() {
            tokens[b * positions..][..prompt.len()].copy_from_slice(prompt);
            lengths[b] = prompt.len() as u32;
        }
        let words = vec![settings.temperature.to_bits(), settings.top_k, settings.top_p.to_bits(), seed];
        for (part, data) in [("tokens", tokens), ("lengths", lengths), ("settings", words)] {
            device.write(&self.buffer(part), 0, &Data::U32(data))?;
        }
        let begin: Vec<usize> = (0..self.batch).map(|b| prompts.get(b).map_or(1, Vec::len)).collect();
        self.prefill.run(device, &begin)?;
        device.submit(&vec![self.program; most])?;
        let source = Source::Buffer(self.buffer("tokens"), 0..self.batch * positions);
        let rows = device.read(source).await?.integers();
        let answer = |(b, prompt): (usize, &Vec<u32>)| {
            let drawn = &rows[b * positions + prompt.len()..][..most];
            let end = stop.and_then(|s| drawn.iter().position(|&t| t == s)).map_or(most, |at| at + 1);
            drawn[..end].to_vec()
        };
        Ok(prompts.iter().enumerate().map(answer).collect())
    }

    fn buffer(&self, part: &str) -> String {
        format!("{}{part}", self.name)
    }

    /// Frees the plan and its buffers; the weights stay.
    pub fn release(self, device: &mut dyn Device) {
        self.prefill.release(device);
        device.release(self.program);
        self.buffers.iter().for_each(|name| device.forget(name));
    }
}
