//! Where RLHF and DPO both begin: a policy that answers with mixed quality, pairs of its answers that a labeller
//! compared, and the reward model that learns from them.

use super::labels::Own;
use super::rollout::jsonl;
use super::tuning::{answers, linear, scores, tune};
use super::{Course, Moment, Role, Size, base};
use crate::material::WorldRows;
use crate::world::Mix;
use crate::world::chat::{FORBIDDEN, Gold, Pair, Question, Split, demonstrations, judge, prefers_first};
use gradus_core::model::ModelFolder;
use gradus_core::rng::{Rng, Stream};
use gradus_core::train::{Example, Objective, Tuning, sft_step};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Positions that a question and its answer take at most.
pub const DIALOGUE: usize = 40;

/// Pairs of a step of the reward model.
pub const REWARD_PAIRS: usize = 32;

/// Most pairs compared by hand, each counted as often as it is to weigh.
const MOST_OWN: usize = 1_000_000;

/// How the start, the pairs and the reward model are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Demonstrations of mixed quality that the start learns from.
    pub demonstrations: usize,
    /// Steps of the start's fine-tuning.
    pub start_steps: u64,
    /// Its peak learning rate.
    pub start_lr: f64,
    /// Rows of pretraining text in each of its steps, beside 32 demonstrations.
    pub replay: usize,
    /// Prompts answered twice at temperature 1.
    pub prompts: usize,
    /// What the labeller likes each flattering word by, in units of gold reward.
    pub bias: f64,
    /// Steps of the reward model, of 32 pairs each.
    pub reward_steps: u64,
    /// Its peak learning rate.
    pub reward_lr: f64,
    /// Comparisons made by hand, for the reward model to learn from as well.
    pub own: Vec<Own>,
    /// How many times each of them is put among the pairs: a pair of the rule's labeller is there once.
    pub own_weight: usize,
    /// Whether the reward model learns from them alone. Without any, the rule's labels are used all the same.
    pub own_alone: bool,
}

impl Settings {
    /// For a run of this size.
    pub fn of(size: Size) -> Self {
        let smoke = size == Size::Smoke;
        Self {
            demonstrations: if smoke { 1000 } else { 4000 },
            start_steps: if smoke { 100 } else { 500 },
            start_lr: 1.5e-3,
            replay: if smoke { 2 } else { 8 },
            prompts: if smoke { 600 } else { 6000 },
            bias: 0.0,
            reward_steps: if smoke { 60 } else { 1200 },
            reward_lr: 1e-3,
            own: Vec::new(),
            own_weight: 1,
            own_alone: false,
        }
    }
}

/// Two answers to a question, one of them preferred.
#[derive(Clone, Debug, PartialEq)]
pub struct Preference {
    /// What was asked.
    pub question: Question,
    /// The answer that the labeller preferred, `<end>` included where it came to one.
    pub chosen: Vec<u32>,
    /// The other.
    pub rejected: Vec<u32>,
    /// What the rule says of the chosen answer.
    pub chosen_gold: Gold,
    /// What the rule says of the other.
    pub rejected_gold: Gold,
}

impl Preference {
    /// The two dialogues, chosen first.
    pub fn dialogues(&self) -> [Vec<u32>; 2] {
        [&self.chosen, &self.rejected].map(|answer| [self.question.prompt.as_slice(), answer].concat())
    }

    /// Rows for DPO: chosen, rejected.
    pub fn answers(&self) -> [Example; 2] {
        [&self.chosen, &self.rejected].map(|answer| Example::answer(&self.question.prompt, answer))
    }

    /// As TRL reads it: `{"prompt": …, "chosen": …, "rejected": …}`.
    pub fn line(&self) -> String {
        jsonl(&self.question.prompt, &[("chosen", &self.chosen), ("rejected", &self.rejected)])
    }

    /// Rows for a reward model: chosen, rejected.
    pub fn scored(&self) -> [Example; 2] {
        self.dialogues().map(|row| Example::scored(&row))
    }
}

/// Steps of SFT on `pairs` in random order, with `replay` rows of the pretraining text. `masked` learns the
/// answers alone.
///
/// # Errors
/// [`Error::Config`] where there are no pairs.
pub fn sft_rows(
    pairs: Vec<Pair>,
    batch: usize,
    replay: usize,
    masked: bool,
    seed: u32,
    context: usize,
) -> Result<impl FnMut(u64) -> Vec<Example>> {
    if pairs.is_empty() {
        let message = "there is nothing to learn from: give one question with its answer or more (pairs, \
                       demonstrations)";
        return Err(Error::Config(message.into()));
    }
    let mut rng = Rng::at(seed, Stream::Batch, 1);
    // Rows that pretraining did not see: another seed's.
    let world = WorldRows::training(Mix::FULL, seed ^ 0x5f7, context);
    Ok(move |step| {
        let draw = |_| &pairs[rng.below(pairs.len() as u32) as usize];
        let example = |pair: &Pair| {
            if masked {
                Example::answer(&pair.question.prompt, &pair.answer)
            } else {
                Example::whole(&[pair.question.prompt.as_slice(), &pair.answer].concat())
            }
        };
        let answers = (0..batch).map(draw).map(example).collect();
        let old = (0..replay).map(|i| {
            let mut row = vec![0; context + 1];
            world.fill((step - 1) * replay as u64 + i as u64, &mut row);
            Example::whole(&row)
        });
        sft_step(answers, old.collect(), 1.0)
    })
}

/// The course's start of RLHF and DPO; fine-tuned now if there is none yet.
///
/// # Errors
/// Those of [`tune`] and of [`base`](super::base()).
pub async fn rl_start(course: &mut Course<'_>, settings: &Settings) -> Result<ModelFolder> {
    if let Some(model) = course.models.get(Role::RlStart) {
        return Ok(model.clone());
    }
    let base = base(course).await?;
    course.stage("fine-tuning on demonstrations of mixed quality").await?;
    let context = base.config.n_positions;
    let batch = 32;
    let tuning = Tuning {
        objective: Objective::Sft,
        train: linear(settings.start_steps, batch + settings.replay, settings.start_lr, 0.01),
        context,
        lora: None,
        forbidden: Vec::new(),
    };
    let pairs = demonstrations(settings.demonstrations, course.seed);
    let rows = sft_rows(pairs, batch, settings.replay, true, course.seed, context)?;
    let (folder, _) = tune(course, "rl-start", &base, &tuning, rows).await?;
    course.models.set(Role::RlStart, folder.clone());
    Ok(folder)
}

/// Pairs of answers that `policy` samples, labelled by a coin on the gold reward. Equal answers are left out.
///
/// # Errors
/// [`Error::Config`] where no pair is left, the device's errors, and [`Error::Stopped`].
pub async fn preferences(
    course: &mut Course<'_>,
    policy: &ModelFolder,
    settings: &Settings,
) -> Result<Vec<Preference>> {
    course.stage("sampling two answers to each prompt").await?;
    let questions = Question::sample(settings.prompts, Split::Train, course.seed ^ 0x9a1e);
    let mut sides = Vec::new();
    for side in 0..2 {
        sides.push(answers(course, policy, &questions, 1.0, course.seed.wrapping_mul(2) + side).await?);
    }
    let mut rng = Rng::at(course.seed, Stream::Chat, 9);
    let [first, second] = <[Vec<Vec<u32>>; 2]>::try_from(sides).unwrap_or_default();
    let mut pairs = Vec::new();
    for ((question, a), b) in questions.into_iter().zip(first).zip(second) {
        if a == b {
            continue;
        }
        let (gold_a, gold_b) = (judge(&question, &a), judge(&question, &b));
        let pair = if prefers_first(&gold_a, &gold_b, settings.bias, &mut rng) {
            Preference { question, chosen: a, rejected: b, chosen_gold: gold_a, rejected_gold: gold_b }
        } else {
            Preference { question, chosen: b, rejected: a, chosen_gold: gold_b, rejected_gold: gold_a }
        };
        pairs.push(pair);
    }
    if pairs.is_empty() {
        let message =
            "no prompt was answered in two ways, so there is nothing to prefer: sample more prompts";
        return Err(Error::Config(message.into()));
    }
    let lines = pairs.len() as u64;
    let jsonl = pairs.iter().flat_map(|p| [p.line(), "\n".into()]).collect();
    course.say(Moment::Data { name: "preferences".into(), lines, jsonl }).await?;
    Ok(pairs)
}

/// The pairs that the reward model draws from: those of the rule's labeller, and those compared by hand as often as
/// they are to weigh.
fn reward_pairs(train: &[Preference], settings: &Settings) -> Vec<[Example; 2]> {
    let own = settings.own.iter().flat_map(|o| std::iter::repeat_n(o, settings.own_weight).map(Own::scored));
    let mut rows: Vec<_> = own.collect();
    if rows.is_empty() || !settings.own_alone {
        rows.extend(train.iter().map(Preference::scored));
    }
    rows
}

/// The same pairs with labels of someone who likes each flattering word by `bias`.
pub fn relabelled(pairs: &[Preference], bias: f64, seed: u32) -> Vec<Preference> {
    let mut rng = Rng::at(seed, Stream::Chat, 10);
    let mut anew = |pair: &Preference| {
        let pair = pair.clone();
        if prefers_first(&pair.chosen_gold, &pair.rejected_gold, bias, &mut rng) {
            return pair;
        }
        Preference {
            question: pair.question,
            chosen: pair.rejected,
            rejected: pair.chosen,
            chosen_gold: pair.rejected_gold,
            rejected_gold: pair.chosen_gold,
        }
    };
    pairs.iter().map(&mut anew).collect()
}

/// Share of the pairs with unequal gold reward in which the label agrees with it.
pub fn labels_agree(pairs: &[Preference]) -> f64 {
    share(pairs.iter().map(|p| p.chosen_gold.value() - p.rejected_gold.value()))
}

/// Share of positive numbers among those that are not 0.
fn share(differences: impl Iterator<Item = f64>) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    for d in differences.filter(|d| *d != 0.0) {
        all += 1.0;
        right += f64::from(u8::from(d > 0.0));
    }
    right / f64::max(all, 1.0)
}

/// Splits off the last tenth of the pairs for validation.
pub fn held_out(pairs: &[Preference]) -> (&[Preference], &[Preference]) {
    pairs.split_at(pairs.len() - pairs.len() / 10)
}

/// Rows of `batch` pairs drawn at random for each step.
pub fn pair_rows(rows: Vec<[Example; 2]>, batch: usize, seed: u32) -> impl FnMut(u64) -> Vec<Example> {
    let mut rng = Rng::at(seed, Stream::Batch, 2);
    move |_| (0..batch).flat_map(|_| rows[rng.below(rows.len() as u32) as usize].clone()).collect()
}

/// What the reward model is worth on pairs that it did not learn from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Share of held-out labels that it predicts.
    pub labels: f64,
    /// Share of held-out pairs in which it agrees with the gold reward.
    pub gold: f64,
}

/// Trains the reward model on the pairs from the policy's trunk, and keeps it as the course's.
///
/// # Errors
/// Those of [`tune`].
pub async fn reward_model(
    course: &mut Course<'_>,
    policy: &ModelFolder,
    pairs: &[Preference],
    settings: &Settings,
) -> Result<(ModelFolder, Agreement)> {
    course.stage("training the reward model").await?;
    let learned = learn_rewards(course, "reward", policy, pairs, settings).await?;
    course.models.set(Role::Reward, learned.0.clone());
    Ok(learned)
}

/// A reward model from `start` (a policy, or another reward model), whose metrics are said under `run`.
///
/// # Errors
/// Those of [`tune`].
pub async fn learn_rewards(
    course: &mut Course<'_>,
    run: &str,
    start: &ModelFolder,
    pairs: &[Preference],
    settings: &Settings,
) -> Result<(ModelFolder, Agreement)> {
    if settings.own.len().saturating_mul(settings.own_weight) > MOST_OWN {
        let message = format!("the pairs compared by hand are more than {MOST_OWN}: lower own_weight");
        return Err(Error::Config(message));
    }
    let (train, valid) = held_out(pairs);
    let tuning = Tuning {
        objective: Objective::Reward,
        train: linear(settings.reward_steps, 2 * REWARD_PAIRS, settings.reward_lr, 0.01),
        context: DIALOGUE,
        lora: None,
        forbidden: Vec::new(),
    };
    let rows = pair_rows(reward_pairs(train, settings), REWARD_PAIRS, course.seed);
    let (folder, _) = tune(course, run, start, &tuning, rows).await?;
    let rows: Vec<Example> = valid.iter().flat_map(Preference::scored).collect();
    let scores = scores(course, &folder, &rows, DIALOGUE).await?;
    let margins: Vec<f64> = scores.chunks_exact(2).map(|s| f64::from(s[0] - s[1])).collect();
    let golds = valid.iter().map(|p| p.chosen_gold.value() - p.rejected_gold.value());
    let agreement = Agreement {
        labels: share(margins.iter().copied()),
        gold: share(margins.iter().zip(golds).map(|(m, g)| m * g)),
    };
    Ok((folder, agreement))
}

/// Questions of training that no pair asks, for the gold reward at temperature 1, and the shared forbidden
/// tokens beside them.
pub fn gold_questions(n: usize, seed: u32) -> (Vec<Question>, Vec<u32>) {
    (Question::sample(n, Split::Train, seed ^ 0x601d), FORBIDDEN.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::END;

    #[test]
    fn pairs_made_by_hand_weigh_as_they_are_told() {
        let question = Question::sample(1, Split::Train, 1).remove(0);
        let gold = judge(&question, &question.truth);
        let (chosen, rejected) = (question.truth.clone(), vec![END]);
        let own = Own { prompt: question.prompt.clone(), chosen: rejected.clone(), rejected: chosen.clone() };
        let pair = Preference { question, chosen, rejected, chosen_gold: gold, rejected_gold: gold };
        let train = vec![pair; 10];
        let mut settings = Settings::of(Size::Smoke);
        assert_eq!(reward_pairs(&train, &settings).len(), 10);
        settings = Settings { own: vec![own.clone(); 2], own_weight: 25, ..settings };
        let rows = reward_pairs(&train, &settings);
        assert_eq!(rows.len(), 60);
        assert_eq!(rows.iter().filter(|r| **r == own.scored()).count(), 50);
        settings.own_alone = true;
        assert_eq!(reward_pairs(&train, &settings).len(), 50);
        // Nothing of one's own: the rule's labels are all there is.
        settings.own.clear();
        assert_eq!(reward_pairs(&train, &settings).len(), 10);
    }
}
