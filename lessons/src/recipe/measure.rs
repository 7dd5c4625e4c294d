//! What the course's models are worth on fixed rows and questions: figures that a stored copy of a model must
//! have again.

use super::speculative_decoding::{Drafted, laws, stories};
use super::tuning::{Answered, answers, pretraining_loss, scores};
use super::{Course, Role, preferences};
use crate::world::chat::{Gold, Question, Split, demonstrations, judge, pairs};
use gradus_core::Result;
use gradus_core::model::ModelFolder;
use gradus_core::train::Example;
use serde::{Deserialize, Serialize};

/// Seed of all that is asked; no recipe asks the same.
const SEED: u32 = 0xf16;
/// Questions, pairs of answers, and stories.
const ASKED: usize = 200;
/// Words of a story that are given.
const GIVEN: usize = 14;

/// One figure of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The model.
    pub role: Role,
    /// What is measured: `loss`, `correct`, `gold`, `accuracy` or `acceptance`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit; empty for a share.
    pub unit: String,
    /// How far the figure of a copy may lie from it whose weights were rounded to bf16 (by 2⁻⁹ at most, relatively),
    /// on another device. Rounding moves a token's ln p by 0.004 (root mean square), so a mean over thousands of
    /// tokens by far less than 0.002; of 200 greedy answers it turns those few in which two words were all but
    /// equally likely.
    pub tolerance: f64,
}

/// The figures of every model that the course has, the same for the same weights: loss on 128 held-out rows of the
/// full mix; how 200 held-out questions are answered greedily; how often the reward model prefers of two answers to
/// a question the one that the gold reward prefers; Σ min(p, q) of draft and base on 200 stories.
///
/// # Errors
/// The device's errors.
pub async fn measure(course: &mut Course<'_>) -> Result<Vec<Figure>> {
    let models: Vec<(Role, ModelFolder)> = course.models.iter().map(|(r, m)| (r, m.clone())).collect();
    let seed = std::mem::replace(&mut course.seed, SEED);
    let mut figures = Vec::new();
    for (role, model) in &models {
        let mut add = |name: &str, value, unit: &str, tolerance| {
            figures.push(Figure { role: *role, name: name.into(), value, unit: unit.into(), tolerance });
        };
        if *role == Role::Reward {
            add("accuracy", accuracy(course, model).await?, "", 0.02);
            continue;
        }
        add("loss", pretraining_loss(course, model).await?, "nats/token", 0.002);
        match role {
            Role::Base | Role::Reward => {}
            Role::Draft => {
                if let Some(base) = course.models.get(Role::Base).cloned() {
                    add("acceptance", acceptance(course, &base, model).await?, "", 0.005);
                }
            }
            Role::Sft | Role::RlStart | Role::Ppo | Role::Dpo => {
                let answered = answered(course, model).await?;
                add("correct", answered.correct, "", 0.03);
                add("gold", answered.gold, "", 0.06);
            }
        }
    }
    course.seed = seed;
    Ok(figures)
}

/// Greedy answers to held-out questions.
async fn answered(course: &mut Course<'_>, model: &ModelFolder) -> Result<Answered> {
    let questions = Question::sample(ASKED, Split::HeldOut, SEED);
    let made = answers(course, model, &questions, 0.0, SEED).await?;
    let golds: Vec<Gold> = questions.iter().zip(&made).map(|(q, a)| judge(q, a)).collect();
    Ok(Answered::mean(&golds))
}

/// A true answer and one of mixed quality to each question: does the reward model prefer the one with the higher
/// gold reward?
async fn accuracy(course: &mut Course<'_>, model: &ModelFolder) -> Result<f64> {
    let two: Vec<_> = pairs(ASKED, SEED).into_iter().zip(demonstrations(ASKED, SEED)).collect();
    let row = |question: &Question, answer: &[u32]| Example::scored(&[&question.prompt[..], answer].concat());
    let rows: Vec<Example> =
        two.iter().flat_map(|(a, b)| [row(&a.question, &a.answer), row(&a.question, &b.answer)]).collect();
    let scores = scores(course, model, &rows, preferences::DIALOGUE).await?;
    let golds = two
        .iter()
        .map(|(a, b)| judge(&a.question, &a.answer).value() - judge(&a.question, &b.answer).value());
    let judged: Vec<bool> = golds
        .zip(scores.chunks_exact(2))
        .filter(|(gold, _)| *gold != 0.0)
        .map(|(gold, s)| gold * f64::from(s[0] - s[1]) > 0.0)
        .collect();
    Ok(judged.iter().filter(|&&right| right).count() as f64 / judged.len().max(1) as f64)
}

/// Σ min(p, q), the mean over the tokens of stories.
async fn acceptance(course: &mut Course<'_>, base: &ModelFolder, draft: &ModelFolder) -> Result<f64> {
    let rows = stories(SEED, ASKED, GIVEN, base.config.n_positions)?;
    let draft = Drafted { name: "draft".into(), folder: draft.clone() };
    let overlaps = laws::overlaps(course, base, &[draft], &rows, GIVEN).await?;
    Ok(overlaps[0][1])
}
