//! The pictures of the lesson on DPO: the closed form live, log-probabilities apart, DPO beside PPO.

mod beside;
mod derivation;

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Level, Picture, Series};
use super::curves::Curves;
use super::parts::{Card, Shown, bar, means, or_waiting};
use super::table::table;
use crate::format::typeset;
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::dpo::{Figures, Worth};
use leptos::prelude::*;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "beta",
        label: "β of the first run",
        paths: &["dpo.beta"],
        control: Control::Number(Numbers {
            min: 0.01,
            max: 5.0,
            whole: false,
            log: true,
            usual: [0.7, 0.7, 0.7],
            marks: &[("breaks it", 0.02)],
        }),
        hint: "Small: a long leash. Large: it hardly moves.",
    },
    Knob {
        id: "lr",
        label: "learning rate of the first run",
        paths: &["dpo.lr"],
        control: Control::Number(Numbers {
            min: 0.00001,
            max: 0.01,
            whole: false,
            log: true,
            usual: [0.00015, 0.00015, 0.00015],
            marks: &[("breaks it", 0.003)],
        }),
        hint: "Too high, and the answers fall apart while the margin grows.",
    },
];

/// The two runs, as the learner reads them.
const FIRST: &str = "DPO, first run";
const SECOND: &str = "DPO, small β, high rate";

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[Role::Base, Role::RlStart, Role::Reward, Role::Ppo];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    let apart = |run: &'static str| {
        Signal::derive(move || {
            store.state.with(|s| {
                let names = [("logps/chosen", "chosen", 1), ("logps/rejected", "rejected", 2)];
                let series = names
                    .map(|(metric, name, color)| Series::line(name, change(s.curve(run, metric)), color));
                Picture::begun(series).beside([level("as at the start", 0.0)])
            })
        })
    };
    let (apart_first, apart_second) = (apart("dpo"), apart("collapse"));
    let loss = Signal::derive(move || {
        store.state.with(|s| {
            let runs = [("dpo", FIRST), ("collapse", SECOND)];
            let series = runs
                .map(|(run, name)| Series::line(name, means(s.curve(run, "loss")), color(run).unwrap_or(1)));
            Picture::begun(series).beside([level("ln 2", std::f64::consts::LN_2)])
        })
    });
    view! {
        <derivation::Derivation figures />
        <ClosedForm figures />
        <Card title="The loss begins at ln 2" live=true aside="means over steps">
            <LineChart title="The loss begins at ln 2" picture=loss
                axes=Axes { x: "step", y: "DPO loss, nats a pair", log_x: false, log_y: false } />
        </Card>
        <Card title="Chosen and rejected, apart" live=true aside="log-probability of the answers, change since the start">
            <div class="two">
                <LineChart title="First run" picture=apart_first empty="The first run has not begun."
                    axes=Axes { x: "step", y: "first run: change of ln π(answer), nats", log_x: false, log_y: false } />
                <LineChart title="Second run" picture=apart_second empty="The second run has not begun."
                    axes=Axes { x: "step", y: "second run, small β and a high rate: the same", log_x: false, log_y: false } />
            </div>
        </Card>
        <beside::BesidePpo store figures />
        <Beside figures />
        <Curves store label=|run| label(&run.name).into() color />
    }
}

fn level(name: &str, value: f64) -> Level {
    Level { name: name.into(), value, limit: false }
}

/// The change of a metric since its first mean.
fn change(curve: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let means = means(curve);
    let first = means.first().map_or(0.0, |p| p.1);
    means.into_iter().map(|(x, y)| (x, y - first)).collect()
}

/// The best policy of a case small enough to write down, at any β.
#[component]
fn ClosedForm(figures: Shown<Figures>) -> impl IntoView {
    let power = RwSignal::new(-1.0_f64);
    let beta = move || 2_f64.powf(power.get());
    let slid = move |value: String| {
        if let Ok(value) = value.parse() {
            power.set(value);
        }
    };
    let body = move || {
        let f = figures.get()?;
        let [reference, rewards, closed, found] = &f.table;
        let best = tilted(reference, rewards, beta());
        let rows = reference.iter().enumerate().map(|(i, p)| {
            let r = rewards.get(i).copied().unwrap_or(0.0);
            view! {
                <li class="answer"><b>{format!("answer {}", i + 1)}</b><small>{typeset(&format!("r = {r:+.1}"))}</small></li>
                {bar("π_ref".into(), *p, 6, format!("{p:.3}"))}
                {bar("π*".into(), best[i], 1, format!("{:.3}", best[i]))}
            }
        }).collect_view();
        let apart = closed.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // Less than f64 can tell is not nothing.
        let apart = if apart < 1e-15 {
            "less than 10⁻¹⁵".to_owned()
        } else {
            typeset(&format!("{apart:.1e} at most"))
        };
        Some(view! {
            <ul class="bars">{rows}</ul>
            <p class="note">{format!("At β = 0.5 the run trained a policy by gradient descent on the DPO loss. It differs from the closed form by {apart}.")}</p>
        })
    };
    view! {
        <Card title="The best policy, in closed form" aside="five answers, π* = π_ref · exp(r/β) / Z">
            <label class="number">
                <span>"β"</span>
                <input type="range" min="-5" max="4" step="0.25" prop:value=move || power.get().to_string()
                    aria-label="β, powers of two" on:input=move |e| slid(event_target_value(&e)) />
                <output>{move || format!("{:.3}", beta())}</output>
            </label>
            {move || match body() {
                Some(body) => body.into_any(),
                None => view! { <p class="empty">"After the run: a reference, rewards, and the policy that is best for them."</p> }.into_any(),
            }}
        </Card>
    }
}

/// A run's colour: the second has none of those that chosen and rejected answers have.
fn color(run: &str) -> Option<usize> {
    Some(if run == "dpo" { 1 } else { 3 })
}

/// A run's name as a learner reads it.
fn label(run: &str) -> &str {
    match run {
        "dpo" => FIRST,
        "collapse" => SECOND,
        run => run,
    }
}

/// π_ref·exp(r/β)/Z (Rafailov et al. 2023, eq. 4).
fn tilted(reference: &[f64], rewards: &[f64], beta: f64) -> Vec<f64> {
    let highest = rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<_> =
        reference.iter().zip(rewards).map(|(p, r)| p * ((r - highest) / beta).exp()).collect();
    let z: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / z).collect()
}

/// The policies' worth, side by side.
#[component]
fn Beside(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="Beside PPO, by the true reward" aside="answers sampled at temperature 1">
            {or_waiting(figures, "After the run: start, PPO, DPO and the run that collapses, judged by the rule that knows.", |f| {
                let row = |name: &str, w: &Worth| {
                    let s = &w.sampled;
                    let share = |x: f64| format!("{:.0}\u{a0}%", 100.0 * x).into_any();
                    vec![
                        name.to_owned().into_any(),
                        view! { <b>{typeset(&format!("{:+.2}", s.gold))}</b> }.into_any(),
                        share(s.correct),
                        share(s.friendly),
                        share(s.stopped),
                    ]
                };
                let ppo = f.ppo.as_ref().map(|w| row("PPO, lesson 6", w));
                let dpo = [row(FIRST, &f.dpo.worth), row(SECOND, &f.collapse.worth)];
                let rows = std::iter::once(row("start", &f.start)).chain(ppo).chain(dpo).collect();
                let columns = ["policy", "gold reward", "true", "friendly", "ends"];
                view! {
                    {table("Policies", "", &columns, rows)}
                    <p class="note">{format!(
                        "What the training itself sees of it: on held-out pairs the second run’s accuracy is {:.0}\u{a0}% and its margin {:.2}, the first run’s {:.0}\u{a0}% and {:.2}. {} In memory: DPO needs the policy and the reference, PPO four models.",
                        100.0 * f.collapse.accuracy, f.collapse.margin, 100.0 * f.dpo.accuracy, f.dpo.margin,
                        f.dpo.agrees_with_reward_model.map_or_else(String::new, |a| format!("The first run’s implicit reward agrees with the learned reward model on {:.0}\u{a0}% of them.", 100.0 * a)),
                    )}</p>
                }
            })}
        </Card>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tilted_policy_is_a_law_and_follows_the_reward() {
        let p = tilted(&[0.5, 0.5], &[1.0, 0.0], 1.0);
        assert!((p[0] + p[1] - 1.0).abs() < 1e-12);
        assert!((p[0] / p[1] - std::f64::consts::E).abs() < 1e-9);
        // A tiny β must not overflow.
        assert!((tilted(&[0.5, 0.5], &[900.0, 0.0], 1e-3)[0] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn changes_begin_at_zero() {
        let curve: Vec<_> = (1..=20).map(|i| (i, i as f64)).collect();
        assert_eq!(change(&curve)[19], (20.0, 19.0));
        assert_eq!(change(&curve)[0], (1.0, 0.0));
    }
}
