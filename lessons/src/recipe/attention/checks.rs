//! What lesson 2's figures must show.

use super::{Figures, Run, strongest};
use crate::check::{Check, Expected, SPREAD};
use crate::recipe::Size;

/// The checks of a run of this size. `faults`: how far probabilities are from summing to 1, and the largest
/// beyond the diagonal.
pub(super) fn checks(figures: &Figures, faults: (f64, f64), size: Size) -> Vec<Check> {
    let mut checks = theory(figures);
    checks.extend(maps(figures, faults));
    checks.extend(recurrent(figures));
    if size != Size::Smoke {
        checks.extend(heads(figures));
        checks.extend(recall(figures));
    }
    checks
}

fn theory(figures: &Figures) -> Vec<Check> {
    let off = |w: &crate::instruments::theory::Width| (w.variance - w.d as f64).abs() / w.error;
    let worst = figures.widths.iter().map(off).fold(0.0, f64::max);
    let mut checks = vec![Check::new(
        "score-variance",
        "how far the variance of q·k is from d_k, at the worst of all head sizes",
        worst,
        "standard errors",
        Expected::AtMost(4.0),
        "Vaswani et al. 2017, §3.2.1, footnote 4; standard error of the mean over 256 × 256 pairs",
    )];
    let (Some(small), Some(large)) = (figures.widths.first(), figures.widths.last()) else { return checks };
    checks.push(Check::new(
        "entropy-scaled",
        "entropy of the softmax over 64 scaled scores at the largest head size",
        large.scaled.entropy,
        "nats",
        // Scores of unit variance: ln n − σ²/2, in the limit of many keys.
        Expected::Near { value: 64f64.ln() - 0.5, tolerance: 0.1 },
        "ln n − σ²/2 with σ = 1, for many keys; 3.66–3.71 on 20 seeds",
    ));
    let norm = large.scaled.jacobian / small.scaled.jacobian;
    checks.push(Check::new(
        "gradient-scaled",
        "norm of the softmax's Jacobian with √d, at the largest head size over the smallest",
        norm,
        "",
        Expected::Near { value: 1.0, tolerance: 0.25 },
        "scores of unit variance at every size; 1.00–1.11 on 20 seeds",
    ));
    checks.push(Check::new(
        "gradient-unscaled",
        "the same without √d",
        large.unscaled.jacobian / small.unscaled.jacobian,
        "",
        Expected::AtMost(0.5),
        "the softmax saturates; 0.04–0.28 on 20 seeds",
    ));
    let ratio = large.unscaled.entropy / small.unscaled.entropy;
    checks.push(Check::new(
        "entropy-unscaled",
        "entropy without √d, at the largest head size over the smallest",
        ratio,
        "",
        Expected::AtMost(0.25),
        "scores of standard deviation √d: the largest takes all; 0.08–0.12 on 20 seeds",
    ));
    checks
}

fn maps(figures: &Figures, (off, beyond): (f64, f64)) -> Vec<Check> {
    let trace = &figures.trace;
    // The trace's own softmax, from its scores, against what the device computed.
    let seen: Vec<f64> = trace.masked.iter().flatten().copied().collect();
    let most = seen.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = seen.iter().map(|s| (s - most).exp()).sum();
    let apart =
        seen.iter().zip(&trace.weights).map(|(s, &w)| ((s - most).exp() / total - f64::from(w)).abs());
    vec![
        Check::new(
            "rows-sum-to-one",
            "how far a row of attention is from summing to 1 at most",
            off,
            "",
            Expected::AtMost(1e-5),
            "softmax, in f32",
        ),
        Check::new(
            "mask",
            "largest attention to a token that is yet to come",
            beyond,
            "",
            Expected::Exactly(0.0),
            "causal mask",
        ),
        Check::new(
            "traced-head",
            "softmax of one head's traced scores against the device's, at most apart",
            apart.fold(0.0, f64::max),
            "",
            Expected::AtMost(1e-4),
            "softmax(q·k/√d), in f32",
        ),
    ]
}

fn run<'f>(figures: &'f Figures, name: &str) -> Option<&'f Run> {
    figures.runs.iter().find(|r| r.name == name)
}

fn recurrent(figures: &Figures) -> Vec<Check> {
    let (Some(gru), Some(attention)) = (run(figures, "gru"), run(figures, "attention")) else {
        return Vec::new();
    };
    vec![
        Check::new(
            "equal-parameters",
            "the recurrent network's parameters over the model's",
            gru.parameters as f64 / attention.parameters as f64,
            "",
            Expected::Between(0.96, 1.04),
            "width in steps of 4",
        ),
        Check::new(
            "gru-learns",
            "the recurrent network's held-out loss over that of word pairs",
            gru.eval_loss / figures.bigram,
            "",
            Expected::AtMost(1.0),
            "counts of word pairs, add-one smoothed",
        ),
    ]
}

fn heads(figures: &Figures) -> Vec<Check> {
    let Some(attention) = run(figures, "attention") else { return Vec::new() };
    let previous = attention.heads.iter().filter(|h| h.layer == 0).map(|h| h.previous).fold(0.0, f64::max);
    let best = strongest(&attention.heads);
    let mut checks = vec![
        Check::new(
            "previous-token-head",
            "attention to the token before, of the best head of the first layer",
            previous,
            "",
            Expected::AtLeast(0.5),
            &format!("Olsson et al. 2022; {SPREAD}"),
        ),
        Check::new(
            "induction-head",
            "attention to what followed the same token, of the best later head",
            best.map_or(0.0, |h| h.induction),
            "",
            Expected::AtLeast(0.4),
            &format!(
                "Olsson et al. 2022, prefix matching on dictionaries; even shares would be 0.02; {SPREAD}"
            ),
        ),
    ];
    let mut costs: Vec<f64> = figures.ablations.iter().map(|a| a.cost_of_meanings).collect();
    costs.sort_by(f64::total_cmp);
    let median = costs.get(costs.len() / 2).copied().unwrap_or(f64::NAN);
    let cut = figures.ablations.iter().find(|a| best.is_some_and(|b| (b.layer, b.head) == (a.layer, a.head)));
    checks.push(Check::new(
        "induction-ablation",
        "what cutting out the best induction head costs on meanings a dictionary has given before, beyond the median head",
        cut.map_or(f64::NAN, |a| a.cost_of_meanings) - median,
        "nats/token",
        // The best head is chosen by where it looks, not by what it costs. A head that only looks there and does
        // nothing costs no more than others: in the base model those without an induction score cost −0.4 to 1.0 but
        // for the one below it that finds the token before.
        Expected::AtLeast(0.3),
        "Olsson et al. 2022; 1.7 in the course's base model (three layers, seed 1)",
    ));
    if let Some(one) = run(figures, "one-layer") {
        checks.push(Check::new(
            "one-layer-induction",
            "best induction score with one layer",
            one.heads.iter().map(|h| h.induction).fold(0.0, f64::max),
            "",
            Expected::AtMost(0.5),
            "Olsson et al. 2022: it takes two layers",
        ));
    }
    checks
}

/// Mean accuracy over the nearest and over the farthest three distances.
fn near_and_far(run: &Run) -> (f64, f64) {
    let mean = |x: &[super::Recall]| x.iter().map(|r| r.accuracy).sum::<f64>() / x.len().max(1) as f64;
    let n = run.recall.len().min(3);
    (mean(&run.recall[..n]), mean(&run.recall[run.recall.len() - n..]))
}

fn recall(figures: &Figures) -> Vec<Check> {
    let (Some(gru), Some(attention)) = (run(figures, "gru"), run(figures, "attention")) else {
        return Vec::new();
    };
    let ((near, far), (close, distant)) = (near_and_far(gru), near_and_far(attention));
    vec![
        Check::new(
            "gru-forgets",
            "how much the recurrent network's recall falls from 3–9 tokens to the three farthest distances",
            near - far,
            "",
            Expected::AtLeast(0.0),
            "a state of fixed size",
        ),
        Check::new(
            "attention-remembers",
            "how much more of the farthest words attention recalls than the recurrent network",
            distant - far,
            "",
            Expected::AtLeast(0.0),
            "every position in reach of one step",
        ),
        Check::new(
            "attention-reach",
            "how much attention's recall falls over the same distances",
            close - distant,
            "",
            Expected::AtMost(0.3),
            "every position in reach of one step",
        ),
    ]
}
