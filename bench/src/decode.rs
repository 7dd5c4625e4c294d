//! Times decoding: with the cache of keys and values, without it, and speculatively; and counts what the host reads
//! back. All three decode greedily from one prompt with the same weights, and `agrees` says whether the text is that
//! of the cached way.

use crate::counting::{Counting, ReadBacks};
use crate::{Instant, Request, open, row};
use gradus_core::device::{Data, Device, Source};
use gradus_core::generate::{Generator, Speculator, SpeculatorShape};
use gradus_core::graph::{Plan, Spec, Tape};
use gradus_core::model::{Gpt, Params};
use gradus_core::protocol::{ModelConfig, SampleConfig};
use gradus_core::{Error, Result};
use serde::Serialize;
use serde_json::Value;

/// Tokens of the prompt.
const PROMPT: usize = 8;
/// Proposals a round.
const PROPOSALS: usize = 4;

/// A row of `bench decode`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    peer: &'static str,
    device: &'a str,
    shape: &'a str,
    params: u64,
    /// `cached`, `uncached` or `speculative`.
    mode: &'static str,
    tokens: usize,
    tokens_per_second: f64,
    read_backs: u64,
    tokens_per_read_back: f64,
    /// Proposals accepted of those looked at; speculative decoding only.
    acceptance: Option<f64>,
    /// Whether the text is that of the cached way.
    agrees: bool,
    adapter: String,
}

pub(crate) async fn measure(request: &Request) -> Result<Vec<Value>> {
    let shape = &request.shape;
    let model = shape.model();
    let (device, reads) = Counting::new(open(request).await?);
    let mut device: Box<dyn Device> = Box::new(device);
    let adapter = device.name();
    let params = Params::new(&model);
    let weights = weights(&model, &params);
    // The draft is the target's first block. Both are untrained: how often it is right is stated, and says nothing of
    // trained models; what a round costs does.
    let draft = ModelConfig { n_layer: 1, ..model.clone() };
    let drafted = Params::new(&draft);
    put(&mut *device, "draft.params", drafted.flatten(&params.tensors(&weights))?)?;
    put(&mut *device, "params", weights)?;
    let prompt: Vec<u32> = (0..PROMPT as u32).map(|i| i * 7 % shape.vocab as u32).collect();
    let want = shape.context.saturating_sub(PROMPT);
    if want == 0 {
        return Err(Error::Config(format!(
            "a context of {} has no room: give more than {PROMPT}",
            shape.context
        )));
    }
    let greedy = SampleConfig { max_tokens: want, temperature: 0.0, ..SampleConfig::default() };
    let mut rows = Vec::new();
    let mut cached = None;
    let mut add = |mode, text: Vec<u32>, (seconds, read_backs): (f64, u64), acceptance| -> Result<()> {
        let agrees = cached.get_or_insert_with(|| text.clone()) == &text;
        rows.push(row(&Row {
            peer: "gradus",
            device: &request.label,
            shape: &shape.name,
            params: model.parameters(),
            mode,
            tokens: text.len(),
            tokens_per_second: text.len() as f64 / seconds,
            read_backs,
            tokens_per_read_back: text.len() as f64 / read_backs.max(1) as f64,
            acceptance,
            agrees,
            adapter: adapter.clone(),
        })?);
        Ok(())
    };

    let generator = Generator::new(&mut *device, &model, &params)?;
    generator.generate(&mut *device, &prompt, &greedy, None).await?;
    let mut timer = Timer::new(&reads);
    let mut text = Vec::new();
    for _ in 0..request.steps.max(1) {
        timer.start();
        text = generator.generate(&mut *device, &prompt, &greedy, None).await?;
        timer.stop();
    }
    generator.release(&mut *device);
    add("cached", text, timer.done(), None)?;

    let whole = Whole::new(&mut *device, &model, &params)?;
    whole.generate(&mut *device, &prompt, 1).await?;
    let mut timer = Timer::new(&reads);
    timer.start();
    let text = whole.generate(&mut *device, &prompt, want).await?;
    timer.stop();
    add("uncached", text, timer.done(), None)?;

    let of = SpeculatorShape { batch: 1, proposals: PROPOSALS, residual: true };
    let speculator = Speculator::new(&mut *device, (&model, &params), (&draft, &drafted), of)?;
    speculator.generate(&mut *device, &prompt, &greedy, None).await?;
    let mut timer = Timer::new(&reads);
    let (mut text, mut acceptance) = (Vec::new(), 0.0);
    for _ in 0..request.steps.max(1) {
        timer.start();
        let made = speculator.generate(&mut *device, &prompt, &greedy, None).await?;
        timer.stop();
        acceptance = made.tally.acceptance();
        text = made.answers.into_iter().next().unwrap_or_default();
    }
    add("speculative", text, timer.done(), Some(acceptance))?;
    Ok(rows)
}

fn put(device: &mut dyn Device, name: &str, weights: Vec<f32>) -> Result<()> {
    device.ensure(name, &Spec::float([weights.len()]))?;
    device.write(name, 0, &Data::Float(weights))
}

/// Random weights whose greedy text is not one token for ever: positions and blocks outweigh the tied embedding.
fn weights(model: &ModelConfig, params: &Params) -> Vec<f32> {
    let mut weights = params.init(model, 1);
    for entry in params.entries.iter().filter(|e| e.shape.len() > 1 && e.name != "transformer.wte.weight") {
        let scale = if entry.name == "transformer.wpe.weight" { 40.0 } else { 2.0 };
        weights[entry.offset..][..entry.len()].iter_mut().for_each(|w| *w *= scale);
    }
    weights
}

/// Seconds and read-backs of the best of several runs.
struct Timer {
    reads: ReadBacks,
    start: Option<(Instant, u64)>,
    best: (f64, u64),
}

impl Timer {
    fn new(reads: &ReadBacks) -> Self {
        Self { reads: reads.clone(), start: None, best: (f64::INFINITY, 0) }
    }

    fn start(&mut self) {
        self.start = Some((Instant::now(), self.reads.count()));
    }

    fn stop(&mut self) {
        if let Some((start, before)) = self.start.take() {
            let seconds = start.elapsed().as_secs_f64();
            if seconds < self.best.0 {
                self.best = (seconds, self.reads.count() - before);
            }
        }
    }

    fn done(self) -> (f64, u64) {
        self.best
    }
}

/// Decoding without a cache: the whole context again for each token, whose logits the host reads.
struct Whole {
    program: gradus_core::device::Program,
    positions: usize,
    vocab: [usize; 2],
}

impl Whole {
    fn new(device: &mut dyn Device, model: &ModelConfig, params: &Params) -> Result<Self> {
        let mut tape = Tape::new();
        let gpt = Gpt::new(&mut tape, model, params, false)?;
        let tokens = tape.buffer("whole.tokens", Spec::u32([1, model.n_positions]));
        gpt.logits(&mut tape, tokens)?;
        let program = device.compile(Plan::new("whole", &tape, &["logits"]))?;
        Ok(Self { program, positions: model.n_positions, vocab: gpt.vocab().into() })
    }

    /// Continues `prompt` by `want` tokens, which must fit the context.
    async fn generate(&self, device: &mut dyn Device, prompt: &[u32], want: usize) -> Result<Vec<u32>> {
        let [vocab, width] = self.vocab;
        let mut tokens = prompt.to_vec();
        while tokens.len() < prompt.len() + want {
            let mut padded = tokens.clone();
            padded.resize(self.positions, 0);
            device.write("whole.tokens", 0, &Data::U32(padded))?;
            device.submit(&[self.program])?;
            let logits = device.read(Source::Node(self.program, "logits".into())).await?.floats();
            let row = &logits[(tokens.len() - 1) * width..][..vocab];
            // The first of the largest, as the sampling op takes it.
            let next = (0..vocab).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
            tokens.push(next as u32);
        }
        Ok(tokens.split_off(prompt.len()))
    }
}
