//! One list with 0, 1, … K solved examples, and the same for many lists: the model beside a perfect reader.

use super::open::{Opened, next_tokens};
use super::words::{speaks_world, tokenizer};
use crate::world::few_shot::{Prompt, Task};
use crate::world::text;
use gradus_core::device::Device;
use gradus_core::model::ModelFolder;
use gradus_core::rng::{Rng, Stream};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Most examples that fit a context of 64.
const MOST: usize = 16;

/// A list made for the learner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shots {
    /// What has to be found out.
    pub task: Task,
    /// Numbers of examples, each tried by itself.
    pub shots: Vec<usize>,
    /// Different words (dict) or classes (sort) of the list: the fewer, the burstier.
    pub items: usize,
    /// Which list.
    pub seed: u32,
    /// How many candidates are told.
    pub top: usize,
}

/// A possible answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Its word.
    pub word: String,
    /// The model's probability.
    pub model: f64,
    /// The perfect reader's.
    pub bayes: f64,
}

/// The list with some of its examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shot {
    /// How many.
    pub shots: usize,
    /// The whole prompt.
    pub prompt: String,
    /// Whether the item, or its class, is among the examples.
    pub seen: bool,
    /// The right answer's probabilities.
    pub right: Expected,
    /// Likeliest answers of the model, and the perfect reader's where it is sure; the right one is among them.
    pub candidates: Vec<Expected>,
}

/// The list with ever more examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShotsAnswer {
    /// One a number of examples.
    pub rows: Vec<Shot>,
    /// The model's parameters.
    pub parameters: u64,
    /// Weights whose bits differ after the prompts.
    pub weights_changed: u64,
}

/// Many lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graded {
    /// What has to be found out.
    pub task: Task,
    /// Numbers of examples.
    pub shots: Vec<usize>,
    /// As in [`Shots`].
    pub items: usize,
    /// Seed of the lists.
    pub seed: u32,
    /// Lists for each number of examples.
    pub prompts: usize,
}

/// Accuracy after some examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradedShots {
    /// How many.
    pub shots: usize,
    /// Share of right answers (the likeliest token is the answer).
    pub measured: f64,
    /// The best possible share.
    pub bayes: f64,
}

/// The list of `prompt` with its first `shots` examples only.
fn cut(prompt: &Prompt, shots: usize) -> Vec<u32> {
    let (item, list) = prompt.tokens.split_last().map_or((None, &[][..]), |(item, list)| (Some(*item), list));
    list.iter().take(1 + 3 * shots).copied().chain(item).collect()
}

fn check(model: &ModelFolder, shots: &[usize]) -> Result<()> {
    let words = tokenizer(model)?;
    if !speaks_world(words) {
        return Err(Error::Config(
            "This model does not speak the course's language, of which these lists are made: choose another model."
                .into(),
        ));
    }
    let most = MOST.min((model.config.n_positions.saturating_sub(2)) / 3);
    if let Some(many) = shots.iter().find(|&&k| k > most) {
        return Err(Error::Config(format!("{many} examples do not fit: choose {most} or fewer.")));
    }
    Ok(())
}

pub(super) async fn shots(device: &mut dyn Device, model: &ModelFolder, ask: &Shots) -> Result<ShotsAnswer> {
    check(model, &ask.shots)?;
    let most = ask.shots.iter().copied().max().unwrap_or(0);
    let mut rng = Rng::at(ask.seed, Stream::Chat, 9_000 + ask.task as u32);
    let whole = ask.task.prompt(most, ask.items, &mut rng);
    let prompts: Vec<Vec<u32>> = ask.shots.iter().map(|&k| cut(&whole, k)).collect();
    let mut opened = Opened::new(model)?;
    let expected = next_tokens(device, model, &mut opened, &prompts).await?;
    let rows = ask.shots.iter().zip(&prompts).zip(&expected).filter_map(|((&shots, prompt), places)| {
        let p = places.last()?;
        let best = ask.task.expects(prompt);
        let of = |token: u32| Expected {
            word: text(&[token]),
            model: p[token as usize],
            bayes: best.iter().find(|b| b.0 == token).map_or(0.0, |b| b.1),
        };
        let mut order: Vec<u32> = (0..p.len() as u32).collect();
        order.sort_by(|&a, &b| p[b as usize].total_cmp(&p[a as usize]));
        order.truncate(ask.top);
        let sure = best.iter().filter(|b| b.1 > 0.1).map(|b| b.0);
        for token in sure.chain([whole.answer]) {
            if !order.contains(&token) {
                order.push(token);
            }
        }
        Some(Shot {
            shots,
            prompt: text(prompt),
            seen: best.len() == 1,
            right: of(whole.answer),
            candidates: order.into_iter().map(of).collect(),
        })
    });
    let rows = rows.collect();
    let weights_changed = opened.changed(device).await?;
    Ok(ShotsAnswer { rows, parameters: model.config.parameters(), weights_changed })
}

pub(super) async fn grade(
    device: &mut dyn Device,
    model: &ModelFolder,
    ask: &Graded,
) -> Result<Vec<GradedShots>> {
    check(model, &ask.shots)?;
    if !(1..=1_000).contains(&ask.prompts) {
        return Err(Error::Config(format!("{} lists are out of range: choose 1 to 1000.", ask.prompts)));
    }
    let mut opened = Opened::new(model)?;
    let mut out = Vec::with_capacity(ask.shots.len());
    for &shots in &ask.shots {
        let mut rng = Rng::at(ask.seed, Stream::Chat, 9_100 + 100 * ask.task as u32 + shots as u32);
        let prompts: Vec<Prompt> =
            (0..ask.prompts).map(|_| ask.task.prompt(shots, ask.items, &mut rng)).collect();
        let rows: Vec<Vec<u32>> = prompts.iter().map(|p| p.tokens.clone()).collect();
        let expected = next_tokens(device, model, &mut opened, &rows).await?;
        let right = prompts.iter().zip(&expected).filter(|(prompt, places)| {
            let best = places.last().and_then(|p| (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b])));
            best == Some(prompt.answer as usize)
        });
        let measured = right.count() as f64 / ask.prompts as f64;
        out.push(GradedShots { shots, measured, bayes: ask.task.bayes(shots, ask.items) });
    }
    Ok(out)
}
