//! Rollouts while PPO runs, and afterwards: an answer token by token, with what each token was charged and earned.

use super::super::super::LessonStore;
use super::super::super::state::State;
use super::super::parts::{Card, Stepper, word, words};
use super::super::strip::{Cell, Strip};
use crate::format::typeset;
use gradus_lessons::recipe::rollout::Rollout;
use gradus_lessons::world::chat::FORBIDDEN;
use leptos::prelude::*;

/// A row of numbers, one a token.
type Row = fn(&Rollout) -> &[f32];

/// What may stand under each token.
const LENSES: [(&str, Row); 5] = [
    ("advantage", |r| &r.advantage),
    ("KL charge", |r| &r.charge),
    ("exact KL", |r| &r.kl),
    ("reward", |r| &r.reward),
    ("value", |r| &r.value),
];
/// The runs, and what they are called.
const RUNS: [(&str, &str); 3] =
    [("ppo", "with charge"), ("ppo-hacked", "without charge"), ("ppo-biased", "for biased labels")];

/// Answers of any iteration of either run.
#[component]
pub(super) fn Rollouts(store: LessonStore) -> impl IntoView {
    let run = RwSignal::new(0_usize);
    let lens = RwSignal::new(0_usize);
    let which = RwSignal::new(0_usize);
    let index = RwSignal::new(0_usize);
    let of = move |s: &State, run: usize| s.rollouts.iter().filter(|r| r.run == RUNS[run].0).count();
    let counts = Memo::new(move |_| store.state.with(|s| [of(s, 0), of(s, 1), of(s, 2)]));
    let count = Signal::derive(move || counts.get()[run.get()]);
    // Follows the newest iteration until the learner steps back; a run that begins is followed.
    Effect::new(move |before: Option<[usize; 3]>| {
        let now = counts.get();
        let (to, at) = follow(before.unwrap_or_default(), now, run.get_untracked(), index.get_untracked());
        run.set(to);
        index.set(at);
        now
    });
    let shown = Memo::new(move |_| {
        store.state.with(|s| {
            let rolled = s
                .rollouts
                .iter()
                .filter(|r| r.run == RUNS[run.get()].0)
                .nth(index.get().min(count.get().saturating_sub(1)))?;
            let answer = rolled.answers.get(which.get() % rolled.answers.len().max(1))?;
            Some((rolled.step, rolled.answers.len(), answer.clone()))
        })
    });
    let cells = Signal::derive(move || {
        shown.with(|s| s.as_ref().map_or_else(Vec::new, |(_, _, r)| row(r, lens.get())))
    });
    let label = Signal::derive(move || {
        format!("A prompt and its answer, the {} under each token of the answer", LENSES[lens.get()].0)
    });
    let aside = Signal::derive(move || {
        shown.with(|s| {
            s.as_ref().map_or_else(
                || "as PPO writes them".to_owned(),
                |(step, ..)| format!("iteration {step} of PPO {}; some are kept", RUNS[run.get()].1),
            )
        })
    });
    view! {
        <Card title="An answer, token by token" lasting=true aside svg=true>
            <div class="tabs" data-testid="rollouts">
                <span role="group" aria-label="Run">
                    {RUNS.iter().enumerate().map(|(i, (_, name))| view! {
                        <button type="button" aria-pressed=move || (run.get() == i).to_string() disabled=move || counts.get()[i] == 0
                            on:click=move |_| { run.set(i); index.set(counts.get_untracked()[i].saturating_sub(1)); }>{*name}</button>
                    }).collect_view()}
                </span>
                <span role="group" aria-label="Number under each token">
                    {LENSES.iter().enumerate().map(|(i, (name, _))| view! {
                        <button type="button" aria-pressed=move || (lens.get() == i).to_string() on:click=move |_| lens.set(i)>{*name}</button>
                    }).collect_view()}
                </span>
                <button type="button" on:click=move |_| which.update(|i| *i += 1)
                    disabled=move || shown.with(|s| s.as_ref().is_none_or(|s| s.1 < 2))>"Another answer"</button>
            </div>
            <Show when=move || shown.with(Option::is_some)
                fallback=|| view! { <p class="empty">"As soon as PPO runs: its answers, with the charge, the reward and the advantage of each token."</p> }>
                <Strip label cells />
                <p class="note" data-testid="rollout-sum">{move || shown.with(|s| s.as_ref().map(|s| sum(&s.2)))}</p>
                <Stepper what="kept iteration" index count />
                <details class="table"><summary>"All numbers as a table"</summary>{move || shown.with(|s| s.as_ref().map(|s| table(&s.2)))}</details>
            </Show>
        </Card>
    }
}

/// Which run and iteration to look at, when so many iterations of each run have become so many.
fn follow(before: [usize; 3], now: [usize; 3], run: usize, index: usize) -> (usize, usize) {
    let newest = |run: usize| (run, now[run].saturating_sub(1));
    let fresh = before == [0; 3] || (0..3).any(|i| now[i] < before[i]);
    let begun = (0..3).rev().find(|i| before[*i] == 0 && now[*i] > 0);
    match begun {
        _ if now == before => (run, index),
        // Another run of the lesson, or a recorded one: from its beginning.
        _ if fresh => newest((0..3).find(|i| now[*i] > 0).unwrap_or(0)),
        Some(begun) => newest(begun),
        None if index + 1 >= before[run] => newest(run),
        None => (run, index),
    }
}

/// The prompt pale, the answer with its numbers.
fn row(rollout: &Rollout, lens: usize) -> Vec<Cell> {
    let asked = rollout.prompt.iter().filter(|t| !FORBIDDEN.contains(t)).map(|t| Cell {
        word: word(*t),
        faint: true,
        say: "part of the question".into(),
        ..Cell::default()
    });
    let (_, column) = LENSES[lens.min(LENSES.len() - 1)];
    let most = column(rollout).iter().fold(1e-9_f32, |m, v| m.max(v.abs()));
    let answered = rollout.answer.iter().enumerate().map(|(i, t)| {
        let value = |of: &[f32]| of.get(i).copied().unwrap_or(0.0);
        let all: Vec<_> =
            LENSES.iter().map(|(name, of)| format!("{name} {:+.3}", value(of(rollout)))).collect();
        Cell {
            word: word(*t),
            number: typeset(&format!("{:+.2}", value(column(rollout)))),
            tone: f64::from(value(column(rollout)) / most),
            faint: false,
            say: typeset(&all.join(", ")),
        }
    });
    asked.chain(answered).collect()
}

/// What the answer earned in all.
fn sum(r: &Rollout) -> String {
    // A sum of nothing but zeros is 0 and not −0.
    let charge = r.charge.iter().map(|x| f64::from(*x)).sum::<f64>() + 0.0;
    let kl: f64 = r.kl.iter().map(|x| f64::from(*x)).sum();
    typeset(&format!(
        "Score of the reward model {:+.2}, less a charge of {charge:.2} for KL: {:+.2} in all. The gold reward is {:+.1}. Exact KL of the answer: {kl:.2} nats.",
        r.score,
        f64::from(r.score) - charge,
        r.gold
    ))
}

fn table(r: &Rollout) -> impl IntoView + use<> {
    let rows = r.answer.iter().enumerate().map(|(i, t)| {
        let numbers = LENSES
            .iter()
            .map(|(_, of)| view! { <td>{format!("{:+.3}", of(r).get(i).copied().unwrap_or(0.0))}</td> })
            .collect_view();
        view! { <tr><th scope="row">{word(*t)}</th>{numbers}</tr> }
    });
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="Numbers of each token">
            <table>
                <caption class="unseen">{format!("Answer to: {}", words(&r.prompt))}</caption>
                <thead><tr><th scope="col">"token"</th>{LENSES.iter().map(|(name, _)| view! { <th scope="col">{*name}</th> }).collect_view()}</tr></thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_iteration_is_followed_until_the_learner_steps_back() {
        // A recorded run comes whole.
        assert_eq!(follow([0; 3], [9, 9, 0], 0, 0), (0, 8));
        // A live one grows; the second run is followed when it begins.
        assert_eq!(follow([0; 3], [1, 0, 0], 0, 0), (0, 0));
        assert_eq!(follow([4, 0, 0], [5, 0, 0], 0, 3), (0, 4));
        assert_eq!(follow([4, 0, 0], [5, 0, 0], 0, 1), (0, 1));
        assert_eq!(follow([8, 0, 0], [8, 1, 0], 0, 7), (1, 0));
        assert_eq!(follow([8, 2, 0], [8, 2, 0], 1, 0), (1, 0));
        // A new run: what is left of the old one is forgotten.
        assert_eq!(follow([8, 8, 0], [0, 0, 0], 1, 7), (0, 0));
    }

    #[test]
    fn an_answer_is_shown_with_what_it_earned() {
        let rollout = Rollout {
            prompt: vec![FORBIDDEN[1], 9],
            answer: vec![7, 8],
            charge: vec![0.05, -0.02],
            kl: vec![0.1, 0.2],
            reward: vec![-0.05, 1.02],
            value: vec![0.5, 0.6],
            advantage: vec![-0.4, 0.2],
            score: 1.0,
            gold: 1.5,
        };
        let cells = row(&rollout, 0);
        // The mark of who speaks is left out.
        assert_eq!(cells.len(), 3);
        assert!(cells[0].faint && cells[0].number.is_empty());
        assert_eq!((cells[1].number.as_str(), cells[1].tone), ("−0.40", -1.0));
        assert!((cells[2].tone - 0.5).abs() < 1e-6);
        assert!(cells[1].say.contains("KL charge +0.050") && cells[1].say.contains("reward −0.050"));
        assert!(sum(&rollout).contains("charge of 0.03 for KL: +0.97 in all"));
    }
}
