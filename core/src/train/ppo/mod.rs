//! PPO against a reward model: four models on one device. An iteration draws answers, lets the four models
//! judge them, turns that into advantages, and updates policy and value model in epochs of minibatches. The
//! formulas are in [`crate::objective::ppo`].
//!
//! | model | begins as | learns |
//! |---|---|---|
//! | policy | the fine-tuned model | yes |
//! | value | the reward model | yes |
//! | reference | the fine-tuned model | no |
//! | reward | the reward model | no |

mod config;
mod plans;
mod report;

pub use config::PpoConfig;
pub use report::{Answer, Iteration, RARE, TokenNumbers, Update};

use super::learning_rate;
use super::plans::{step_state, update_plan};
use crate::device::{Data, Device, Program, Source};
use crate::generate::{Rollout, RolloutShape};
use crate::model::{ModelFolder, Params, Tensor, forbid};
use crate::ops::{POLICY_METRICS, RING, State, VALUE_METRICS};
use crate::protocol::SampleConfig;
use crate::rng::{Rng, Stream, threefry};
use crate::{Error, Result};
use plans::{Layout, POLICY, REFERENCE, REWARD, Sizes, VALUE, policy_plan, score_plan, value_plan};
use serde::{Deserialize, Serialize};

/// What one of the four models takes, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelBytes {
    /// `policy`, `value`, `reference` or `reward`.
    pub name: String,
    /// Its weights.
    pub weights: u64,
    /// Its gradients and AdamW's two moments; 0 where it does not learn.
    pub training: u64,
}

/// PPO under way.
pub struct Ppo {
    device: Box<dyn Device>,
    config: PpoConfig,
    policy: ModelFolder,
    layout: Layout,
    seed: u32,
    iteration: u64,
    /// Mean and deviation of the first iteration's scores.
    norm: Option<[f32; 2]>,
    rollout: Rollout,
    score: Program,
    /// Gradients and AdamW of the policy, then of the value model.
    update: [Program; 4],
}

impl Ppo {
    /// Builds and compiles the plans and sets the weights: policy and reference from `policy`, value and
    /// reward model from `reward`, whose tensors hold `score.weight`.
    ///
    /// # Errors
    /// [`Error::Config`] for settings out of range or models that do not fit each other, and the device's errors.
    pub fn new(
        mut device: Box<dyn Device>,
        policy: &ModelFolder,
        reward: &ModelFolder,
        config: &PpoConfig,
        seed: u32,
    ) -> Result<Self> {
        config.check(policy.config.vocab_size)?;
        let row = config.prompt_length.saturating_add(config.response_length);
        let sizes = Sizes { batch: config.train.batch, row };
        if sizes.row > policy.config.n_positions.min(reward.config.n_positions) {
            return Err(Error::Config(format!(
                "prompts of {} and answers of {} tokens do not fit the models' contexts of {} and {} (n_positions): \
                 shorten them",
                config.prompt_length,
                config.response_length,
                policy.config.n_positions,
                reward.config.n_positions
            )));
        }
        if policy.config.vocab_size != reward.config.vocab_size {
            return Err(Error::Config("policy and reward model have different vocabularies".into()));
        }
        if !reward.tensors.iter().any(|t| t.name == "score.weight") {
            return Err(Error::Config("the reward model has no score.weight: it is no reward model".into()));
        }
        let layout = Layout {
            policy_params: Params::new(&policy.config),
            critic_params: Params::scored(&reward.config),
            policy: policy.config.clone(),
            critic: reward.config.clone(),
        };
        let shape = RolloutShape {
            prefix: POLICY,
            batch: sizes.batch,
            prompt: config.prompt_length,
            answer: config.response_length,
            forbidden: &config.forbidden,
        };
        let rollout = Rollout::new(&mut *device, &layout.policy, &layout.policy_params, shape)?;
        let score = device.compile(score_plan(config, &layout, sizes)?)?;
        let train = &config.train;
        let update = [
            policy_plan(config, &layout, sizes)?,
            update_plan(POLICY, train, &layout.policy_params, POLICY_METRICS)?,
            value_plan(config, &layout, sizes)?,
            update_plan(VALUE, train, &layout.critic_params, VALUE_METRICS)?,
        ];
        let [a, b, c, d] = update;
        let update = [device.compile(a)?, device.compile(b)?, device.compile(c)?, device.compile(d)?];
        let models = [
            (POLICY, layout.policy_params.flatten(&policy.tensors)?),
            (REFERENCE, layout.policy_params.flatten(&policy.tensors)?),
            (VALUE, layout.critic_params.flatten(&reward.tensors)?),
            (REWARD, layout.critic_params.flatten(&reward.tensors)?),
        ];
        for (prefix, weights) in models {
            device.write(&format!("{prefix}params"), 0, &Data::Float(weights))?;
        }
        device.write("ppo.bias", 0, &Data::Float(forbid(&layout.policy, &config.forbidden)))?;
        device.write("ppo.norm", 0, &Data::Float(vec![0.0, 1.0]))?;
        let (config, policy) = (config.clone(), policy.clone());
        Ok(Self { device, config, policy, layout, seed, iteration: 0, norm: None, rollout, score, update })
    }

    /// Bytes of policy, value, reference and reward model. Activations come on top: see
    /// [`Device::bytes`] for all that the device holds.
    pub fn models(&self) -> [ModelBytes; 4] {
        let bytes = |name: &str, params: &Params, learns: bool| {
            let weights = params.len as u64 * 4;
            ModelBytes { name: name.into(), weights, training: if learns { 3 * weights } else { 0 } }
        };
        let (policy, critic) = (&self.layout.policy_params, &self.layout.critic_params);
        [
            bytes("policy", policy, true),
            bytes("value", critic, true),
            bytes("reference", policy, false),
            bytes("reward", critic, false),
        ]
    }

    /// All bytes that the device holds.
    pub fn bytes(&self) -> u64 {
        self.device.bytes()
    }

    /// Draws an answer to each of `prompts` (as many as the batch) and learns from them.
    ///
    /// # Errors
    /// [`Error::Config`] for another number of prompts, or prompts that are empty, too long or not of the
    /// vocabulary; [`Error::Diverged`] if a loss is not a number; and the device's errors.
    pub async fn iterate(&mut self, prompts: &[Vec<u32>]) -> Result<Iteration> {
        if prompts.len() != self.config.train.batch {
            let batch = self.config.train.batch;
            return Err(Error::Config(format!("{} prompts for a batch of {batch}", prompts.len())));
        }
        let [word, _] = threefry([self.seed, Stream::Batch as u32], [u32::MAX, self.iteration as u32]);
        let settings = SampleConfig {
            max_tokens: self.config.response_length,
            temperature: self.config.temperature,
            seed: word,
            ..SampleConfig::default()
        };
        let stop = Some(self.config.stop);
        let answers = self.rollout.run(&mut *self.device, prompts, &settings, stop).await?;
        self.learn(prompts, &answers).await
    }

    /// Learns from given answers to `prompts`, as if the policy had drawn them now.
    ///
    /// # Errors
    /// As [`iterate`](Self::iterate); also for answers that are empty or too long.
    pub async fn learn(&mut self, prompts: &[Vec<u32>], answers: &[Vec<u32>]) -> Result<Iteration> {
        let rows = self.rows(prompts, answers)?;
        self.supply(prompts, answers, &rows)?;
        if self.config.standardise && self.norm.is_none() {
            self.standardise(prompts, answers).await?;
        }
        self.device.submit(&[self.score])?;
        self.iteration += 1;
        let (first, updates) = self.submit(&rows)?;
        let answers = self.judged(prompts, answers).await?;
        let updates = self.updates(first, updates).await?;
        for u in &updates {
            if !(u.policy_loss.is_finite() && u.value_loss.is_finite()) {
                let loss = format!("{} (policy), {} (value)", u.policy_loss, u.value_loss);
                return Err(Error::Diverged { step: self.iteration, loss, good: self.iteration - 1 });
            }
        }
        let lr = learning_rate(&self.config.train, self.iteration);
        Ok(Iteration::of(&self.config, self.iteration, answers, updates, lr))
    }

    /// The policy as it stands.
    pub async fn folder(&mut self) -> Result<ModelFolder> {
        let flat = self.buffer("policy.params", self.layout.policy_params.len).await?;
        let tensors = self.layout.policy_params.tensors(&flat);
        Ok(ModelFolder { tensors, trainer: None, ..self.policy.clone() })
    }

    /// The value model's tensors as they stand.
    pub async fn value_tensors(&mut self) -> Result<Vec<Tensor>> {
        let flat = self.buffer("value.params", self.layout.critic_params.len).await?;
        Ok(self.layout.critic_params.tensors(&flat))
    }

    /// Takes the device out, everything on it freed.
    pub fn into_device(mut self) -> Box<dyn Device> {
        self.device.clear();
        self.device
    }

    fn width(&self) -> usize {
        self.config.prompt_length + self.config.response_length
    }

    /// Prompt and answer together, `[T + 1]`, the rest 0.
    fn rows(&self, prompts: &[Vec<u32>], answers: &[Vec<u32>]) -> Result<Vec<Vec<u32>>> {
        let batch = self.config.train.batch;
        if prompts.len() != batch || answers.len() != batch {
            return Err(Error::Config(format!("a batch is {batch} prompts and as many answers")));
        }
        let (prompt_length, vocab) = (self.config.prompt_length, self.layout.policy.vocab_size);
        let row = |(prompt, answer): (&Vec<u32>, &Vec<u32>)| {
            let sizes = (1..=prompt_length).contains(&prompt.len())
                && (1..=self.config.response_length).contains(&answer.len());
            if !sizes || prompt.iter().chain(answer).any(|&t| t as usize >= vocab) {
                return Err(Error::Config(format!(
                    "a prompt of {} tokens with an answer of {} does not fit: prompts have 1 to {prompt_length} \
                     tokens, answers 1 to {}, all below {vocab}",
                    prompt.len(),
                    answer.len(),
                    self.config.response_length
                )));
            }
            let mut row = [prompt.as_slice(), answer].concat();
            row.resize(self.width() + 1, 0);
            Ok(row)
        };
        prompts.iter().zip(answers).map(row).collect()
    }

    /// Uploads the answers for the four models.
    fn supply(&mut self, prompts: &[Vec<u32>], answers: &[Vec<u32>], rows: &[Vec<u32>]) -> Result<()> {
        let t = self.width();
        let tokens = rows.iter().flat_map(|r| r[..t].iter().copied()).collect();
        let targets = rows.iter().flat_map(|r| r[1..].iter().copied()).collect();
        let mut mask = vec![0.0; rows.len() * t];
        for (i, (prompt, answer)) in prompts.iter().zip(answers).enumerate() {
            mask[i * t + prompt.len() - 1..][..answer.len()].fill(1.0);
        }
        self.device.write("ppo.tokens", 0, &Data::U32(tokens))?;
        self.device.write("ppo.targets", 0, &Data::U32(targets))?;
        self.device.write("ppo.mask", 0, &Data::Float(mask))
    }

    /// Sets the scores' mean and deviation by these answers, and brings the value model to the same scale.
    async fn standardise(&mut self, prompts: &[Vec<u32>], answers: &[Vec<u32>]) -> Result<()> {
        self.device.submit(&[self.score])?;
        let all = self.node("reward.scores").await?;
        let (n, t) = (prompts.len(), self.width());
        let last = |(i, (p, a)): (usize, (&Vec<u32>, &Vec<u32>))| {
            all[(i * t + p.len() + a.len() - 1) * (all.len() / (n * t))]
        };
        let scores: Vec<f64> = prompts.iter().zip(answers).enumerate().map(last).map(f64::from).collect();
        let mean = scores.iter().sum::<f64>() / n as f64;
        let squares: f64 = scores.iter().map(|s| (s - mean).powi(2)).sum();
        let deviation = (squares / (n as f64 - 1.0).max(1.0)).sqrt().max(1e-6);
        let norm = [mean as f32, deviation as f32];
        self.device.write("ppo.norm", 0, &Data::Float(norm.to_vec()))?;
        self.norm = Some(norm);

        let params = &self.layout.critic_params;
        let flat = self.device.read(Source::Buffer("value.params".into(), 0..params.len)).await?.floats();
        let mut tensors = params.tensors(&flat);
        rescale(&mut tensors, mean, deviation);
        self.device.write("value.params", 0, &Data::Float(params.flatten(&tensors)?))
    }

    /// Submits all updates of the iteration. Returns the first one's number, and how many there are.
    fn submit(&mut self, rows: &[Vec<u32>]) -> Result<(u64, u64)> {
        let (epochs, parts) = (self.config.num_ppo_epochs, self.config.num_mini_batches);
        let mut rng = Rng::at(self.seed, Stream::Batch, self.iteration as u32);
        let mut order = Vec::with_capacity(epochs * rows.len());
        for _ in 0..epochs {
            let mut epoch: Vec<u32> = (0..rows.len() as u32).collect();
            rng.shuffle(&mut epoch);
            order.extend(epoch);
        }
        let corpus = order.iter().flat_map(|&i| rows[i as usize].iter().copied()).collect();
        let count = (epochs * parts) as u64;
        let first = (self.iteration - 1) * count + 1;
        let train = &self.config.train;
        // The rate goes by iterations, all else by updates.
        let state = |i: u64| State {
            seed: self.seed,
            lr: learning_rate(train, self.iteration) as f32,
            row: (i as usize * (rows.len() / parts)) as u32,
            ..step_state(train, first + i)
        };
        let table = (0..count).flat_map(|i| state(i).words()).collect();
        self.device.write("ppo.order", 0, &Data::U32(order))?;
        self.device.write("ppo.corpus", 0, &Data::U32(corpus))?;
        self.device.write("table", 0, &Data::U32(table))?;
        self.device.write("cursor", 0, &Data::U32(vec![0]))?;
        self.device.submit(&self.update.repeat(count as usize))?;
        Ok((first, count))
    }

    /// What the models said of each token.
    async fn judged(&mut self, prompts: &[Vec<u32>], answers: &[Vec<u32>]) -> Result<Vec<Answer>> {
        let (n, t) = (prompts.len(), self.width());
        let [logp, values] = [self.buffer("ppo.logp", n * t).await?, self.buffer("ppo.values", n * t).await?];
        let [ref_logp, kl] = [self.node("ref_logp").await?, self.node("kl.exact").await?];
        let k1_variance = self.node("kl.k1_variance").await?;
        let [k3_mean, k3_variance] = [self.node("kl.k3_mean").await?, self.node("kl.k3_variance").await?];
        let [entropy, rewards] = [self.node("entropy").await?, self.node("told.rewards").await?];
        let [advantages, scores] = [self.node("advantages").await?, self.node("told.score").await?];
        let answer = |(i, (prompt, answer)): (usize, (&Vec<u32>, &Vec<u32>))| {
            let first = i * t + prompt.len() - 1;
            let token = |(j, &token): (usize, &u32)| TokenNumbers {
                token,
                logp: logp[first + j],
                ref_logp: ref_logp[first + j],
                kl: kl[first + j],
                k1_variance: k1_variance[first + j],
                k3_mean: k3_mean[first + j],
                k3_variance: k3_variance[first + j],
                entropy: entropy[first + j],
                reward: rewards[first + j],
                value: values[first + j],
                advantage: advantages[first + j],
            };
            let tokens = answer.iter().enumerate().map(token).collect();
            Answer { prompt: prompt.clone(), score: scores[i], tokens }
        };
        Ok(prompts.iter().zip(answers).enumerate().map(answer).collect())
    }

    async fn updates(&mut self, first: u64, count: u64) -> Result<Vec<Update>> {
        let (p, v) = (POLICY_METRICS + 1, VALUE_METRICS + 1);
        let policy = self.buffer("policy.ring", RING * p).await?;
        let value = self.buffer("value.ring", RING * v).await?;
        let update = |step: u64| {
            let (p, v) = (&policy[step as usize % RING * p..], &value[step as usize % RING * v..]);
            Update {
                policy_loss: p[0],
                approxkl: p[1],
                clipfrac: p[2],
                entropy: p[3],
                ratio: p[4],
                deviation: p[5],
                grad_norm: p[6],
                value_loss: v[0],
                value_clipfrac: v[1],
            }
        };
        Ok((first..first + count).map(update).collect())
    }

    async fn node(&mut self, name: &str) -> Result<Vec<f32>> {
        Ok(self.device.read(Source::Node(self.score, name.into())).await?.floats())
    }

    async fn buffer(&mut self, name: &str, len: usize) -> Result<Vec<f32>> {
        Ok(self.device.read(Source::Buffer(name.into(), 0..len)).await?.floats())
    }
}

/// Makes a scalar head say `(s − mean)/deviation` where it said s. The head has no bias of its own; the last
/// layer norm's takes the shift, along the head's direction.
fn rescale(tensors: &mut [Tensor], mean: f64, deviation: f64) {
    let Some(head) = tensors.iter_mut().find(|t| t.name == "score.weight") else { return };
    head.values.iter_mut().for_each(|w| *w = (f64::from(*w) / deviation) as f32);
    let head = head.values.clone();
    let square: f64 = head.iter().map(|&w| f64::from(w).powi(2)).sum();
    let Some(bias) = tensors.iter_mut().find(|t| t.name == "transformer.ln_f.bias") else { return };
    if square > 0.0 {
        for (b, w) in bias.values.iter_mut().zip(head) {
            *b -= (mean / deviation * f64::from(w) / square) as f32;
        }
    }
}
