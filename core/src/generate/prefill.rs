//! The prompt, read in chunks before anything is decoded: keys and values of many positions in one pass.

use crate::Result;
use crate::device::{Data, Device, Program};
use crate::graph::{Plan, Spec, Tape};
use crate::model::{DecodeInputs, Gpt, Params};
use crate::protocol::ModelConfig;

/// Positions of one pass: enough that a short prompt is one, few enough that it costs little beyond its end.
const CHUNK: usize = 16;

/// A model that reads a prompt, and where its keys and values go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) prefix: &'a str,
    pub(super) caches: &'a str,
    pub(super) model: &'a ModelConfig,
    pub(super) params: &'a Params,
}

impl Reader<'_> {
    /// The model, its weights frozen, on a tape.
    pub(super) fn gpt(&self, tape: &mut Tape) -> Result<Gpt> {
        Ok(Gpt::named(tape, self.prefix, self.model, self.params, false)?.with_caches(self.caches))
    }
}

/// The plan that reads prompts, on one device. Its buffers are `{name}tokens` and `{name}positions`.
#[derive(Debug)]
pub(super) struct Prefill {
    program: Program,
    positions: String,
    chunk: usize,
}

impl Prefill {
    /// The plan for tokens `[B, P]`.
    pub(super) fn plan(name: &str, readers: &[Reader<'_>], [batch, positions]: [usize; 2]) -> Result<Plan> {
        let mut tape = Tape::new();
        let tokens = tape.buffer(&format!("{name}tokens"), Spec::u32([batch, positions]));
        let at = tape.buffer(&format!("{name}positions"), Spec::u32([batch]));
        let queries = CHUNK.min(positions);
        for reader in readers {
            let gpt = reader.gpt(&mut tape)?;
            gpt.prefill(&mut tape, DecodeInputs { tokens, positions: at, queries, offset: 0 })?;
        }
        Ok(Plan::new("prefill", &tape, &[]))
    }

    /// What [`plan`](Self::plan) was compiled to, for rows of P positions.
    pub(super) fn new(program: Program, name: &str, positions: usize) -> Self {
        Self { program, positions: format!("{name}positions"), chunk: CHUNK.min(positions) }
    }

    /// Reads prompts of these lengths (each 1 or more) out of the tokens, and leaves each row at its prompt's
    /// last token, which decoding begins with. Caches beyond a prompt hold what decoding will write over.
    pub(super) fn run(&self, device: &mut dyn Device, lengths: &[usize]) -> Result<()> {
        let longest = lengths.iter().copied().max().unwrap_or(1);
        for start in (0..longest.saturating_sub(1)).step_by(self.chunk) {
            device.write(&self.positions, 0, &Data::U32(vec![start as u32; lengths.len()]))?;
            device.submit(&[self.program])?;
        }
        self.rewind(device, lengths)
    }

    /// Leaves each row at its prompt's last token, without reading the prompts: for prompts that were read before.
    /// Decoding writes keys and values from that token on, so those before it are still the prompt's.
    pub(super) fn rewind(&self, device: &mut dyn Device, lengths: &[usize]) -> Result<()> {
        let last = lengths.iter().map(|&n| n.saturating_sub(1) as u32).collect();
        device.write(&self.positions, 0, &Data::U32(last))
    }

    pub(super) fn release(self, device: &mut dyn Device) {
        device.release(self.program);
    }
}
