//! Lesson 8, speculative decoding: several tokens a call. Drafts of two sizes are trained; each proposes for the
//! base model, greedily and at T = 1; theory (Leviathan et al. 2022) is held against what is counted.

mod identity;
pub(in crate::recipe) mod laws;
mod trials;
mod walk;

pub use identity::Identity;
pub use trials::{Clock, Fit, Trial};
pub use walk::{Law, Place, Seen, Walk};

use super::{Course, Report, Role, Size, base, pretrain};
use crate::check::{Check, Expected, SPREAD};
use crate::world::{EOS, Kind, Mix, World};
use gradus_core::objective::speculative::{speed_up, tokens_per_call};
use gradus_core::protocol::{ModelConfig, TrainConfig};
use gradus_core::rng::{Rng, Stream};
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};
pub(in crate::recipe) use trials::Drafted;

/// Added to the seed of the stories, so that they share no stream with the training rows.
const STORIES: u32 = 0x5704_1e50;
/// The seed of the stories that greedy text is compared on differs from that of the trials' in these bits.
const OTHERS: u32 = 0x1000_0000;

/// Every knob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Shape and training of each draft.
    pub drafts: Vec<base::Settings>,
    /// Layers and channels of the drafts, where they are to be others than those of the size.
    pub shapes: Option<Vec<[usize; 2]>>,
    /// Proposals a round (K) that are tried.
    pub proposals: Vec<usize>,
    /// Stories that are continued.
    pub prompts: usize,
    /// Their first words that are given, after `<eos>`.
    pub prompt_tokens: usize,
    /// New tokens of each.
    pub max_tokens: usize,
    /// Prompts that are timed one by one.
    pub timed: usize,
    /// Prompts on which greedy text is compared with the target's own, beside those of the trials.
    pub compared: usize,
    /// Pairs of tokens drawn for the χ² test of the exact rule.
    pub samples: usize,
    /// Pairs drawn by the broken rule, for which fewer suffice.
    pub broken_samples: usize,
}

impl Settings {
    /// The settings of this size.
    pub fn of(size: Size) -> Self {
        let (drafts, prompts, timed, compared, samples) = match size {
            Size::Smoke => (vec![draft(size, [1, 16])], 32, 2, 100, 5_000),
            Size::Default => (vec![draft(size, [1, 16]), draft(size, [2, 24])], 64, 8, 1_000, 100_000),
            Size::Full => (vec![draft(size, [1, 16]), draft(size, [2, 24])], 256, 16, 1_000, 100_000),
        };
        let proposals = if size == Size::Smoke { vec![1, 4] } else { vec![1, 2, 4, 8] };
        let broken_samples = samples.min(20_000);
        Self {
            drafts,
            shapes: None,
            proposals,
            prompts,
            prompt_tokens: 14,
            max_tokens: 36,
            timed,
            compared,
            samples,
            broken_samples,
        }
    }
}

/// A draft of so many layers and channels.
fn draft(size: Size, [n_layer, n_embd]: [usize; 2]) -> base::Settings {
    let base::Settings { model, train } = base::Settings::of(size);
    // 3M tokens: 1,465 steps of 32 rows of 64.
    let steps = if size == Size::Smoke { 400 } else { 1_465 };
    base::Settings {
        model: ModelConfig { n_layer, n_embd, n_head: 2, ..model },
        train: TrainConfig { steps, warmup: steps / 20, lr: 0.012 * (32.0 / n_embd as f64).sqrt(), ..train },
    }
}

/// What the lesson's pictures need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Trainable numbers of the target.
    pub target_parameters: u64,
    /// Every draft, K and temperature.
    pub trials: Vec<Trial>,
    /// Wall clock, one row at a time, greedy, with every draft.
    pub clock: Vec<Clock>,
    /// The K of the highest measured speed-up of the draft that is kept.
    pub best_proposals: usize,
    /// The draft that is kept: `1x16`.
    pub best_draft: String,
    /// Do pairs of tokens follow the target's law: by the exact rule, and by a rule broken on purpose?
    pub fits: Vec<Fit>,
    /// Greedy text beside the target's own, on many prompts; not in runs kept by earlier versions.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// One story at T = 1, by every draft with every K, with everything that decided it.
    #[serde(default)]
    pub walks: Vec<Walk>,
}

/// Runs the lesson.
///
/// # Errors
/// [`Error::Stopped`] when the host wants no more, and those of training and decoding.
pub async fn run(course: &mut Course<'_>, settings: &Settings) -> Result<Report<Figures>> {
    if settings.shapes.as_ref().map_or(settings.drafts.len(), Vec::len) == 0
        || settings.proposals.is_empty()
        || settings.prompts == 0
        || settings.timed == 0
    {
        return Err(Error::Config("give at least one draft, one K, one prompt and one timed prompt".into()));
    }
    let target = base(course).await?;
    let mut settings = settings.clone();
    if let Some(shapes) = &settings.shapes {
        settings.drafts = shapes.iter().map(|shape| draft(course.size, *shape)).collect();
    }
    let settings = &settings;
    let mut drafts = Vec::new();
    for draft in &settings.drafts {
        let name = format!("{}x{}", draft.model.n_layer, draft.model.n_embd);
        course.stage(&format!("training the draft {name}")).await?;
        let folder =
            pretrain(course, &format!("draft-{name}"), &draft.model, &draft.train, Mix::FULL).await?;
        drafts.push(Drafted { name, folder });
    }
    let texts = stories(course.seed, settings.prompts, settings.prompt_tokens, context(settings))?;
    let prompts: Vec<Vec<u32>> = texts.iter().map(|s| s[..=settings.prompt_tokens].to_vec()).collect();

    course.stage("two models' distributions on the same stories").await?;
    let overlaps = laws::overlaps(course, &target, &drafts, &texts, settings.prompt_tokens).await?;
    let mut trials = Vec::new();
    for (draft, overlap) in drafts.iter().zip(&overlaps) {
        course.stage(&format!("{} proposes", draft.name)).await?;
        trials.extend(trials::trials(course, &target, draft, *overlap, &prompts, settings).await?);
    }
    let best = best(&drafts, &trials, target.config.parameters());
    course.stage("the clock, with and without a draft").await?;
    let prompt = &prompts[..settings.timed.min(prompts.len())];
    let plain = trials::alone(course, &target, prompt, settings).await?;
    let (mut clock, mut walks) = (Vec::new(), Vec::new());
    for draft in &drafts {
        let own = trials::alone(course, &draft.folder, prompt, settings).await?;
        let (times, written) =
            trials::clock(course, &target, (draft, own), plain, &trials, prompt, settings).await?;
        clock.extend(times);
        walks.extend(written);
    }
    let identity = if settings.compared > 0 {
        course.stage("greedy text beside the target's own").await?;
        let others =
            stories(course.seed ^ OTHERS, settings.compared, settings.prompt_tokens, context(settings))?;
        let prompts: Vec<Vec<u32>> = others.iter().map(|s| s[..=settings.prompt_tokens].to_vec()).collect();
        let k = settings.proposals[settings.proposals.len() / 2];
        Some(identity::identity(course, &target, &drafts[best], &prompts, k, settings.max_tokens).await?)
    } else {
        None
    };
    course.stage("χ²: does the text follow the target's law?").await?;
    let fits =
        laws::fits(course, &target, &drafts[best], &prompts[0], [settings.samples, settings.broken_samples])
            .await?;

    let own = clock.iter().filter(|c| c.draft == drafts[best].name);
    let best_clock = own.max_by(|a, b| a.speed_up.total_cmp(&b.speed_up));
    let figures = Figures {
        target_parameters: target.config.parameters(),
        best_proposals: best_clock.map_or(1, |c| c.proposals),
        best_draft: drafts[best].name.clone(),
        trials,
        clock,
        fits,
        identity,
        walks,
    };
    course.models.set(Role::Draft, drafts.swap_remove(best).folder);
    Ok(Report { checks: checks(&figures, course.size), figures })
}

/// The shortest context of the drafts.
fn context(settings: &Settings) -> usize {
    settings.drafts.iter().map(|d| d.model.n_positions).min().unwrap_or(0)
}

/// `count` times `<eos>` and a story, at most `context` tokens long, of which `given` can be a prompt.
pub(in crate::recipe) fn stories(
    seed: u32,
    count: usize,
    given: usize,
    context: usize,
) -> Result<Vec<Vec<u32>>> {
    let least = given + 2;
    if least > context || given > 24 {
        return Err(Error::Config("prompt_tokens must be 24 at most: stories may be as short".into()));
    }
    let mut rng = Rng::new(seed ^ STORIES, Stream::World);
    let mut stories = Vec::with_capacity(count);
    while stories.len() < count {
        let mut story = vec![EOS];
        story.extend(World::shared().document(Kind::Story, &mut rng).tokens);
        story.truncate(context);
        if story.len() >= least {
            stories.push(story);
        }
    }
    Ok(stories)
}

/// The draft that theory likes best at T = 1, where a call costs as much as a model has parameters.
fn best(drafts: &[Drafted], trials: &[Trial], target: u64) -> usize {
    let gain = |draft: &Drafted| {
        let cost = draft.folder.config.parameters() as f64 / target as f64;
        let own = trials.iter().filter(|t| t.draft == draft.name && t.temperature > 0.0);
        own.map(|t| speed_up(t.acceptance, t.proposals as u32, cost)).fold(0.0, f64::max)
    };
    (0..drafts.len()).max_by(|&a, &b| gain(&drafts[a]).total_cmp(&gain(&drafts[b]))).unwrap_or(0)
}

/// The share by which a trial's tokens a call differ from the formula's at this α.
fn deviation(trial: &Trial, alpha: f64) -> f64 {
    (trial.tokens_per_call / tokens_per_call(alpha, trial.proposals as u32) - 1.0).abs()
}

fn checks(figures: &Figures, size: Size) -> Vec<Check> {
    let sampled = || figures.trials.iter().filter(|t| t.temperature > 0.0);
    let least = sampled().map(|t| t.acceptance).fold(f64::INFINITY, f64::min);
    let different = figures.trials.iter().filter_map(|t| t.different).sum::<u64>()
        + figures.identity.map_or(0, |i| i.different);
    let texts = figures.trials.iter().filter(|t| t.different.is_some()).map(|t| t.prompts).sum::<usize>()
        + figures.identity.map_or(0, |i| i.prompts);
    let farthest = figures
        .trials
        .iter()
        .max_by(|a, b| deviation(a, a.acceptance).total_cmp(&deviation(b, b.acceptance)));
    let own = farthest.map_or(0.0, |t| deviation(t, t.acceptance));
    let at = farthest.map_or(String::new(), |t| {
        format!(": draft {}, K = {}, T = {}", t.draft, t.proposals, t.temperature)
    });
    let independent = sampled().map(|t| deviation(t, t.independent)).fold(0.0, f64::max);
    let (mut accepted, mut tried, mut overlap) = (0, 0, 0.0);
    for tally in sampled().map(|t| &t.tally) {
        accepted += tally.accepted.iter().sum::<u64>();
        tried += tally.tried.iter().sum::<u64>();
        overlap += tally.overlap.iter().sum::<f64>();
    }
    let share = accepted as f64 / tried as f64;
    let deviations = (accepted as f64 - overlap).abs() / (tried as f64 * share * (1.0 - share)).sqrt();
    let mut checks = vec![
        Check::new(
            "acceptance",
            "share of proposals that the target accepts at T = 1, smallest of all drafts and K",
            least,
            "",
            // A draft of the smallest size, beside a target of any: 0.64 to 0.79 on 6 runs.
            Expected::AtLeast(if size == Size::Smoke { 0.55 } else { 0.70 }),
            SPREAD,
        ),
        Check::new(
            "greedy-identity",
            &format!("tokens that differ from the target's own in {texts} greedy texts"),
            different as f64,
            "tokens",
            Expected::Exactly(0.0),
            "Leviathan et al. 2022, Algorithm 1 at T = 0",
        ),
        Check::new(
            "tokens-per-call",
            &format!("largest deviation of the tokens a call from the formula with the run's own α{at}"),
            100.0 * own,
            "%",
            Expected::AtMost(10.0),
            &format!("Leviathan et al. 2022, eq. 1, exact for independent acceptances; {SPREAD}"),
        ),
        Check::new(
            "tokens-per-call-predicted",
            "the same at T = 1 with α = 1 − TV measured on other text",
            100.0 * independent,
            "%",
            Expected::AtMost(15.0),
            &format!("Leviathan et al. 2022, eq. 1 and corollary 3.6; {SPREAD}"),
        ),
        Check::new(
            "acceptance-is-overlap",
            "acceptances beside Σ min(p, q) at the same places, in standard errors",
            deviations,
            "σ",
            Expected::AtMost(4.0),
            "Leviathan et al. 2022, corollary 3.6: α = E Σ min(p, q); chance passes 4 σ in 6 of 100,000 runs",
        ),
    ];
    for fit in &figures.fits {
        checks.push(if fit.exact {
            Check::new(
                "sampled-law",
                "p-value of χ²: pairs of drawn tokens against the target's law",
                fit.p_value,
                "",
                Expected::AtLeast(0.001),
                "Pearson's χ²; Leviathan et al. 2022, appendix A.1: the law is the target's exactly",
            )
        } else {
            Check::new(
                "wrong-rule-caught",
                "p-value of χ² when rejections are drawn from p instead of norm(max(0, p − q))",
                fit.p_value,
                "",
                Expected::AtMost(0.001),
                "a test that passes everything proves nothing",
            )
        });
    }
    checks
}
