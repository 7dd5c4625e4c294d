//! Continues a prompt. The prompt is read in chunks; then each decoded position is one replay of one plan. Many
//! go into a submission, and the device writes each sampled token where the next replay reads it.

use super::prefill::{Prefill, Reader};
use crate::device::{Data, Device, Program, Source, compile_all};
use crate::graph::{Plan, Spec, Tape};
use crate::model::{DecodeInputs, Params};
use crate::ops;
use crate::protocol::{ModelConfig, SampleConfig};
use crate::{Error, Result};

/// Most positions of one submission: a stop token is noticed after it.
const TURN: usize = 64;

/// The decoding plan of one model on one device.
#[derive(Debug)]
pub struct Generator {
    prefill: Prefill,
    program: Program,
    /// Its buffers, and the caches.
    buffers: Vec<String>,
    positions: usize,
}

impl Generator {
    /// Compiles the plan. The weights are whatever buffer `params` holds when it runs.
    pub fn new(device: &mut dyn Device, model: &ModelConfig, params: &Params) -> Result<Self> {
        let positions = model.n_positions;
        let reader = Reader { prefix: "", caches: "", model, params };
        let mut tape = Tape::new();
        let gpt = reader.gpt(&mut tape)?;
        let at = tape.buffer("decode.positions", Spec::u32([1]));
        let settings = tape.buffer("decode.settings", Spec::u32([4]));
        let lengths = tape.buffer("decode.lengths", Spec::u32([1]));
        let tokens = tape.buffer("decode.tokens", Spec::u32([1, positions]));
        let logits = gpt.decode(&mut tape, DecodeInputs { tokens, positions: at, queries: 1, offset: 0 })?;
        let sample = ops::Sample { vocab: gpt.vocab().0, positions };
        tape.push_into(sample, &[logits, settings, lengths], &[tokens, at])?;
        let plan = Plan::new("decode", &tape, &[]);
        let own = |name: &&String| name.starts_with("decode.") || name.starts_with("kv.");
        let buffers = plan.buffers.keys().filter(own).cloned().collect();
        let plans = [Prefill::plan("decode.", &[reader], [1, positions])?, plan];
        let [prefill, program] = compile_all(device, plans)?;
        Ok(Self { prefill: Prefill::new(prefill, "decode.", positions), program, buffers, positions })
    }

    /// Continues `prompt` (at least one token) by at most `settings.max_tokens`, ending after `stop`. When
    /// the context is full, its latter half is read anew and the text goes on.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty prompt, settings out of range or a model whose context has no room for a
    /// second token, and the device's errors.
    pub async fn generate(
        &self,
        device: &mut dyn Device,
        prompt: &[u32],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Vec<u32>> {
        check(prompt, settings)?;
        if self.positions < 2 {
            return Err(Error::Config(
                "a model with a context of 1 (n_positions) cannot write: a prompt of one token fills it. Choose a \
                 context of 2 or more"
                    .into(),
            ));
        }
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
        self.prefill.run(device, &[prompt.len()])?;
        let mut fresh = Vec::new();
        while fresh.len() < want {
            let now = (want - fresh.len()).min(TURN);
            device.submit(&vec![self.program; now])?;
            let range = prompt.len()..prompt.len() + fresh.len() + now;
            fresh = device.read(Source::Buffer("decode.tokens".into(), range)).await?.integers();
            if let Some(at) = stop.and_then(|s| fresh.iter().position(|&t| t == s)) {
                fresh.truncate(at + 1);
                break;
            }
        }
        Ok(fresh)
    }

    /// Frees the plan and its buffers; the weights stay.
    pub fn release(self, device: &mut dyn Device) {
        self.prefill.release(device);
        device.release(self.program);
        self.buffers.iter().for_each(|name| device.forget(name));
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
