//! Lesson 5, SFT: a model that completes text learns to answer.

use super::preferences::sft_rows;
use super::rollout::jsonl;
use super::tuning::{Answered, ceiling, examine, linear, pretraining_loss, tune};
use super::{Course, Moment, Report, Role, Size, base};
use crate::check::{Check, Expected, PROTOTYPE, SPREAD};
use crate::world::chat::{Pair, Question, Split};
use crate::world::{END, text};
use gradus_core::Result;
use gradus_core::model::Lora;
use gradus_core::train::{Objective, Tuning};
use serde::{Deserialize, Serialize};

/// What a learner can turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Question–answer pairs to learn from.
    pub pairs: usize,
    /// Steps of each variant.
    pub steps: u64,
    /// Pairs of a step.
    pub batch: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Rows of pretraining text in a step of the replay variant.
    pub replay: usize,
    /// Adapters of the LoRA variant.
    pub lora: Lora,
    /// Its peak learning rate.
    pub lora_lr: f64,
    /// Held-out questions that each variant answers.
    pub questions: usize,
}

impl Settings {
    /// For a run of this size.
    pub fn of(size: Size) -> Self {
        let smoke = size == Size::Smoke;
        Self {
            pairs: if smoke { 1000 } else { 4000 },
            steps: if smoke { 60 } else { 500 },
            batch: 32,
            // A short run needs longer steps to come anywhere.
            lr: if smoke { 1.5e-3 } else { 7e-4 },
            replay: if smoke { 2 } else { 8 },
            lora: Lora::default(),
            lora_lr: 5e-3,
            questions: if smoke { 100 } else { 400 },
        }
    }
}

/// One way to fine-tune, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// `base`, `masked`, `unmasked`, `replay`, `lora`.
    pub name: String,
    /// How it answers the held-out questions, greedily.
    pub answered: Answered,
    /// Loss on held-out pretraining text, in nats a token.
    pub loss: f64,
    /// What that loss has grown by.
    pub forgetting: f64,
    /// Its answers to the first questions.
    pub answers: Vec<String>,
    /// Share of the answers that are the true statement, `<end>`, and nothing else.
    #[serde(default)]
    pub exact: Option<f64>,
    /// Numbers that were trained.
    #[serde(default)]
    pub trained: u64,
}

/// Data for the pictures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The first questions.
    pub questions: Vec<String>,
    /// What is true of them.
    pub truths: Vec<String>,
    /// The base and the variants.
    pub variants: Vec<Variant>,
    /// Share of the questions whose statement the base completes rightly.
    pub ceiling: f64,
}

/// Answers that a learner sees side by side.
const SHOWN: usize = 12;

/// Fine-tunes the base four ways and compares.
///
/// # Errors
/// Those of training, and [`Error::Stopped`](gradus_core::Error::Stopped).
pub async fn run(course: &mut Course<'_>, settings: &Settings) -> Result<Report<Figures>> {
    let start = base(course).await?;
    let questions = Question::sample(settings.questions, Split::HeldOut, course.seed);
    let data = pairs(settings.pairs, course.seed);
    let text_of = |p: &Pair| [jsonl(&p.question.prompt, &[("completion", &p.answer)]), "\n".into()];
    let (lines, jsonl) = (data.len() as u64, data.iter().flat_map(text_of).collect());
    course.say(Moment::Data { name: "pairs".into(), lines, jsonl }).await?;
    course.stage("what the base model says").await?;
    let ceiling = ceiling(course, &start, &questions).await?;
    let before = pretraining_loss(course, &start).await?;
    let mut variants = Vec::new();
    let ways = [
        ("base", None),
        ("masked", None),
        ("unmasked", None),
        ("replay", None),
        ("lora", Some(settings.lora)),
    ];
    for (name, lora) in ways {
        let model = if name == "base" {
            start.clone()
        } else {
            course.stage(&format!("fine-tuning: {name}")).await?;
            let replay = if name == "replay" { settings.replay } else { 0 };
            // Rows of the pretraining text fill the context; dialogues do not.
            let context = if replay > 0 { start.config.n_positions } else { super::preferences::DIALOGUE };
            let lr = if lora.is_some() { settings.lora_lr } else { settings.lr };
            let tuning = Tuning {
                objective: Objective::Sft,
                train: linear(settings.steps, settings.batch + replay, lr, 0.01),
                context,
                lora,
                forbidden: Vec::new(),
            };
            let rows =
                sft_rows(data.clone(), settings.batch, replay, name != "unmasked", course.seed, context)?;
            tune(course, name, &start, &tuning, rows).await?.0
        };
        let (answered, answers) = examine(course, name, &model, &questions).await?;
        let loss = pretraining_loss(course, &model).await?;
        let same = |(q, a): &(&Question, &Vec<u32>)| a.strip_suffix(&[END]) == Some(&q.truth[..]);
        let exact =
            questions.iter().zip(&answers).filter(same).count() as f64 / questions.len().max(1) as f64;
        let answers = answers.iter().take(SHOWN).map(|a| text(a)).collect();
        let trained = match (name, lora) {
            ("base", _) => 0,
            (_, Some(lora)) => lora.parameters(&start.config),
            (_, None) => start.config.parameters(),
        };
        let forgetting = loss - before;
        variants.push(Variant {
            name: name.into(),
            answered,
            loss,
            forgetting,
            answers,
            exact: Some(exact),
            trained,
        });
        if name == "replay" {
            course.models.set(Role::Sft, model);
        }
    }
    let shown = |of: fn(&Question) -> &[u32]| questions.iter().take(SHOWN).map(|q| text(of(q))).collect();
    let figures = Figures { questions: shown(|q| &q.prompt), truths: shown(|q| &q.truth), variants, ceiling };
    let checks = checks(course.size, &figures);
    Ok(Report { checks, figures })
}

/// Training questions with the true statement as their answer, and nothing around it: what the lesson learns from.
pub fn pairs(n: usize, seed: u32) -> Vec<Pair> {
    let pair = |question: Question| Pair { answer: [&question.truth[..], &[END]].concat(), question };
    Question::sample(n, Split::Train, seed).into_iter().map(pair).collect()
}

fn checks(size: Size, figures: &Figures) -> Vec<Check> {
    let of = |name: &str| figures.variants.iter().find(|v| v.name == name);
    let (Some(base), Some(masked), Some(unmasked), Some(replay), Some(lora)) =
        (of("base"), of("masked"), of("unmasked"), of("replay"), of("lora"))
    else {
        return Vec::new();
    };
    let mut checks = vec![
        Check::new(
            "base-answers",
            "answers of the base model that are right",
            base.answered.correct,
            "",
            Expected::AtMost(0.02),
            "questions like these are never answered in the pretraining text",
        ),
        Check::new(
            "unmasked-forgets-more",
            "forgetting without the prompt mask, less forgetting with it",
            unmasked.forgetting - masked.forgetting,
            "nats/token",
            Expected::AtLeast(0.0),
            PROTOTYPE,
        ),
        Check::new(
            "replay-forgets-less",
            "forgetting without replayed rows, less forgetting with them",
            masked.forgetting - replay.forgetting,
            "nats/token",
            Expected::AtLeast(0.0),
            PROTOTYPE,
        ),
    ];
    if size == Size::Smoke {
        return checks;
    }
    let stop = masked.answered.stopped.min(replay.answered.stopped).min(lora.answered.stopped);
    checks.extend([
        Check::new(
            "stops",
            "answers that end, the worst variant",
            stop,
            "",
            Expected::AtLeast(0.97),
            PROTOTYPE,
        ),
        Check::new(
            "reaches-ceiling",
            "right answers after fine-tuning with replay, less what the base knows",
            replay.answered.correct - figures.ceiling,
            "",
            Expected::AtLeast(-0.05),
            PROTOTYPE,
        ),
        Check::new(
            "mask-helps",
            "right answers with the prompt mask, less those without",
            masked.answered.correct - unmasked.answered.correct,
            "",
            // In this engine the mask saves language, not answers. The share of 400 questions is known to 0.03.
            Expected::AtLeast(-0.05),
            SPREAD,
        ),
        Check::new(
            "forgetting-ratio",
            "forgetting without the prompt mask, as a multiple of that with it",
            unmasked.forgetting / masked.forgetting.max(1e-6),
            "×",
            Expected::AtLeast(1.5),
            SPREAD,
        ),
        Check::new(
            "replay-forgetting",
            "forgetting with replayed rows",
            replay.forgetting,
            "nats/token",
            Expected::AtMost(0.05),
            PROTOTYPE,
        ),
    ]);
    checks
}
