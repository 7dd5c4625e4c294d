//! The fixtures that `tests/golden/make_tuning.py` made with PyTorch, and what our trainer computes from the same
//! weights and rows.

use crate::golden::{close, fixtures};
use anyhow::{Context, Result, ensure};
use gradus_core::device::{Data, Device};
use gradus_core::generate::{Judge, JudgeShape};
use gradus_core::model::{Lora, ModelFolder, Params, Tensor};
use gradus_core::objective::dpo;
use gradus_core::protocol::{Schedule, TrainConfig};
use gradus_core::train::{Example, Objective, Reference, Tuner, Tuning, sft_step};
use safetensors::SafeTensors;
use serde_json::Value;

/// What PyTorch was asked about.
pub const CASES: [&str; 11] = [
    "sft-masked",
    "sft-unmasked",
    "sft-replay",
    "lora",
    "lora-odd-rank",
    "reward",
    "dpo",
    "dpo-smooth-nll",
    "dpo-lora",
    "sft-cosine-unclipped",
    "dpo-constant-smooth",
];

/// Most predictions of a row.
const CONTEXT: usize = 8;

struct Fixture {
    folder: ModelFolder,
    case: Value,
    train: Value,
    steps: Vec<Value>,
    before: Vec<Tensor>,
    after: Vec<Tensor>,
}

fn tensors(path: &std::path::Path) -> Result<Vec<Tensor>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| Tensor {
        name,
        shape: view.shape().to_vec(),
        values: view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
    };
    Ok(SafeTensors::deserialize(&bytes)?.tensors().into_iter().map(read).collect())
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).map(|x| x as u32).collect()
}

impl Fixture {
    fn open(name: &str) -> Result<Self> {
        let dir = fixtures().join("tuning").join(name);
        let mut file: Value = serde_json::from_slice(&std::fs::read(dir.join("case.json"))?)?;
        let steps = file["steps"].as_array().context("no steps")?.clone();
        let before = dir.join("before.safetensors");
        Ok(Self {
            folder: ModelFolder::read_dir(fixtures().join("l1-c16-h2-t8-v24"))?,
            case: file["case"].take(),
            train: file["train"].take(),
            steps,
            before: if before.exists() { tensors(&before)? } else { Vec::new() },
            after: tensors(&dir.join("after.safetensors"))?,
        })
    }

    fn number(&self, key: &str) -> f64 {
        self.case[key].as_f64().unwrap_or(0.0)
    }

    fn schedule(&self) -> Schedule {
        match self.train["schedule"].as_str() {
            Some("cosine") => Schedule::Cosine,
            Some("constant") => Schedule::Constant,
            _ => Schedule::Linear,
        }
    }

    fn lora(&self) -> Option<Lora> {
        let lora = self.case.get("lora")?;
        let rank = lora["rank"].as_u64()? as usize;
        Some(Lora { rank, alpha: lora["alpha"].as_f64()?, c_attn: true, c_proj: true })
    }

    fn tuning(&self, reference: Reference, accumulate: usize) -> Tuning {
        let of = |key: &str| self.train[key].as_f64().unwrap_or(f64::NAN);
        let objective = match self.case["objective"].as_str() {
            Some("sft") => Objective::Sft,
            Some("reward") => Objective::Reward,
            _ => {
                let loss = dpo::Dpo {
                    beta: self.number("beta"),
                    label_smoothing: self.number("label_smoothing"),
                    nll: self.number("nll"),
                };
                Objective::Dpo { loss, reference }
            }
        };
        let rows = (self.number("batch") + self.number("replay")) as usize;
        let train = TrainConfig {
            steps: of("steps") as u64,
            batch: rows / accumulate,
            accumulate,
            lr: of("lr"),
            warmup: of("warmup") as u64,
            schedule: self.schedule(),
            beta1: of("beta1"),
            beta2: of("beta2"),
            eps: of("eps"),
            weight_decay: of("weight_decay"),
            max_grad_norm: of("max_grad_norm"),
            ..TrainConfig::default()
        };
        Tuning {
            objective,
            train,
            context: CONTEXT,
            lora: self.lora(),
            forbidden: ids(&self.case["forbidden"]),
        }
    }

    /// The examples of a step; the reference's log-probabilities are filled in later.
    fn examples(&self, step: &Value) -> Vec<Example> {
        let rows = step["rows"].as_array().into_iter().flatten();
        let unmasked = self.case["unmasked"] == true;
        let answer = |row: &Value, key: &str| {
            let (prompt, answer) = (ids(&row["prompt"]), ids(&row[key]));
            match self.case["objective"].as_str() {
                Some("reward") => Example::scored(&[prompt, answer].concat()),
                _ if unmasked => Example::whole(&[prompt, answer].concat()),
                _ => Example::answer(&prompt, &answer),
            }
        };
        if self.case["objective"] == "sft" {
            let replay = step["replay"].as_array().into_iter().flatten();
            let replay = replay.map(|row| Example::whole(&ids(row))).collect();
            sft_step(rows.map(|r| answer(r, "completion")).collect(), replay, self.number("replay_weight"))
        } else {
            rows.flat_map(|r| [answer(r, "chosen"), answer(r, "rejected")]).collect()
        }
    }
}

/// One case of each objective, for devices that take long to build their kernels.
pub const SOME: [&str; 4] = ["sft-replay", "lora", "reward", "dpo-smooth-nll"];

/// Holds metrics, gradient norms and final weights of the fixtures `cases` against `device`, each within `tolerance`:
/// of the figure itself, or relative to it where it is above 1; relative L2 for each tensor.
///
/// # Errors
/// The first figure that is off, with its name.
pub async fn check(device: impl Fn() -> Box<dyn Device>, cases: &[&str], tolerance: f64) -> Result<()> {
    for &name in cases {
        let fixture = Fixture::open(name)?;
        let mut runs = vec![(Reference::Cached, 1)];
        if cases.len() < CASES.len() {
            runs[0].0 = Reference::Recomputed;
        } else if fixture.case["objective"] == "dpo" {
            runs.push((Reference::Recomputed, 1));
        } else if fixture.case["objective"] == "sft" && fixture.tuning(Reference::Cached, 1).train.batch == 4
        {
            // Gradients added up over micro-batches are those of the whole batch.
            runs.push((Reference::Cached, 2));
        }
        for (reference, accumulate) in runs {
            let what = format!("{name}, {reference:?}, {accumulate} micro-batches");
            let tuning = fixture.tuning(reference, accumulate);
            run(&fixture, device(), &tuning, tolerance).await.context(what)?;
        }
    }
    Ok(())
}

async fn run(fixture: &Fixture, device: Box<dyn Device>, tuning: &Tuning, tolerance: f64) -> Result<()> {
    let mut folder = fixture.folder.clone();
    if tuning.objective == Objective::Reward {
        folder.tensors.extend(fixture.before.iter().cloned());
    }
    let mut tuner = Tuner::new(device, &folder.config, tuning)?;
    tuner.open(&folder, 1)?;
    if let Some(lora) = fixture.lora() {
        let layout = lora.params(&folder.config);
        let mut flat = vec![0.0; layout.len];
        for tensor in &fixture.before {
            let entry = layout.get(&tensor.name).with_context(|| tensor.name.clone())?;
            let width = entry.padded[1];
            for (i, row) in tensor.values.chunks_exact(lora.rank).enumerate() {
                flat[entry.offset + i * width..][..lora.rank].copy_from_slice(row);
            }
        }
        tuner.device.write("lora.params", 0, &Data::Float(flat))?;
    }
    let mut steps: Vec<Vec<Example>> = fixture.steps.iter().map(|s| fixture.examples(s)).collect();
    if matches!(tuning.objective, Objective::Dpo { reference: Reference::Cached, .. }) {
        let shape = JudgeShape { prefix: "", batch: 3, context: CONTEXT, forbidden: &tuning.forbidden };
        let judge =
            Judge::log_probs(&mut *tuner.device, &folder.config, &Params::new(&folder.config), shape)?;
        for step in &mut steps {
            let given = judge.judge(&mut *tuner.device, step).await?;
            step.iter_mut().zip(given).for_each(|(example, logp)| example.first = logp);
        }
        judge.release(&mut *tuner.device);
    }
    // Seven steps, then three: cutting a run into submissions changes nothing.
    tuner.submit(&steps[..7])?;
    let mut tuned = tuner.collect().await?;
    tuner.submit(&steps[7..])?;
    tuned.extend(tuner.collect().await?);
    ensure!(tuned.len() == 10, "{} steps", tuned.len());
    for (got, want) in tuned.iter().zip(&fixture.steps) {
        for (name, want) in want["metrics"].as_object().context("no metrics")? {
            let (got_value, want) = (got.get(name), want.as_f64().context("a number")?);
            let off = (got_value - want).abs() / want.abs().max(1.0);
            ensure!(off <= tolerance, "step {}: {name} is {got_value}, PyTorch says {want}", got.step);
        }
    }
    let folder = tuner.folder(None).await?;
    for want in &fixture.after {
        let got = folder.tensors.iter().find(|t| t.name == want.name).with_context(|| want.name.clone())?;
        ensure!(got.shape == want.shape, "{} is {:?}", got.name, got.shape);
        let (mut got, mut expected) = (got.values.clone(), want.values.clone());
        // Two gradients are 0 but for rounding, and AdamW makes steps of ±lr of that rounding, which say nothing:
        // the keys' bias (softmax ignores what all keys share), and a reward model's last bias (it moves the
        // scores of a pair alike).
        if want.name.ends_with("c_attn.bias") {
            let c = got.len() / 3;
            got.drain(c..2 * c);
            expected.drain(c..2 * c);
        }
        if tuning.objective == Objective::Reward && want.name == "transformer.ln_f.bias" {
            continue;
        }
        close(&want.name, &got, &expected, tolerance)?;
    }
    tuner.into_device();
    Ok(())
}
