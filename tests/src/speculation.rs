//! Speculative decoding against the target alone: what the tests on both devices share.

use gradus_core::device::{Data, Device};
use gradus_core::generate::{Rollout, RolloutShape, Scorer, Speculated, Speculator, SpeculatorShape};
use gradus_core::model::Params;
use gradus_core::protocol::{Attention, Init, ModelConfig, SampleConfig};
use gradus_core::rng::{Rng, Stream};
use gradus_core::{Error, Result};

/// A target and a draft on one device.
pub struct Pair {
    /// The target's shape.
    pub target: ModelConfig,
    /// The draft's.
    pub draft: ModelConfig,
    /// The device.
    pub device: Box<dyn Device>,
}

/// How the draft relates to the target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draft {
    /// It is the target.
    Same,
    /// The target's weights, each off by this share.
    Noisy(f64),
    /// The target's first block alone.
    Shallow,
}

impl Pair {
    /// Random weights, as good as any for comparing two ways to draw from one model.
    ///
    /// # Errors
    /// The device's errors.
    pub fn new(mut device: Box<dyn Device>, vocab: usize, positions: usize, kind: Draft) -> Result<Self> {
        let target = ModelConfig {
            n_layer: 2,
            n_embd: 16,
            n_head: 2,
            n_positions: positions,
            vocab_size: vocab,
            scale_attn_weights: true,
            attention: Attention::Flash,
            init: Init::World,
        };
        let params = Params::new(&target);
        let mut weights = params.init(&target, 4);
        // Positions and blocks outweigh the tied embedding: else greedy text repeats its last token for ever.
        for entry in params.entries.iter().filter(|e| e.shape.len() > 1 && e.name != "transformer.wte.weight")
        {
            let scale = if entry.name == "transformer.wpe.weight" { 40.0 } else { 2.0 };
            weights[entry.offset..][..entry.len()].iter_mut().for_each(|w| *w *= scale);
        }
        let draft = match kind {
            Draft::Shallow => ModelConfig { n_layer: 1, ..target.clone() },
            _ => target.clone(),
        };
        let mut tensors = params.tensors(&weights);
        if let Draft::Noisy(share) = kind {
            let mut rng = Rng::new(5, Stream::Test);
            let values = tensors.iter_mut().flat_map(|t| &mut t.values);
            values.for_each(|w| *w *= 1.0 + (share * rng.normal()) as f32);
        }
        let drafted = Params::new(&draft).flatten(&tensors)?;
        for (name, weights) in [("params", weights), ("draft.params", drafted)] {
            device.ensure(name, &gradus_core::graph::Spec::float([weights.len()]))?;
            device.write(name, 0, &Data::Float(weights))?;
        }
        Ok(Self { target, draft, device })
    }

    /// A speculator for the pair.
    ///
    /// # Errors
    /// As [`Speculator::new`].
    pub fn speculator(&mut self, shape: SpeculatorShape) -> Result<Speculator> {
        let (target, draft) = (Params::new(&self.target), Params::new(&self.draft));
        Speculator::new(&mut *self.device, (&self.target, &target), (&self.draft, &draft), shape)
    }

    /// Continues `prompts` speculatively.
    ///
    /// # Errors
    /// As [`Speculator::run`].
    pub async fn speculate(
        &mut self,
        shape: SpeculatorShape,
        prompts: &[Vec<u32>],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Speculated> {
        let speculator = self.speculator(shape)?;
        let result = speculator.run(&mut *self.device, prompts, settings, stop).await;
        speculator.release(&mut *self.device);
        result
    }

    /// Continues `prompts` with the target alone, token by token.
    ///
    /// # Errors
    /// The device's errors.
    pub async fn plain(
        &mut self,
        batch: usize,
        prompts: &[Vec<u32>],
        settings: &SampleConfig,
        stop: Option<u32>,
    ) -> Result<Vec<Vec<u32>>> {
        let prompt = prompts.iter().map(Vec::len).max().unwrap_or(1);
        let answer = settings.max_tokens.min(self.target.n_positions - prompt);
        let shape = RolloutShape { prefix: "", batch, prompt, answer, forbidden: &[] };
        let rollout = Rollout::new(&mut *self.device, &self.target, &Params::new(&self.target), shape)?;
        let result = rollout.run(&mut *self.device, prompts, settings, stop).await;
        rollout.release(&mut *self.device);
        result
    }

    /// The target's exact probability of every continuation of `prompt` by `n` tokens, in the order of
    /// [`cell`](Self::cell).
    ///
    /// # Errors
    /// The device's errors.
    pub async fn law(&mut self, prompt: &[u32], n: u32) -> Result<Vec<f64>> {
        let vocab = self.target.vocab_size as u32;
        let cells = vocab.pow(n);
        let rows: Vec<Vec<u32>> = (0..cells)
            .map(|cell| prompt.iter().copied().chain((0..n).map(|i| cell / vocab.pow(i) % vocab)).collect())
            .collect();
        let params = Params::new(&self.target);
        let context = prompt.len() + n as usize - 1;
        let scorer = Scorer::new(&mut *self.device, &self.target, &params, 25, context)?;
        let logp = scorer.score(&mut *self.device, &rows).await?;
        scorer.release(&mut *self.device);
        let p = |row: &Vec<f32>| row[prompt.len() - 1..].iter().map(|&x| f64::from(x)).sum::<f64>().exp();
        Ok(logp.iter().map(p).collect())
    }

    /// The number of a continuation among all of its length.
    pub fn cell(&self, tokens: &[u32]) -> usize {
        tokens.iter().rev().fold(0, |cell, &t| cell * self.target.vocab_size + t as usize)
    }
}

/// `n` prompts of 1 to `longest` tokens.
pub fn prompts(n: usize, longest: usize, vocab: usize) -> Vec<Vec<u32>> {
    let mut rng = Rng::new(6, Stream::Test);
    (0..n).map(|i| (0..1 + i % longest).map(|_| rng.below(vocab as u32)).collect()).collect()
}

/// Greedy, at most this many tokens.
pub fn greedy(max_tokens: usize) -> SampleConfig {
    SampleConfig { max_tokens, temperature: 0.0, ..SampleConfig::default() }
}

/// Greedy text of both ways on `n` prompts; an error names the first that differs. Returns the acceptance.
///
/// # Errors
/// The device's errors, and [`Error::Graph`] for texts that differ or repeat themselves.
pub async fn same_greedy_text(pair: &mut Pair, n: usize, batch: usize, proposals: usize) -> Result<f64> {
    let vocab = pair.target.vocab_size;
    let prompts = prompts(n, 12, vocab);
    let settings = greedy(pair.target.n_positions - 12);
    let plain = pair.plain(batch, &prompts, &settings, None).await?;
    let shape = SpeculatorShape { batch, proposals, residual: true };
    let made = pair.speculate(shape, &prompts, &settings, None).await?;
    let different: std::collections::BTreeSet<&u32> = plain.iter().flatten().collect();
    if plain.len() != n || made.answers.len() != n || different.len() < vocab / 3 {
        return Err(Error::Graph(format!("nothing was compared: {} texts of {different:?}", plain.len())));
    }
    for (i, (a, b)) in plain.iter().zip(&made.answers).enumerate() {
        if a != b || a.len() != settings.max_tokens {
            return Err(Error::Graph(format!("prompt {i}: {a:?} without a draft, {b:?} with it")));
        }
    }
    Ok(made.tally.acceptance())
}
