//! DPO beside PPO: what each reaches at which distance, what it takes, and whether two rewards agree.

use super::super::super::LessonStore;
use super::super::super::chart::LineChart;
use super::super::super::plot::{Axes, Picture, Series, Stroke};
use super::super::memory::models;
use super::super::parts::{Card, Shown, or_waiting};
use crate::format::{bytes, duration};
use gradus_core::train::ModelBytes;
use gradus_lessons::recipe::dpo::{Along, Figures, Outcome};
use gradus_lessons::recipe::rlhf::{self, Point};
use gradus_lessons::recipe::{Lesson, Size};
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::Deserialize;
use std::sync::Arc;

/// Iterations of PPO in a mean: one batch's gold reward is noisy.
const WINDOW: usize = 5;

/// What lesson 6 left.
#[derive(Clone, PartialEq)]
struct Before {
    figures: rlhf::Figures,
    /// True for the learner's own run, false for the one that came with the page.
    own: bool,
    seed: u32,
    size: Size,
}

/// Frontier, cost, and the two rewards.
#[component]
pub(super) fn BesidePpo(store: LessonStore, figures: Shown<Figures>) -> impl IntoView {
    let before = RwSignal::new(None::<Arc<Before>>);
    spawn_local(async move {
        let Some((record, own)) = store.record_of(Lesson::Rlhf).await else { return };
        if let Ok(figures) = rlhf::Figures::deserialize(&record.figures) {
            before.set(Some(Arc::new(Before { figures, own, seed: record.seed, size: record.size })));
        }
    });
    view! {
        <Frontier figures before />
        <Cost figures before />
        <TwoRewards figures />
    }
}

/// √KL and gold reward of DPO from the start on, in the order of its steps: it may come nearer again.
fn way(outcome: &Outcome, start: f64) -> Vec<(f64, f64)> {
    let point = |a: &Along| (a.kl.max(0.0).sqrt(), a.gold);
    let mut all = vec![(0.0, start)];
    all.extend(outcome.way.iter().map(point));
    all
}

/// Means of PPO's iterations, as √KL and gold reward.
fn iterations(points: &[Point]) -> Vec<(f64, f64)> {
    let mean = |p: &[Point]| {
        let n = p.len() as f64;
        let kl = p.iter().map(|p| p.kl).sum::<f64>() / n;
        (kl.max(0.0).sqrt(), p.iter().map(|p| p.answered.gold).sum::<f64>() / n)
    };
    let mut all: Vec<_> = points.windows(WINDOW.min(points.len()).max(1)).map(mean).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all
}

#[component]
fn Frontier(figures: Shown<Figures>, before: RwSignal<Option<Arc<Before>>>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let series = |name: String, points, stroke, color| Series { name, points, stroke, color };
        let mut all = Vec::new();
        if !f.dpo.way.is_empty() {
            let start = f.start.sampled.gold;
            all.push(series(format!("DPO, β {}", f.dpo.knobs.beta), way(&f.dpo, start), Stroke::Joined, 1));
            all.push(series(
                format!("DPO, β {}", f.collapse.knobs.beta),
                way(&f.collapse, start),
                Stroke::Joined,
                3,
            ));
        }
        if let Some(before) = before.get() {
            all.push(series("PPO with charge".into(), iterations(&before.figures.ppo), Stroke::Dots, 2));
            all.push(series(
                "PPO without charge".into(),
                iterations(&before.figures.hacked),
                Stroke::Dots,
                4,
            ));
        }
        Picture { series: all, levels: Vec::new() }
    });
    let whose = move || {
        before.get().map_or_else(
            || "No run of lesson 6 is at hand to lay beside it.".to_owned(),
            |b| {
                let whose = if b.own { "your last run of lesson 6" } else { "the recorded run of lesson 6" };
                let small = if b.size == Size::Smoke { ", a quick try" } else { "" };
                format!("PPO’s points are those of {whose} (seed {}{small}), each a mean of {WINDOW} iterations; DPO’s are after parts of its training, by answers to other questions of the same kind. Both begin near the same model, at distance 0.", b.seed)
            },
        )
    };
    view! {
        <Card title="How much gold for how much distance" aside="both methods, by the same rule and the same distance">
            <LineChart title="How much gold for how much distance" picture
                empty="After the run: the true reward against the distance from the start."
                axes=Axes { x: "distance d = √KL, KL in nats an answer", y: "gold reward of sampled answers", log_x: false, log_y: false } />
            <p class="note">{whose}</p>
        </Card>
    }
}

/// Bytes of all models, what trains included.
fn total(models: &[ModelBytes]) -> u64 {
    models.iter().map(|m| m.weights + m.training).sum()
}

#[component]
fn Cost(figures: Shown<Figures>, before: RwSignal<Option<Arc<Before>>>) -> impl IntoView {
    let rows = move |f: &Figures| {
        let row = |name: String, models: usize, memory: String, time: String| {
            view! { <tr><th scope="row">{name}</th><td>{models}</td><td>{memory}</td><td>{time}</td></tr> }
        };
        let time = |seconds: f64| if seconds > 0.0 { duration(seconds) } else { "not measured".into() };
        let own = (!f.models.is_empty())
            .then(|| row("DPO".into(), f.models.len(), bytes(total(&f.models)), time(f.dpo.seconds)));
        let ppo = before.get().map(|b| {
            let [reward, ppo] = b.figures.seconds;
            let time = if ppo > 0.0 {
                format!("{} + {}", duration(reward), duration(ppo))
            } else {
                "not measured".into()
            };
            row("reward model + PPO".into(), b.figures.models.len(), bytes(total(&b.figures.models)), time)
        });
        view! { {own}{ppo} }
    };
    view! {
        <Card title="What it takes" aside="memory and time, beside PPO’s" svg=true>
            {or_waiting(figures, "After the run: bytes and seconds of both.", move |f| view! {
                {models(&f.models)}
                <div class="wide" tabindex="0" role="group" aria-label="Memory and time">
                    <table>
                        <thead><tr><th scope="col">"method"</th><th scope="col">"models"</th><th scope="col">"their bytes"</th><th scope="col">"time to learn"</th></tr></thead>
                        <tbody>{rows(f)}</tbody>
                    </table>
                </div>
                <p class="note">"Weights, gradients and Adam’s moments, 4 bytes a number, activations not counted. The reference is asked once, before the training, and could then leave memory. Times are of the runs on the screen, pauses included; those of lesson 6 may be of another device, or of a run of another length."</p>
            })}
        </Card>
    }
}

#[component]
fn TwoRewards(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let mut points: Vec<_> = f.dpo.points.iter().map(|p| (p[0], p[1])).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let series = Series { name: "a held-out pair".into(), points, stroke: Stroke::Dots, color: 1 };
        Picture { series: vec![series], levels: Vec::new() }
    });
    let said = |f: &Figures| match (f.dpo.correlation, f.dpo.agrees_with_reward_model) {
        (Some(r), Some(a)) => format!(
            "Correlation {r:.2}; both put the same answer first in {:.0}\u{a0}% of the held-out pairs. Only differences count: a reward is known up to a number for each prompt.",
            100.0 * a
        ),
        _ => "There is no reward model of lesson 6 at hand to compare with.".into(),
    };
    view! {
        <Card title="Two rewards for the same pairs" aside="the reward model of lesson 6, and the reward that is in the policy">
            <LineChart title="Two rewards for the same pairs" picture
                empty="After the run, where lesson 6 has left a reward model: its differences beside the implicit ones."
                axes=Axes { x: "reward model: r(chosen) − r(rejected)", y: "implicit: β · difference of log-ratios", log_x: false, log_y: false } />
            {or_waiting(figures, "", move |f| view! { <p class="note">{said(f)}</p> })}
        </Card>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_go_outward() {
        let point = |kl, gold| Point {
            answered: gradus_lessons::recipe::tuning::Answered { gold, ..Default::default() },
            proxy: 0.0,
            kl,
        };
        let all = iterations(&[
            point(0.0, 0.0),
            point(1.0, 1.0),
            point(4.0, 2.0),
            point(9.0, 3.0),
            point(16.0, 4.0),
            point(25.0, 5.0),
        ]);
        assert_eq!(all.len(), 2);
        assert!((all[0].0 - 6_f64.sqrt()).abs() < 1e-12 && (all[0].1 - 2.0).abs() < 1e-12);
        assert!(all[0].0 < all[1].0);
        assert!(iterations(&[]).is_empty());
        assert_eq!(total(&[ModelBytes { name: "a".into(), weights: 4, training: 12 }]), 16);
    }
}
