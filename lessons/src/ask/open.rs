//! A model opened on a device to be asked: its weights there, and a forward pass over a few short rows.

use super::words::softmax;
use gradus_core::device::{Data, Device, Source};
use gradus_core::generate::Scorer;
use gradus_core::model::{ModelFolder, Params};
use gradus_core::{Error, Result};

/// The weights as they were before the model was asked.
pub(super) struct Opened {
    pub(super) params: Params,
    before: Vec<f32>,
    loaded: bool,
}

impl Opened {
    /// Lays out the model's weights.
    pub(super) fn new(model: &ModelFolder) -> Result<Self> {
        if model.scored() {
            return Err(Error::Config(
                "This is a reward model: it scores answers and writes none. Ask one of the others.".into(),
            ));
        }
        let params = Params::new(&model.config);
        let before = params.flatten(&model.tensors)?;
        Ok(Self { params, before, loaded: false })
    }

    /// Puts the weights on the device, once: later plans find them as earlier ones left them. A plan of this model
    /// has to be there, for it makes the buffer.
    pub(super) fn load(&mut self, device: &mut dyn Device) -> Result<()> {
        if !self.loaded {
            device.write("params", 0, &Data::Float(self.before.clone()))?;
            self.loaded = true;
        }
        Ok(())
    }

    /// How many weights on the device differ, bit for bit, from those that were put there.
    pub(super) async fn changed(&self, device: &mut dyn Device) -> Result<u64> {
        let range = 0..self.params.len;
        let after = device.read(Source::Buffer("params".into(), range)).await?.floats();
        Ok(self.before.iter().zip(&after).filter(|(a, b)| a.to_bits() != b.to_bits()).count() as u64)
    }
}

/// An error if the model's numbers are not finite: no answer is made of them, and JSON could not carry it.
pub(super) fn finite<T: Copy + Into<f64>>(values: &[T]) -> Result<()> {
    if values.iter().all(|&v| v.into().is_finite()) {
        return Ok(());
    }
    Err(Error::Checkpoint(
        "This model computes numbers that are not finite: its weights are too large or damaged. Train it again, or open \
         another one."
            .into(),
    ))
}

/// p(next token | those before) at every place of every row: `[row][place][V]`. Rows of at most `context` tokens.
pub(super) async fn next_tokens(
    device: &mut dyn Device,
    model: &ModelFolder,
    opened: &mut Opened,
    rows: &[Vec<u32>],
) -> Result<Vec<Vec<Vec<f64>>>> {
    let longest = rows.iter().map(Vec::len).max().unwrap_or(1).max(1);
    let (batch, vocab) = (rows.len().clamp(1, 64), model.config.vocab_size);
    let scorer = Scorer::new(device, &model.config, &opened.params, batch, longest)?;
    opened.load(device)?;
    let mut out = Vec::with_capacity(rows.len());
    for group in rows.chunks(batch) {
        // The scorer takes a row's last token for a target alone; here what follows it is asked for too.
        let fed: Vec<Vec<u32>> = group.iter().map(|row| [row, &[0][..]].concat()).collect();
        scorer.score(device, &fed).await?;
        let logits = device.read(Source::Node(scorer.program(), "logits".into())).await?.floats();
        let width = logits.len() / (batch * longest);
        for (i, row) in group.iter().enumerate() {
            let at = |t: usize| &logits[(i * longest + t) * width..][..vocab];
            (0..row.len()).try_for_each(|t| finite(at(t)))?;
            out.push((0..row.len()).map(|t| softmax(at(t))).collect());
        }
    }
    scorer.release(device);
    Ok(out)
}
