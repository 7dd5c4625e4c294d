//! The pictures of the lesson RLHF: the learner's labels, the judge, rollouts, four models in memory, score against
//! truth, estimates of the KL.

mod labels;
mod rollouts;

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Picture, Series, Stroke};
use super::curves::Curves;
use super::memory::models;
use super::parts::{Card, Shown, means, or_waiting};
use crate::format::bytes;
use crate::format::typeset;
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::rlhf::{Figures, Gao, Point};
use leptos::prelude::*;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "kl_coef",
        label: "kl_coef (β) of the first run",
        paths: &["ppo.kl_coef"],
        control: Control::Number(Numbers {
            min: 0.0,
            max: 1.0,
            whole: false,
            log: false,
            usual: [0.2, 0.2, 0.2],
            marks: &[("breaks it", 0.0)],
        }),
        hint: "The charge for leaving the reference.",
    },
    Knob {
        id: "cliprange",
        label: "cliprange (ε)",
        paths: &["ppo.cliprange", "hacked.cliprange"],
        control: Control::Number(Numbers {
            min: 0.01,
            max: 1_000.0,
            whole: false,
            log: true,
            usual: [0.2, 0.2, 0.2],
            marks: &[("no clip", 1_000.0)],
        }),
        hint: "How far one round may move a token’s probability.",
    },
    Knob {
        id: "bias",
        label: "bias in the labels",
        paths: &["preferences.bias"],
        control: Control::Number(Numbers {
            min: 0.0,
            max: 5.0,
            whole: false,
            log: false,
            usual: [0.0, 0.0, 0.0],
            marks: &[("loves flattery", 3.0)],
        }),
        hint: "What the labeller adds for each flattering word.",
    },
];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[Role::Base];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    let line = move |run: &'static str, metric: &'static str, name: &str, color: usize| {
        store.state.with(|s| {
            let points = s.curve(run, metric).iter().map(|(x, y)| (*x as f64, *y)).collect();
            Series::line(name, points, color)
        })
    };
    let judge = Signal::derive(move || {
        let accuracy = store.state.with(|s| means(s.curve("reward", "accuracy")));
        Picture::begun([Series::line("on the batch", accuracy, 1)])
    });

    let truth = Signal::derive(move || {
        Picture::begun([
            line("ppo", "gold", "gold, with charge", 1),
            line("ppo-hacked", "gold", "gold, without charge", 2),
        ])
    });
    let score = Signal::derive(move || {
        Picture::begun([
            line("ppo", "objective/scores", "score, with charge", 1),
            line("ppo-hacked", "objective/scores", "score, without charge", 2),
        ])
    });
    let kl = Signal::derive(move || {
        Picture::begun([
            line("ppo", "objective/kl_exact", "exact", 1),
            line("ppo", "objective/kl", "k1", 2),
            line("ppo", "objective/kl_k3", "k3", 3),
        ])
    });
    let manner = |run: &'static str| {
        Signal::derive(move || {
            Picture::begun([
                line(run, "correct", "true", 1),
                line(run, "friendly", "friendly", 3),
                line(run, "flattery", "flattering words", 2),
            ])
        })
    };
    let (manner_kept, manner_hacked) = (manner("ppo"), manner("ppo-hacked"));
    let manner_biased = manner("ppo-biased");
    let biased = move || manner_biased.with(|p| !p.series.is_empty());
    view! {
        <labels::Labelling store figures />
        <Card title="The judge learns" live=true aside="share of pairs whose chosen answer scores higher; means over steps">
            <LineChart title="The judge learns" picture=judge empty="The reward model has not begun."
                axes=Axes { x: "step of the reward model", y: "accuracy on the batch", log_x: false, log_y: false } />
        </Card>
        <Card title="What the judge says, and what is true" live=true aside="two runs of PPO, with a charge for KL and without; all else alike">
            <div class="two">
                <LineChart title="What the judge says" picture=score empty="PPO has not begun."
                    axes=Axes { x: "PPO iteration", y: "reward model’s score, deviations of the first iteration", log_x: false, log_y: false } />
                <LineChart title="What is true" picture=truth empty="PPO has not begun."
                    axes=Axes { x: "PPO iteration", y: "gold reward", log_x: false, log_y: false } />
            </div>
        </Card>
        <rollouts::Rollouts store />
        <Turn figures />
        <Card title="What the answers became" live=true aside="shares of true and of friendly answers; flattering words an answer">
            <div class="two">
                <LineChart title="With charge" picture=manner_kept empty="PPO has not begun."
                    axes=Axes { x: "PPO iteration", y: "with a charge for KL: share, or words an answer", log_x: false, log_y: false } />
                <LineChart title="Without charge" picture=manner_hacked empty="PPO has not begun."
                    axes=Axes { x: "PPO iteration", y: "without: share, or words an answer", log_x: false, log_y: false } />
                <Show when=biased>
                    <LineChart title="For biased labels" picture=manner_biased
                        axes=Axes { x: "PPO iteration", y: "for labels that like flattery", log_x: false, log_y: false } />
                </Show>
            </div>
        </Card>
        <Card title="Three readings of the leash" live=true aside="KL from the reference, first run, nats an answer">
            <LineChart title="Three readings of the leash" picture=kl empty="PPO has not begun."
                axes=Axes { x: "PPO iteration", y: "KL of an answer, nats", log_x: false, log_y: false } />
            // The chart is of the run under way; the numbers are of the last one that ended.
            <Show when=move || !store.stale()>
                {or_waiting(figures, "", |f| view! { <p class="note" data-testid="readings">{readings(f)}</p> })}
            </Show>
        </Card>
        <Card title="Four models in memory" aside="one full square: weights; faint: gradient, and Adam’s two moments" svg=true>
            {or_waiting(figures, "After the run: the bytes of policy, value, reference and reward model.", |f| {
                let total: u64 = f.models.iter().map(|m| m.weights + m.training).sum();
                view! {
                    {models(&f.models)}
                    <p class="note">{format!("Together {}, activations not counted. One square is one copy of a model’s weights: a model that learns has four. DPO, the next lesson, needs only the policy and the reference.", bytes(total))}</p>
                }
            })}
        </Card>
        <Curves store label=|run| label(&run.name).into() color first="objective/rlhf_reward" />
    }
}

/// The three readings in numbers.
fn readings(f: &Figures) -> String {
    let [exact, _] = f.exact;
    let mut said = format!(
        "Over the last {} iterations, nats a token: exact {exact:.3}; k1 {:.3}, deviation {:.2}; k3 {:.3}, deviation {:.2}.",
        f.ppo.len().min(10),
        f.k1.mean,
        f.k1.deviation,
        f.k3.mean,
        f.k3.deviation
    );
    if let Some(rare) = f.rare {
        said += &format!(
            " Of k3’s exact mean, which is the KL, tokens that the policy draws less than once in 1,000 make {:.0}\u{a0}%.",
            100.0 * rare / exact
        );
    }
    typeset(&said)
}

/// A run's colour, in every chart that has several.
fn color(run: &str) -> Option<usize> {
    ["ppo", "ppo-hacked", "rl-start", "reward", "reward-biased", "ppo-biased"]
        .iter()
        .position(|r| *r == run)
        .map(|i| i + 1)
}

/// A run's name as a learner reads it.
fn label(run: &str) -> &str {
    match run {
        "rl-start" => "the start",
        "reward" => "reward model",
        "reward-biased" => "reward model, planted bias",
        "ppo" => "with charge",
        "ppo-hacked" => "without charge",
        "ppo-biased" => "planted bias",
        run => run,
    }
}

/// Gold reward against the distance travelled, and Gao's form.
#[component]
fn Turn(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        // As the fit has it: gained since the mean of the first five iterations.
        let start: Vec<_> = f.hacked.iter().take(5).map(|p| p.answered.gold).collect();
        let first = start.iter().sum::<f64>() / start.len().max(1) as f64;
        Picture {
            series: vec![
                Series {
                    name: "without charge".into(),
                    points: travelled(&f.hacked, first),
                    stroke: Stroke::Dots,
                    color: 2,
                },
                Series {
                    name: "with charge".into(),
                    points: travelled(&f.ppo, first),
                    stroke: Stroke::Dots,
                    color: 1,
                },
                Series {
                    name: "d(a − b ln d)".into(),
                    points: if fitted(&f) { form(f.gao, &f.hacked) } else { Vec::new() },
                    stroke: Stroke::Dashed,
                    color: 5,
                },
            ],
            levels: Vec::new(),
        }
    });
    view! {
        <Card title="Gold against distance" aside="gold reward gained against the distance from the reference">
            <LineChart title="Gold against distance" picture
                empty="After the run: the true reward against √KL, with the form of Gao et al. 2022."
                axes=Axes { x: "distance d = √KL, KL in nats an answer", y: "gold reward, less the mean of the first five iterations without charge", log_x: false, log_y: false } />
            {or_waiting(figures, "", |f| view! { <p class="note">{explained(f)}</p> })}
        </Card>
    }
}

/// Whether there are iterations enough for two constants to say something of them.
fn fitted(f: &Figures) -> bool {
    f.hacked.len() >= 20
}

/// What Gao's form says of the run.
fn explained(f: &Figures) -> String {
    if !fitted(f) {
        return "A dot is an iteration. These are too few for Gao’s form, which has two constants.".into();
    }
    typeset(&format!(
        "A dot is an iteration. Gao’s form, fitted to means of five iterations of the run without a charge, explains {:.0}\u{a0}% of their variance (a {:.2}, b {:.2}).",
        100.0 * f.gao.r2,
        f.gao.alpha,
        f.gao.beta
    ))
}

/// Distance and gold gained, sorted by distance.
fn travelled(points: &[Point], first: f64) -> Vec<(f64, f64)> {
    let mut out: Vec<_> = points.iter().map(|p| (p.kl.max(0.0).sqrt(), p.answered.gold - first)).collect();
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    out
}

fn form(gao: Gao, points: &[Point]) -> Vec<(f64, f64)> {
    let far = points.iter().map(|p| p.kl.max(0.0).sqrt()).fold(0.0, f64::max);
    (1..=60).map(|i| far * f64::from(i) / 60.0).map(|d| (d, d * (gao.alpha - gao.beta * d.ln()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaos_form_starts_at_zero_and_turns() {
        let points = [Point { answered: Default::default(), proxy: 0.0, kl: 16.0 }];
        let curve = form(Gao { alpha: 1.0, beta: 1.0, r2: 1.0 }, &points);
        let top = curve.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        // d(1 − ln d) is highest where its derivative −ln d is 0.
        assert!((top.0 - 1.0).abs() < 0.07 && curve[curve.len() - 1].1 < 0.0);
    }
}
