//! A model opened for looking: its forward pass with attention written out, so that every head's queries,
//! keys, values and probabilities exist and can be read.

use gradus_core::Result;
use gradus_core::device::{Data, Device, Source};
use gradus_core::generate::Scorer;
use gradus_core::model::Params;
use gradus_core::protocol::{Attention, ModelConfig};

/// The plan of a model opened for looking, on one device.
#[derive(Debug)]
pub struct Lens {
    scorer: Scorer,
    model: ModelConfig,
    params: Params,
    context: usize,
}

/// What one forward pass over a few rows left behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// H.
    pub heads: usize,
    /// C.
    pub channels: usize,
    /// T, the row length of the maps.
    pub context: usize,
    /// Whether the model divides its scores by √D.
    pub scaled: bool,
    /// `logp[row][t] = ln p(rows[row][t + 1] | rows[row][..= t])`.
    pub logp: Vec<Vec<f32>>,
    /// Each layer's probabilities `[B, H, T, T]`.
    pub probs: Vec<Vec<f32>>,
    /// What each layer's queries, keys and values are made of: the residual stream, normalised (ln_1) `[B, T, C]`.
    pub normed: Vec<Vec<f32>>,
    /// Each layer's queries, keys and values `[B, T, 3C]`.
    pub qkv: Vec<Vec<f32>>,
    /// Each layer's mixed values `[B, T, C]`.
    pub mixed: Vec<Vec<f32>>,
}

impl Lens {
    /// Compiles the plan for `batch` rows of `context` tokens. The weights are whatever buffer `params`
    /// holds when it runs: see [`load`](Self::load).
    ///
    /// # Errors
    /// Those of [`Scorer::new`].
    pub fn new(
        device: &mut dyn Device,
        model: &ModelConfig,
        params: &Params,
        batch: usize,
        context: usize,
    ) -> Result<Self> {
        let model = ModelConfig { attention: Attention::Materialised, ..model.clone() };
        let scorer = Scorer::new(device, &model, params, batch, context)?;
        Ok(Self { scorer, model, params: params.clone(), context })
    }

    /// Puts weights (a flat buffer, laid out by [`Params`]) on the device.
    ///
    /// # Errors
    /// The device's.
    pub fn load(&self, device: &mut dyn Device, weights: &[f32]) -> Result<()> {
        device.write("params", 0, &Data::Float(weights.to_vec()))
    }

    /// The model's shape.
    pub fn model(&self) -> &ModelConfig {
        &self.model
    }

    /// Where its parameters lie.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// `result[i][t] = ln p(rows[i][t + 1] | rows[i][..= t])`, for any number of rows.
    ///
    /// # Errors
    /// Those of [`Scorer::score`].
    pub async fn score(&self, device: &mut dyn Device, rows: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
        self.scorer.score(device, rows).await
    }

    /// Runs `rows` (at most `batch`) and reads every layer. Rows shorter than the context are filled up on
    /// the right: what stands there means nothing, and nothing before it sees it. Of a row of T + 1 tokens the
    /// last is only predicted.
    ///
    /// # Errors
    /// Those of [`Scorer::score`].
    pub async fn look(&self, device: &mut dyn Device, rows: &[Vec<u32>]) -> Result<Look> {
        // The scorer takes a row's last token for a target alone; here it is looked at too.
        let fed: Vec<Vec<u32>> = rows
            .iter()
            .map(|row| if row.len() <= self.context { [row, &[0][..]].concat() } else { row.clone() })
            .collect();
        let mut logp = self.scorer.score(device, &fed).await?;
        logp.iter_mut().zip(rows).for_each(|(p, row)| p.truncate(row.len().saturating_sub(1)));
        let (mut normed, mut probs, mut qkv, mut mixed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for layer in 0..self.model.n_layer {
            for (name, into) in [
                ("ln_1", &mut normed),
                ("attn.probs", &mut probs),
                ("attn.qkv", &mut qkv),
                ("attn", &mut mixed),
            ] {
                let node = format!("block.{layer}.{name}");
                into.push(device.read(Source::Node(self.scorer.program(), node)).await?.floats());
            }
        }
        let (heads, channels, scaled) = (self.model.n_head, self.model.n_embd, self.model.scale_attn_weights);
        Ok(Look { heads, channels, context: self.context, scaled, logp, probs, normed, qkv, mixed })
    }

    /// The logits of the last [`look`](Self::look) or score, of one row's position: V numbers.
    ///
    /// # Errors
    /// The device's.
    pub async fn logits(&self, device: &mut dyn Device, row: usize, position: usize) -> Result<Vec<f32>> {
        let all = device.read(Source::Node(self.scorer.program(), "logits".into())).await?.floats();
        let width = self.model.vocab_size.next_multiple_of(4);
        Ok(all[(row * self.context + position) * width..][..self.model.vocab_size].to_vec())
    }

    /// Frees the plan and its inputs.
    pub fn release(self, device: &mut dyn Device) {
        self.scorer.release(device);
    }
}

impl Look {
    /// L.
    pub fn layers(&self) -> usize {
        self.probs.len()
    }

    /// One head's map `[T, T]`: row i is where position i looks.
    pub fn map(&self, row: usize, layer: usize, head: usize) -> &[f32] {
        let size = self.context * self.context;
        &self.probs[layer][(row * self.heads + head) * size..][..size]
    }

    /// The head's share of one position's query (0), key (1) or value (2): D numbers.
    pub fn part(&self, row: usize, layer: usize, head: usize, position: usize, third: usize) -> &[f32] {
        let d = self.channels / self.heads;
        let at = (row * self.context + position) * 3 * self.channels + third * self.channels + head * d;
        &self.qkv[layer][at..][..d]
    }

    /// The head's mix of values at one position: D numbers.
    pub fn mix(&self, row: usize, layer: usize, head: usize, position: usize) -> &[f32] {
        let d = self.channels / self.heads;
        &self.mixed[layer][(row * self.context + position) * self.channels + head * d..][..d]
    }

    /// How far a row of probabilities is from summing to 1 at most, and the largest probability beyond the
    /// diagonal, over all maps.
    pub fn faults(&self) -> (f64, f64) {
        let (t, mut off, mut beyond) = (self.context, 0.0f64, 0.0f64);
        for (line, p) in self.probs.iter().flat_map(|layer| layer.chunks_exact(t).enumerate()) {
            let (seen, unseen) = p.split_at(line % t + 1);
            off = off.max((seen.iter().map(|&p| f64::from(p)).sum::<f64>() - 1.0).abs());
            beyond = unseen.iter().fold(beyond, |a, &p| a.max(f64::from(p)));
        }
        (off, beyond)
    }
}
