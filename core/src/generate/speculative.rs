//! Speculative decoding: a small model drafts, the target reads all proposals in one pass over its cache and
//! accepts or corrects them, so that the text follows the target's law and costs fewer of its calls
//! (Leviathan et al. 2022, Algorithm 1). Whole rounds run on the device; rows advance on their own.

use super::decode::check;
use super::prefill::{Prefill, Reader};
use super::tally::Tally;
use crate::device::{Data, Device, Program, Source, compile_all};
use crate::graph::{Plan, Spec, Tape, Value};
use crate::model::{DecodeInputs, Params, check_tokens};
use crate::ops::{Accept, Distribution, Propose};
use crate::protocol::{ModelConfig, SampleConfig};
use crate::rng::{Stream, threefry};
use crate::{Error, Result};

pub use round::{Drawn, Proposal, Round, Verdict};

#[path = "round.rs"]
mod round;

/// Prefix of the draft's buffers: its weights are `draft.params`. The target's are `params`.
const DRAFT: &str = "draft.";
/// Most rounds of one submission.
const TURN: usize = 64;
/// Of the tokens a round that were measured, this share is counted on: a round too many costs less than another read-back.
const CAUTION: f64 = 0.8;

/// What a speculator's plans are made for.
#[derive(Clone, Copy, Debug)]
pub struct SpeculatorShape {
    /// B, rows decoded at a time.
    pub batch: usize,
    /// K, proposals a round.
    pub proposals: usize,
    /// True for the exact rule. False draws from p after a rejection instead of norm(max(0, p − q)): wrong on
    /// purpose, to be caught by a test.
    pub residual: bool,
}

/// Two models' plans on one device: proposals, the target's pass, the verdict.
#[derive(Debug)]
pub struct Speculator {
    prefill: Prefill,
    draft: Program,
    target: Program,
    accept: Program,
    buffers: Vec<String>,
    shape: SpeculatorShape,
    positions: usize,
    vocab: usize,
    width: usize,
}

/// Continued prompts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Speculated {
    /// What was added to each prompt.
    pub answers: Vec<Vec<u32>>,
    /// What it took.
    pub tally: Tally,
}

impl Speculator {
    /// Compiles the plans for a target and a draft of any two sizes. The weights are whatever buffers `params`
    /// and `draft.params` hold when they run.
    ///
    /// # Errors
    /// [`Error::Config`] for models of different vocabularies or a batch or K out of range, and the device's
    /// errors.
    pub fn new(
        device: &mut dyn Device,
        (target, target_params): (&ModelConfig, &Params),
        (draft, draft_params): (&ModelConfig, &Params),
        shape: SpeculatorShape,
    ) -> Result<Self> {
        let SpeculatorShape { batch, proposals, residual } = shape;
        if target.vocab_size != draft.vocab_size {
            return Err(Error::Config(format!(
                "the draft's vocabulary has {} tokens and the target's {}: choose a draft that was trained with \
                 the target's tokenizer",
                draft.vocab_size, target.vocab_size
            )));
        }
        let positions = target.n_positions.min(draft.n_positions);
        if batch == 0 || proposals == 0 || proposals >= positions {
            return Err(Error::Config(format!(
                "{proposals} proposals a round (K) for {batch} rows: K must be 1 to {} (the context is \
                 {positions}), and there must be a row",
                positions.saturating_sub(1)
            )));
        }
        let target = Reader { prefix: "", caches: "speculative.", model: target, params: target_params };
        let draft =
            Reader { prefix: DRAFT, caches: "speculative.draft.", model: draft, params: draft_params };
        let width = crate::model::padded_vocab(target.model.vocab_size);
        let vocab = target.model.vocab_size;
        let slab = Accept::slab(batch, width);
        let mut buffers = std::collections::BTreeSet::new();
        let mut plan = |label: &str, build: &dyn Fn(&mut Tape, &Buffers) -> Result<()>| {
            let mut tape = Tape::new();
            let on = Buffers {
                tokens: tape.buffer("speculative.tokens", Spec::u32([batch, positions])),
                positions: tape.buffer("speculative.positions", Spec::u32([batch])),
                settings: tape.buffer("speculative.settings", Spec::u32([5])),
                q: tape.buffer("speculative.q", Spec::float([proposals, slab])),
                p: tape.buffer("speculative.p", Spec::float([batch, proposals + 1, width])),
            };
            build(&mut tape, &on)?;
            let plan = Plan::new(label, &tape, &[]);
            buffers.extend(plan.buffers.keys().filter(|b| b.starts_with("speculative.")).cloned());
            Ok(plan)
        };
        let at = |on: &Buffers, queries, offset| DecodeInputs {
            tokens: on.tokens,
            positions: on.positions,
            queries,
            offset,
        };
        let prefill = Prefill::plan("speculative.", &[target, draft], [batch, positions])?;
        let proposing = plan("speculative.draft", &|tape, on| {
            let gpt = draft.gpt(tape)?;
            for i in 0..proposals {
                let q = tape.view(&format!("q.{i}"), "speculative.q", i * slab, &[batch, 1, width])?;
                tape.scoped_as(&format!("proposal.{i}"), |tape| {
                    let logits = gpt.decode(tape, at(on, 1, i))?;
                    tape.push_into(Distribution { vocab }, &[logits, on.settings], &[q])?;
                    let propose = Propose { vocab, positions, offset: i };
                    tape.push_into(propose, &[q, on.positions, on.settings], &[on.tokens])
                })?;
            }
            // If all are accepted, the next round begins after the last: its keys and values must be there.
            tape.scoped_as("last", |tape| gpt.prefill(tape, at(on, 1, proposals)))
        })?;
        let reading = plan("speculative.target", &|tape, on| {
            let logits = target.gpt(tape)?.decode(tape, at(on, proposals + 1, 0))?;
            tape.push_into(Distribution { vocab }, &[logits, on.settings], &[on.p])
        })?;
        let accepting = plan("speculative.accept", &|tape, on| {
            let ends = tape.buffer("speculative.ends", Spec::u32([batch]));
            let counts = tape.buffer("speculative.counts", Spec::u32([batch, Accept::counts(proposals)]));
            let overlap = tape.buffer("speculative.overlap", Spec::float([batch, proposals]));
            let op = Accept { vocab, positions, proposals, residual };
            let writes = [on.tokens, on.positions, counts, overlap];
            tape.push_into(op, &[on.q, on.p, on.settings, ends], &writes)
        })?;
        let buffers = buffers.into_iter().collect();
        let plans = [prefill, proposing, reading, accepting];
        let [prefill, draft, target, accept] = compile_all(device, plans)?;
        let prefill = Prefill::new(prefill, "speculative.", positions);
        Ok(Self { prefill, draft, target, accept, buffers, shape, positions, vocab, width })
    }

    /// Continues each prompt by at most `settings.max_tokens`, ending after `stop`, or where the context is full.
    /// At temperature 0 the text is the target's own greedy text; else it is drawn from the target's law.
    ///
    /// # Errors
    /// [`Error::Config`] for prompts that are empty, too long or not of the vocabulary, settings out of range,
    /// and the device's errors.
    pub async fn run(
        &self,
        device: &mut dyn Device,
        prompts: &[Vec<u32>],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Speculated> {
        let mut all = Speculated::default();
        for (group, prompts) in prompts.chunks(self.shape.batch).enumerate() {
            self.begin(device, prompts, &of_group(settings, group as u32), stop)?;
            self.finish(device, prompts, settings.max_tokens, stop, &mut all).await?;
        }
        Ok(all)
    }

    /// Continues up to B prompts that were the last to be [`run`](Self::run), from the same weights, once more, without reading them:
    /// their keys and values still stand in the caches. With the same seed it draws the same.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_again(
        &self,
        device: &mut dyn Device,
        prompts: &[Vec<u32>],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Speculated> {
        let mut all = Speculated::default();
        let lengths = self.place(device, prompts, &of_group(settings, 0), stop)?;
        self.prefill.rewind(device, &lengths)?;
        self.finish(device, prompts, settings.max_tokens, stop, &mut all).await?;
        Ok(all)
    }

    /// Continues one prompt beyond the context too, as [`Generator::generate`](super::Generator::generate) does:
    /// when the context is full, its latter half is read anew.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn generate(
        &self,
        device: &mut dyn Device,
        prompt: &[u32],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Speculated> {
        check(prompt, settings)?;
        let mut window = prompt[prompt.len().saturating_sub(self.positions - 1)..].to_vec();
        let mut all = Speculated { answers: vec![Vec::new()], ..Speculated::default() };
        let mut seed = settings.seed;
        while all.answers[0].len() < settings.max_tokens {
            if window.len() >= self.positions {
                window.drain(..window.len() - (self.positions / 2).max(1));
            }
            let max_tokens = settings.max_tokens - all.answers[0].len();
            let turn = SampleConfig { seed, max_tokens, ..settings.clone() };
            // Each window draws from a seed of its own: its positions repeat.
            seed = seed.wrapping_add(1);
            let made = self.run(device, std::slice::from_ref(&window), &turn, stop).await?;
            all.tally.merge(&made.tally);
            for fresh in made.answers {
                all.answers[0].extend_from_slice(&fresh);
                window.extend(fresh);
            }
            if stop.is_some() && window.last() == stop.as_ref() {
                break;
            }
        }
        Ok(all)
    }

    /// Puts up to B prompts on the device, reads them, and stands ready for the first round.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn begin(
        &self,
        device: &mut dyn Device,
        prompts: &[Vec<u32>],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<()> {
        let lengths = self.place(device, prompts, settings, stop)?;
        self.prefill.run(device, &lengths)
    }

    /// Puts prompts and settings on the device, and returns the length of each of the B rows.
    fn place(
        &self,
        device: &mut dyn Device,
        prompts: &[Vec<u32>],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Vec<usize>> {
        let SpeculatorShape { batch, proposals, .. } = self.shape;
        if prompts.len() > batch {
            return Err(Error::Config(format!("{} prompts for a batch of {batch}", prompts.len())));
        }
        let words = Accept::counts(proposals);
        let mut tokens = vec![0; batch * self.positions];
        let mut ends = vec![0; batch];
        let mut lengths = vec![1; batch];
        // Rows without a prompt are done from the start.
        let mut counts = vec![0; batch * words];
        counts.iter_mut().step_by(words).for_each(|done| *done = 1);
        for (b, prompt) in prompts.iter().enumerate() {
            check(prompt, settings)?;
            if prompt.len() >= self.positions {
                return Err(Error::Config(format!(
                    "prompt {b} has {} tokens: give at most {}, so that the context has room for more",
                    prompt.len(),
                    self.positions - 1
                )));
            }
            check_tokens(format_args!("prompt {b}"), prompt, self.vocab)?;
            tokens[b * self.positions..][..prompt.len()].copy_from_slice(prompt);
            ends[b] = prompt.len().saturating_add(settings.max_tokens).min(self.positions) as u32;
            lengths[b] = prompt.len();
            counts[b * words] = u32::from(settings.max_tokens == 0);
        }
        let settings = vec![
            settings.temperature.to_bits(),
            settings.top_k,
            settings.top_p.to_bits(),
            settings.seed,
            stop.unwrap_or(u32::MAX),
        ];
        for (part, data) in [("tokens", tokens), ("settings", settings), ("ends", ends), ("counts", counts)] {
            device.write(&format!("speculative.{part}"), 0, &Data::U32(data))?;
        }
        device.write("speculative.overlap", 0, &Data::Float(vec![0.0; batch * proposals]))?;
        Ok(lengths)
    }

    async fn finish(
        &self,
        device: &mut dyn Device,
        prompts: &[Vec<u32>],
        most: usize,
        stop: Option<u32>,
        all: &mut Speculated,
    ) -> Result<()> {
        let SpeculatorShape { batch, proposals, .. } = self.shape;
        let words = Accept::counts(proposals);
        let ends: Vec<usize> =
            prompts.iter().map(|p| p.len().saturating_add(most).min(self.positions)).collect();
        let want = |b: usize| ends[b].saturating_sub(prompts[b].len());
        let mut left = (0..prompts.len()).map(want).max().unwrap_or(0);
        // Tokens a round: if all is accepted, until it is known how much is.
        let (mut rate, mut done) = ((proposals + 1) as f64, 0);
        let parts =
            [("counts", batch * words), ("overlap", batch * proposals), ("tokens", batch * self.positions)];
        let (counts, overlap, tokens) = loop {
            // As many rounds as it takes at that rate: few read-backs, and few rounds for rows that are done.
            let rounds = ((left as f64 / rate).ceil() as usize).min(TURN);
            if rounds > 0 {
                device.submit(&[self.draft, self.target, self.accept].repeat(rounds))?;
            }
            let [counts, overlap, tokens] = self.read(device, parts).await?;
            let counts = counts.integers();
            let row = |b: usize| &counts[b * words..];
            let behind =
                |b: usize| if row(b)[0] == 0 { want(b).saturating_sub(row(b)[2] as usize) } else { 0 };
            let Some(slowest) = (0..prompts.len()).max_by_key(|&b| behind(b)).filter(|&b| behind(b) > 0)
            else {
                break (counts, overlap.floats(), tokens.integers());
            };
            done += rounds;
            left = behind(slowest);
            rate = (CAUTION * f64::from(row(slowest)[2]) / done as f64).max(1.0);
        };
        for (b, prompt) in prompts.iter().enumerate() {
            let counts = &counts[b * words..][..words];
            let made = (counts[2] as usize).min(most);
            let made = &tokens[b * self.positions + prompt.len()..][..made];
            let end = stop.and_then(|s| made.iter().position(|&t| t == s)).map_or(made.len(), |at| at + 1);
            all.answers.push(made[..end].to_vec());
            all.tally.add(counts, &overlap[b * proposals..][..proposals]);
        }
        Ok(())
    }

    /// Reads so many elements of each of these buffers, in one go.
    pub(super) async fn read<const N: usize>(
        &self,
        device: &mut dyn Device,
        parts: [(&str, usize); N],
    ) -> Result<[Data; N]> {
        let source = |(part, len)| Source::Buffer(format!("speculative.{part}"), 0..len);
        let all = device.read_all(parts.map(source).into()).await?;
        all.try_into().map_err(|_| Error::Device("a reading has another number of parts".into()))
    }

    /// Frees the plans and their buffers; the weights stay.
    pub fn release(self, device: &mut dyn Device) {
        self.prefill.release(device);
        for program in [self.draft, self.target, self.accept] {
            device.release(program);
        }
        self.buffers.iter().for_each(|name| device.forget(name));
    }
}

/// The settings with the seed of this group of prompts.
fn of_group(settings: &SampleConfig, group: u32) -> SampleConfig {
    // No draw is made at this index, so the groups' seeds are apart from all draws.
    let seed = threefry([settings.seed, Stream::Accept as u32], [u32::MAX, group])[0];
    SampleConfig { seed, ..settings.clone() }
}

/// What the three plans share.
struct Buffers {
    tokens: Value,
    positions: Value,
    settings: Value,
    q: Value,
    p: Value,
}
