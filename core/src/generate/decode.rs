//! Continues a prompt. Each decoded position is one replay of one plan; many go into a submission, and the
//! device writes each sampled token where the next replay reads it. The prompt takes the same way: while a
//! position is still prompt, the sample is not written.

use crate::device::{Data, Device, Program, Source};
use crate::graph::{Plan, Spec, Tape};
use crate::model::{DecodeInputs, Gpt, Params};
use crate::ops::{self, STATE_WORDS, State};
use crate::protocol::{ModelConfig, SampleConfig};
use crate::{Error, Result};

/// Positions of one submission.
const TABLE: usize = 64;

/// The decoding plan of one model on one device.
#[derive(Debug)]
pub struct Generator {
    program: Program,
    positions: usize,
}

impl Generator {
    /// Compiles the plan. The weights are whatever buffer `params` holds when it runs.
    pub fn new(device: &mut dyn Device, model: &ModelConfig, params: &Params) -> Result<Self> {
        let mut tape = Tape::new();
        let gpt = Gpt::new(&mut tape, model, params, false)?;
        let table = tape.buffer("decode.table", Spec::u32([TABLE * STATE_WORDS]));
        let cursor = tape.buffer("decode.cursor", Spec::u32([1]));
        let state = tape.buffer("decode.state", Spec::u32([STATE_WORDS]));
        let settings = tape.buffer("decode.settings", Spec::u32([4]));
        let lengths = tape.buffer("decode.lengths", Spec::u32([1]));
        let positions = model.n_positions;
        let tokens = tape.buffer("decode.tokens", Spec::u32([1, positions]));
        tape.push_into(ops::Advance, &[table], &[state, cursor])?;
        let logits = gpt.decode(&mut tape, DecodeInputs { tokens, state })?;
        let sample = ops::Sample { vocab: gpt.vocab().0, positions };
        tape.push_into(sample, &[logits, state, settings, lengths], &[tokens])?;
        let program = device.compile(Plan::new("decode", &tape, &[]))?;
        Ok(Self { program, positions })
    }

    /// Continues `prompt` (at least one token) by at most `settings.max_tokens`, ending after `stop`. When
    /// the context is full, its latter half is read anew and the text goes on.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty prompt or settings out of range, and the device's errors.
    pub async fn generate(
        &self,
        device: &mut dyn Device,
        prompt: &[u32],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Vec<u32>> {
        check(prompt, settings)?;
        let bits = [settings.temperature.to_bits(), settings.top_k, settings.top_p.to_bits(), settings.seed];
        let room = self.positions - 1;
        let mut window = prompt[prompt.len().saturating_sub(room)..].to_vec();
        let mut made = Vec::new();
        let mut round = 0;
        while made.len() < settings.max_tokens {
            if window.len() >= self.positions {
                window.drain(..window.len() - (self.positions / 2).max(1));
            }
            // Each window of a long text draws from a seed of its own: its positions repeat.
            let seed = bits[3].wrapping_add(round);
            round += 1;
            let want = (settings.max_tokens - made.len()).min(self.positions - window.len());
            let fresh = self.window(device, &window, want, [bits[0], bits[1], bits[2], seed], stop).await?;
            made.extend_from_slice(&fresh);
            window.extend_from_slice(&fresh);
            if stop.is_some_and(|s| fresh.last() == Some(&s)) {
                break;
            }
        }
        Ok(made)
    }

    async fn window(
        &self,
        device: &mut dyn Device,
        prompt: &[u32],
        want: usize,
        settings: [u32; 4],
        stop: Option<u32>,
    ) -> Result<Vec<u32>> {
        let mut tokens = prompt.to_vec();
        tokens.resize(self.positions, 0);
        device.write("decode.tokens", 0, &Data::U32(tokens))?;
        device.write("decode.settings", 0, &Data::U32(settings.to_vec()))?;
        device.write("decode.lengths", 0, &Data::U32(vec![prompt.len() as u32]))?;
        let end = prompt.len() + want - 1;
        let mut position = 0;
        let mut fresh = Vec::new();
        while position < end {
            let now = (end - position).min(TABLE);
            let states = (position..position + now).map(|p| State { position: p as u32, ..State::default() });
            device.write("decode.table", 0, &Data::U32(states.flat_map(|s| s.words()).collect()))?;
            device.write("decode.cursor", 0, &Data::U32(vec![0]))?;
            device.submit(&vec![self.program; now])?;
            position += now;
            let done =
                device.read(Source::Buffer("decode.tokens".into(), 0..self.positions)).await?.integers();
            fresh = done[prompt.len()..=position.max(prompt.len() - 1)].to_vec();
            if let Some(at) = stop.and_then(|s| fresh.iter().position(|&t| t == s)) {
                fresh.truncate(at + 1);
                break;
            }
        }
        Ok(fresh)
    }

    /// Frees the plan.
    pub fn release(self, device: &mut dyn Device) {
        device.release(self.program);
    }
}

pub(super) fn check(prompt: &[u32], settings: &SampleConfig) -> Result<()> {
    if prompt.is_empty() {
        return Err(Error::Config("the prompt is empty: give at least one token".into()));
    }
    if !(settings.temperature >= 0.0 && settings.temperature.is_finite()) {
        return Err(Error::Config("temperature must be a number, 0 (greedy) or more".into()));
    }
    if !(settings.top_p > 0.0 && settings.top_p <= 1.0) {
        return Err(Error::Config("top_p must be above 0 and at most 1 (1 keeps all tokens)".into()));
    }
    Ok(())
}
