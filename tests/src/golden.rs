//! The fixtures that `tests/golden/make_fixtures.py` made with PyTorch and Hugging Face transformers, and what
//! our engine computes from the same weights and tokens.

use anyhow::{Context, Result, ensure};
use gradus_core::data::{Material, RowSource, Training};
use gradus_core::device::{Data, Device, Source};
use gradus_core::generate::Scorer;
use gradus_core::model::{ModelFolder, Params};
use gradus_core::protocol::{Attention, ModelConfig, Schedule, TrainConfig};
use gradus_core::text::Tokenizer;
use gradus_core::train::Trainer;
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

/// The configurations that PyTorch was asked about.
pub const CASES: [&str; 4] =
    ["l1-c16-h2-t8-v24", "l2-c32-h4-t16-v65", "l3-c24-h3-t12-v40", "l1-c16-h2-t8-v24-unscaled"];

/// Steps of AdamW that a fixture holds.
pub(crate) const STEPS: u64 = 20;

/// What a fixture holds.
pub struct Golden {
    folder: ModelFolder,
    /// tokens `[20][B][T + 1]`.
    batches: Vec<Vec<Vec<u32>>>,
    file: Tensors,
    batch: usize,
}

/// A fixture's safetensors file.
pub(crate) struct Tensors(Vec<u8>);

impl Tensors {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Ok(Self(std::fs::read(path)?))
    }

    pub(crate) fn floats(&self, name: &str) -> Result<Vec<f32>> {
        let tensors = SafeTensors::deserialize(&self.0)?;
        let view = tensors.tensor(name).with_context(|| format!("the fixture has no {name}"))?;
        Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// tokens `[20][B][T + 1]`.
    pub(crate) fn batches(&self) -> Result<Vec<Vec<Vec<u32>>>> {
        let tensors = SafeTensors::deserialize(&self.0)?;
        let tokens = tensors.tensor("tokens")?;
        let [_, batch, width] = tokens.shape()[..] else { anyhow::bail!("tokens are not [20, B, T + 1]") };
        let all: Vec<u32> =
            tokens.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let rows: Vec<Vec<u32>> = all.chunks_exact(width).map(<[u32]>::to_vec).collect();
        Ok(rows.chunks_exact(batch).map(<[Vec<u32>]>::to_vec).collect())
    }
}

/// Where the fixtures are.
pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

impl Golden {
    /// Opens the fixture `case`, its model as transformers saved it.
    ///
    /// # Errors
    /// Files that are missing or malformed.
    pub fn open(case: &str) -> Result<Self> {
        let dir = fixtures().join(case);
        let folder = ModelFolder::read_dir(&dir)?;
        let file = Tensors::read(&dir.join("golden.safetensors"))?;
        let batches = file.batches()?;
        let batch = batches[0].len();
        Ok(Self { folder, batches, batch, file })
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>> {
        self.file.floats(name)
    }

    fn model(&self, attention: Attention) -> ModelConfig {
        ModelConfig { attention, ..self.folder.config.clone() }
    }

    fn trainer(&self, device: Box<dyn Device>, attention: Attention, train: TrainConfig) -> Result<Trainer> {
        let rows: Vec<Vec<u32>> = self.batches.iter().flatten().cloned().collect();
        let mut trainer = Trainer::new(device, &self.model(attention), &train, 0, material(Fixed(rows))?)?;
        trainer.open(&self.folder)?;
        Ok(trainer)
    }
}

/// Material whose rows are these, again and again.
pub(crate) fn material(rows: Fixed) -> Result<Material> {
    Ok(Material {
        tokenizer: Tokenizer::words(&["<eos>"])?,
        validation: rows.0[0].clone(),
        stride: rows.0[0].len(),
        training: Training::Rows(Box::new(rows)),
        floor: None,
        bigram: None,
    })
}

/// Rows in order.
pub(crate) struct Fixed(pub(crate) Vec<Vec<u32>>);

impl RowSource for Fixed {
    fn fill(&self, row: u64, out: &mut [u32]) {
        out.copy_from_slice(&self.0[row as usize % self.0.len()]);
    }
}

/// Holds every fixture's logits, gradients, twenty losses and final weights against `device`, within
/// `tolerance`: absolute for losses and logits (whose size is about 1), relative L2 for each tensor.
///
/// # Errors
/// The first figure that is off, with its name.
pub async fn check(device: impl Fn() -> Box<dyn Device>, tolerance: f64) -> Result<()> {
    for case in CASES {
        let golden = Golden::open(case)?;
        for attention in [Attention::Flash, Attention::Materialised] {
            let what = format!("{case}, {attention:?}");
            logits(&golden, device(), attention, tolerance).await.with_context(|| what.clone())?;
            gradients(&golden, device(), attention, tolerance).await.with_context(|| what.clone())?;
            losses(&golden, device(), attention, tolerance).await.with_context(|| what.clone())?;
        }
    }
    Ok(())
}

async fn logits(
    golden: &Golden,
    mut device: Box<dyn Device>,
    attention: Attention,
    tolerance: f64,
) -> Result<()> {
    let model = golden.model(attention);
    let params = Params::new(&model);
    let (v, context) = (model.vocab_size, model.n_positions);
    let scorer = Scorer::new(&mut *device, &model, &params, golden.batch, context)?;
    device.write("params", 0, &Data::Float(params.flatten(&golden.folder.tensors)?))?;
    scorer.score(&mut *device, &golden.batches[0]).await?;
    let padded = device.read(Source::Node(scorer.program(), "logits".into())).await?.floats();
    let width = padded.len() / (golden.batch * context);
    let got: Vec<f32> = padded.chunks_exact(width).flat_map(|row| row[..v].to_vec()).collect();
    let expected = golden.floats("logits")?;
    ensure!(got.len() == expected.len(), "{} logits, expected {}", got.len(), expected.len());
    for (i, (g, e)) in got.iter().zip(&expected).enumerate() {
        ensure!(f64::from((g - e).abs()) <= tolerance * 10.0, "logit {i} is {g}, expected {e}");
    }
    close("logits", &got, &expected, tolerance)
}

async fn gradients(
    golden: &Golden,
    device: Box<dyn Device>,
    attention: Attention,
    tolerance: f64,
) -> Result<()> {
    // After one step from zero moments and without a clip, m is (1 − β₁) times the gradient.
    let train = TrainConfig { max_grad_norm: 0.0, ..adamw(golden.batch) };
    let scale = 1.0 / (1.0 - train.beta1) as f32;
    let mut trainer = golden.trainer(device, attention, train)?;
    trainer.submit(1)?;
    let m = trainer.tensors().await?.m;
    for tensor in trainer.params.tensors(&m) {
        let got: Vec<f32> = tensor.values.iter().map(|m| m * scale).collect();
        close(&tensor.name, &got, &golden.floats(&format!("grad.{}", tensor.name))?, tolerance)?;
    }
    Ok(())
}

async fn losses(
    golden: &Golden,
    device: Box<dyn Device>,
    attention: Attention,
    tolerance: f64,
) -> Result<()> {
    let mut trainer = golden.trainer(device, attention, adamw(golden.batch))?;
    trainer.submit(STEPS)?;
    let measured = trainer.collect().await?;
    let expected = golden.floats("losses")?;
    ensure!(measured.len() as u64 == STEPS, "{} losses of {STEPS}", measured.len());
    for (m, e) in measured.iter().zip(expected) {
        ensure!(
            f64::from((m.loss - e).abs()) <= tolerance,
            "loss of step {} is {}, expected {e}",
            m.step,
            m.loss
        );
    }
    let params = trainer.tensors().await?.params;
    for tensor in trainer.params.tensors(&params) {
        let (mut got, mut expected) = (tensor.values, golden.floats(&format!("after.{}", tensor.name))?);
        if tensor.name.ends_with("c_attn.bias") {
            // Softmax ignores what all keys share, so the gradient of the keys' bias is 0 but for rounding, and
            // AdamW makes steps of ±lr of that rounding: its values say nothing.
            let c = got.len() / 3;
            got.drain(c..2 * c);
            expected.drain(c..2 * c);
        }
        // AdamW's steps divide by the root of tiny second moments: weights drift faster than losses.
        close(&format!("after.{}", tensor.name), &got, &expected, tolerance * 10.0)?;
    }
    Ok(())
}

/// The optimizer of `make_fixtures.py`.
pub(crate) fn adamw(batch: usize) -> TrainConfig {
    TrainConfig {
        steps: STEPS,
        batch,
        accumulate: 1,
        lr: 1e-2,
        warmup: 0,
        schedule: Schedule::Constant,
        beta1: 0.9,
        beta2: 0.98,
        eps: 1e-8,
        weight_decay: 0.1,
        max_grad_norm: 1.0,
        validate_every: 0,
        checkpoint_every: 0,
    }
}

/// Relative L2 distance within `tolerance`.
pub(crate) fn close(name: &str, got: &[f32], expected: &[f32], tolerance: f64) -> Result<()> {
    ensure!(got.len() == expected.len(), "{name}: {} values, expected {}", got.len(), expected.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let off: f64 = got.iter().zip(expected).map(|(g, e)| square(g - e)).sum::<f64>().sqrt();
    let size: f64 = expected.iter().map(|&e| square(e)).sum::<f64>().sqrt();
    // A tensor of (nearly) zeros is compared absolutely.
    let relative = off / size.max(1e-2);
    ensure!(relative <= tolerance, "{name}: relative error {relative:.2e}, allowed {tolerance:.0e}");
    Ok(())
}
