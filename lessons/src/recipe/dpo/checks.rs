//! What lesson 7's runs must show, where their size suffices for it.

use super::Figures;
use crate::check::{Check, Expected, PROTOTYPE};
use crate::recipe::Size;

pub(super) fn checks(size: Size, figures: &Figures) -> Vec<Check> {
    let Figures { start, ppo, dpo, collapse, table, .. } = figures;
    let off = table[2].iter().zip(&table[3]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let mut checks = vec![
        Check::new(
            "first-loss",
            "loss before the first step",
            dpo.first_loss,
            "",
            Expected::Near { value: std::f64::consts::LN_2, tolerance: 1e-4 },
            "identity: the policy is the reference, −ln σ(0)",
        ),
        Check::new(
            "closed-form",
            "tabular case: largest distance from π_ref·exp(r/β)/Z",
            off,
            "",
            Expected::AtMost(1e-6),
            "Rafailov et al. 2023, eq. 4",
        ),
        Check::new(
            "logps-apart",
            "change of ln p of chosen answers, less that of rejected ones",
            dpo.chosen_change - dpo.rejected_change,
            "nats",
            Expected::AtLeast(0.0),
            "what the loss asks for",
        ),
    ];
    if size == Size::Smoke {
        return checks;
    }
    let gold = dpo.worth.sampled.gold;
    checks.extend([
        Check::new(
            "validation-accuracy",
            "held-out pairs whose chosen answer has the higher implicit reward",
            dpo.accuracy,
            "",
            Expected::AtLeast(0.75),
            PROTOTYPE,
        ),
        Check::new(
            "validation-margin",
            "mean difference of the implicit rewards on held-out pairs",
            dpo.margin,
            "",
            Expected::AtLeast(0.5),
            PROTOTYPE,
        ),
        Check::new(
            "gold-gain",
            "gold reward of sampled answers, less the start's",
            gold - start.sampled.gold,
            "",
            Expected::AtLeast(0.4),
            PROTOTYPE,
        ),
        Check::new(
            "collapse",
            "gold reward with a small β and a high rate, less the start's",
            collapse.worth.sampled.gold - start.sampled.gold,
            "",
            Expected::AtMost(-0.2),
            PROTOTYPE,
        ),
    ]);
    if let Some(ppo) = ppo {
        checks.push(Check::new(
            "reaches-ppo",
            "gold reward of sampled answers, less PPO's",
            gold - ppo.sampled.gold,
            "",
            Expected::AtLeast(-0.3),
            PROTOTYPE,
        ));
    }
    checks
}
