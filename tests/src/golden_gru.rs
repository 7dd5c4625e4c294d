//! The recurrent baseline against `torch.nn.GRU`: the fixture of `tests/golden/make_gru.py`.

use crate::golden::{Fixed, STEPS, Tensors, adamw, close, fixtures, material};
use anyhow::{Result, ensure};
use gradus_core::device::{Data, Device, Source};
use gradus_core::generate::Scorer;
use gradus_core::model::{Architecture, Params, Tensor, rnn_shapes};
use gradus_core::protocol::{ModelConfig, TrainConfig};
use gradus_core::train::{Trainer, TrainerTensors};

const CASE: &str = "gru-l2-c12-t10-v22";

fn model() -> ModelConfig {
    ModelConfig {
        n_layer: 2,
        n_embd: 12,
        n_head: 1,
        n_positions: 10,
        vocab_size: 22,
        attention: Default::default(),
        scale_attn_weights: true,
        init: Default::default(),
    }
}

fn weights(file: &Tensors, params: &Params) -> Result<Vec<f32>> {
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let values = file.floats(&format!("weight.{name}"))?;
        Ok(Tensor { name, shape, values })
    };
    Ok(params.flatten(&rnn_shapes(&model()).into_iter().map(tensor).collect::<Result<Vec<_>>>()?)?)
}

fn trainer(file: &Tensors, device: Box<dyn Device>, train: &TrainConfig) -> Result<Trainer> {
    let rows = Fixed(file.batches()?.concat());
    let mut trainer = Trainer::of(Architecture::Gru, device, &model(), train, 0, material(rows)?)?;
    let params = weights(file, &trainer.params)?;
    let zeros = vec![0.0; params.len()];
    trainer.restore(0, TrainerTensors { params, m: zeros.clone(), v: zeros })?;
    Ok(trainer)
}

/// Holds logits, gradients, twenty losses and final weights against `device`, within `tolerance`.
///
/// # Errors
/// The first figure that is off, with its name.
pub async fn check(open: impl Fn() -> Box<dyn Device>, tolerance: f64) -> Result<()> {
    let file = Tensors::read(&fixtures().join(CASE).join("golden.safetensors"))?;
    let batches = file.batches()?;
    let (mut device, model) = (open(), model());
    let params = Params::recurrent(&model);
    let (rows, context) = (batches[0].len(), model.n_positions);
    let scorer = Scorer::of(Architecture::Gru, &mut *device, &model, &params, rows, context)?;
    device.write("params", 0, &Data::Float(weights(&file, &params)?))?;
    scorer.score(&mut *device, &batches[0]).await?;
    let padded = device.read(Source::Node(scorer.program(), "logits".into())).await?.floats();
    let width = padded.len() / (rows * context);
    let got: Vec<f32> = padded.chunks_exact(width).flat_map(|row| row[..model.vocab_size].to_vec()).collect();
    close("logits", &got, &file.floats("logits")?, tolerance)?;

    // After one step from zero moments and without a clip, m is (1 − β₁) times the gradient.
    let train = TrainConfig { max_grad_norm: 0.0, ..adamw(rows) };
    let mut one = trainer(&file, open(), &train)?;
    one.submit(1)?;
    let m = one.tensors().await?.m;
    for tensor in one.params.tensors(&m) {
        let got: Vec<f32> = tensor.values.iter().map(|m| m / (1.0 - train.beta1) as f32).collect();
        close(&tensor.name, &got, &file.floats(&format!("grad.{}", tensor.name))?, tolerance)?;
    }

    let mut all = trainer(&file, open(), &adamw(rows))?;
    all.submit(STEPS)?;
    for (m, e) in all.collect().await?.iter().zip(file.floats("losses")?) {
        let off = f64::from((m.loss - e).abs());
        ensure!(off <= tolerance, "loss of step {} is {}, expected {e}", m.step, m.loss);
    }
    ensure!(all.step() == STEPS, "{} steps of {STEPS}", all.step());
    let params = all.tensors().await?.params;
    for tensor in all.params.tensors(&params) {
        let expected = file.floats(&format!("after.{}", tensor.name))?;
        close(&format!("after.{}", tensor.name), &tensor.values, &expected, tolerance * 10.0)?;
    }
    Ok(())
}
