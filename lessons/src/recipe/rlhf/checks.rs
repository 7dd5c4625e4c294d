//! What lesson 6's runs must show, where their size suffices for it.

use super::Optimised;
use super::curve::{Smooth, windows};
use crate::check::{Check, Expected, PROTOTYPE};
use crate::recipe::preferences::Agreement;

pub(super) fn outcomes(
    kept: &Optimised,
    hacked: &Optimised,
    labels: f64,
    agreed: Agreement,
    gained: f64,
) -> Vec<Check> {
    let means = windows(&hacked.curve);
    let top = means.iter().copied().max_by(|a, b| a.gold.total_cmp(&b.gold)).unwrap_or(Smooth::NOTHING);
    let end = means.last().copied().unwrap_or(Smooth::NOTHING);
    let own = windows(&kept.curve);
    let rise = own.last().unwrap_or(&Smooth::NOTHING).proxy - own.first().unwrap_or(&Smooth::NOTHING).proxy;
    vec![
        Check::new(
            "labels-agree",
            "labels that agree with the gold reward",
            100.0 * labels,
            "%",
            Expected::Near { value: 89.0, tolerance: 3.0 },
            "Bradley–Terry coin σ(3Δ) on the policy's pairs; prototype 89–90 %",
        ),
        Check::new(
            "reward-agrees",
            "held-out pairs on which the reward model agrees with the gold reward",
            100.0 * agreed.gold,
            "%",
            Expected::AtLeast(78.0),
            "prototype .817 and .849, less the error of 500 pairs",
        ),
        Check::new(
            "gold-gain",
            "gold reward gained on the evaluation prompts, temperature 1",
            gained,
            "",
            Expected::AtLeast(0.5),
            "set with an earlier recipe, which gained 0.56 to 0.85 on four seeds and 0.17 on a fifth; how often it holds: docs/RESULTS.md in the repository",
        ),
        Check::new(
            "proxy-rises",
            "the reward model's score, last five iterations less the first five",
            rise,
            "sd",
            Expected::AtLeast(0.0),
            "what PPO maximises",
        ),
        Check::new(
            "over-optimised",
            "run without a charge: gold reward of the last five iterations less its peak",
            end.gold - top.gold,
            "",
            Expected::AtMost(-0.5),
            PROTOTYPE,
        ),
        Check::new(
            "proxy-deceives",
            "run without a charge: proxy at the end less proxy at the gold reward's peak",
            end.proxy - top.proxy,
            "sd",
            Expected::AtLeast(0.0),
            "over-optimisation (Gao et al. 2022, §3)",
        ),
    ]
}

/// What the policy learns from labels with a planted bias; `kept` learned from honest ones.
pub(super) fn planted(run: &Optimised, kept: &Optimised) -> Vec<Check> {
    let ends = |run: &Optimised| {
        let means = windows(&run.curve);
        let of = |end: Option<&Smooth>| end.copied().unwrap_or(Smooth::NOTHING);
        (of(means.first()), of(means.last()))
    };
    let ((start, end), (_, honest)) = (ends(run), ends(kept));
    vec![
        Check::new(
            "bias-is-learned",
            "planted bias: flattering words an answer, last five iterations less the first five",
            end.flattery - start.flattery,
            "words",
            Expected::AtLeast(0.5),
            "PPO earns what the labels reward; a flattering phrase has one word or two",
        ),
        Check::new(
            "bias-costs",
            "planted bias: gold reward of the last five iterations, less that of the run for honest labels",
            end.gold - honest.gold,
            "",
            Expected::AtMost(-0.5),
            "the labels are the specification; gold ended at 0.2 and not at 1.7 in a prototype's one run",
        ),
    ]
}
