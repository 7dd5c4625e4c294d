//! From reward to loss, one line of algebra at a time, every line with its numbers: on five answers that can be written
//! down, and at last on a pair of the run.

use super::super::parts::{Card, Shown, Stepper, words};
use super::tilted;
use crate::format::typeset;
use gradus_core::objective::{dpo, sigmoid};
use gradus_lessons::recipe::dpo::{Figures, PairLogs};
use leptos::prelude::*;

/// Names of the lines.
const LINES: [&str; 7] = [
    "The wish",
    "The policy that fulfils it",
    "Solved for the reward",
    "Two answers to one prompt",
    "Who is preferred",
    "The loss",
    "A pair of this run",
];

/// The case that is small enough to write down.
#[derive(Clone, Debug, PartialEq)]
struct Case {
    reference: Vec<f64>,
    rewards: Vec<f64>,
    best: Vec<f64>,
    beta: f64,
}

impl Case {
    fn new(reference: &[f64], rewards: &[f64], beta: f64) -> Self {
        let best = tilted(reference, rewards, beta);
        Self { reference: reference.to_vec(), rewards: rewards.to_vec(), best, beta }
    }

    /// Mean reward, KL to the reference, and reward less β times KL, of a policy.
    fn worth(&self, policy: &[f64]) -> [f64; 3] {
        let reward: f64 = policy.iter().zip(&self.rewards).map(|(p, r)| p * r).sum();
        let kl: f64 = policy
            .iter()
            .zip(&self.reference)
            .filter(|(p, _)| **p > 0.0)
            .map(|(p, q)| p * (p / q).ln())
            .sum();
        [reward, kl, reward - self.beta * kl]
    }

    /// ln Z.
    fn ln_z(&self) -> f64 {
        let highest = self.rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self
            .reference
            .iter()
            .zip(&self.rewards)
            .map(|(p, r)| p * ((r - highest) / self.beta).exp())
            .sum();
        sum.ln() + highest / self.beta
    }

    /// β ln(π*/π_ref) of answer `i`.
    fn implicit(&self, i: usize) -> f64 {
        dpo::reward(self.beta, self.best[i].max(f64::MIN_POSITIVE).ln(), self.reference[i].ln())
    }

    /// The loss on a pair, where the winner wins with probability `share`, at this margin.
    fn mean_loss(share: f64, margin: f64) -> f64 {
        share * dpo::loss(margin, 0.0) + (1.0 - share) * dpo::loss(-margin, 0.0)
    }
}

/// The derivation.
#[component]
pub(super) fn Derivation(figures: Shown<Figures>) -> impl IntoView {
    let power = RwSignal::new(-1.0_f64);
    let beta = move || 2_f64.powf(power.get());
    let slid = move |value: String| {
        if let Ok(value) = value.parse() {
            power.set(value);
        }
    };
    let index = RwSignal::new(0_usize);
    let pair = RwSignal::new([3_usize, 0]);
    let example = RwSignal::new(0_usize);
    let has_pair = move || figures.with(|f| f.as_ref().is_some_and(|f| !f.dpo.examples.is_empty()));
    let count = Signal::derive(move || {
        if figures.with(Option::is_none) { 0 } else { LINES.len() - usize::from(!has_pair()) }
    });
    let pick = move |side: usize| {
        let turned = move |event| {
            if let Ok(i) = event_target_value(&event).parse::<usize>() {
                pair.update(|p| p[side] = i.min(4));
            }
        };
        let name = ["the preferred answer, w", "the other answer, l"][side];
        let options = (0..5).map(|i| {
            view! { <option value=i.to_string() selected=move || pair.get()[side] == i>{format!("answer {}", i + 1)}</option> }
        });
        view! {
            <select aria-label=name
                on:change=turned>
                {options.collect_view()}
            </select>
        }
    };
    let body = move || {
        let f = figures.get()?;
        let [reference, rewards, ..] = &f.table;
        let case = Case::new(reference, rewards, beta());
        let at = index.get().min(count.get().saturating_sub(1));
        let [w, l] = pair.get().map(|i| i.min(case.reference.len() - 1));
        let lines = match at {
            0 => wish(&case).into_any(),
            1 => fulfilled(&case).into_any(),
            2 => solved(&case).into_any(),
            3 => two(&case, w, l).into_any(),
            4 => preferred(&case, w, l).into_any(),
            5 => loss(&case, w, l).into_any(),
            _ => {
                let examples = &f.dpo.examples;
                real(&examples[example.get() % examples.len()], f.dpo.knobs.beta).into_any()
            }
        };
        Some(view! { <h3 data-testid="derivation-line">{format!("{}. {}", at + 1, LINES[at])}</h3>{lines} })
    };
    let on_table = move || index.get() < 6;
    let on_pair = move || (3..6).contains(&index.get());
    view! {
        <Card title="From reward to loss, line by line" lasting=true aside="five answers to one prompt, all numbers live">
            {move || match body() {
                Some(body) => body.into_any(),
                None => view! { <p class="empty">"After the run: a reference, rewards, and what follows from them."</p> }.into_any(),
            }}
            <Stepper what="line" index count />
            <div class="fields">
                <label class="number" hidden=move || !on_table()>
                    <span>"β"</span>
                    <input type="range" min="-5" max="4" step="0.25" prop:value=move || power.get().to_string()
                        aria-label="β, in powers of two" on:input=move |e| slid(event_target_value(&e)) />
                    <output>{move || format!("{:.3}", beta())}</output>
                </label>
                <div class="tabs" hidden=move || !on_pair()><span>"preferred, w: "{pick(0)}</span><span>"other, l: "{pick(1)}</span></div>
                <button type="button" hidden=on_table on:click=move |_| example.update(|i| *i += 1)>"Another pair"</button>
            </div>
        </Card>
    }
}

/// A formula, and what its symbols mean.
fn formula(text: &'static str, symbols: &'static str) -> impl IntoView {
    view! { <p class="formula">{text}</p><p class="note">{symbols}</p> }
}

/// A table: heads, then rows of a name and numbers.
fn table(heads: &[&'static str], rows: Vec<(String, Vec<String>)>) -> impl IntoView + use<> {
    let heads = heads.iter().map(|h| view! { <th scope="col">{*h}</th> }).collect_view();
    let rows = rows.into_iter().map(|(name, cells)| {
        view! { <tr><th scope="row">{name}</th>{cells.into_iter().map(|c| view! { <td>{c}</td> }).collect_view()}</tr> }
    });
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="Numbers of this line">
            <table class="mono"><thead><tr>{heads}</tr></thead><tbody>{rows.collect_view()}</tbody></table>
        </div>
    }
}

fn wish(case: &Case) -> impl IntoView + use<> {
    let top = (0..case.rewards.len()).fold(0, |b, i| if case.rewards[i] > case.rewards[b] { i } else { b });
    let greedy: Vec<f64> = (0..case.rewards.len()).map(|i| f64::from(u8::from(i == top))).collect();
    let row = |name: &str, policy: &[f64]| {
        (name.to_owned(), case.worth(policy).iter().map(|x| format!("{x:.3}")).collect())
    };
    view! {
        {formula("maximise over π:  Σ π(y) r(y) − β · KL(π ‖ π_ref)",
            "y: an answer; r(y): its reward; π: the policy sought; π_ref: the reference, where it begins; β: what a nat of distance costs; KL(π ‖ π_ref) = Σ π(y) ln(π(y)/π_ref(y)).")}
        {table(&["policy", "mean reward", "KL", "reward − β·KL"], vec![
            row("the reference, π_ref", &case.reference),
            row("always the best answer", &greedy),
            row("π* of the next line", &case.best),
        ])}
        <p class="note">"No policy has a higher number in the last column than π*. Move β and see."</p>
    }
}

fn fulfilled(case: &Case) -> impl IntoView + use<> {
    let rows = (0..case.rewards.len()).map(|i| {
        let weight = (case.rewards[i] / case.beta).exp();
        let product = case.reference[i] * weight;
        (
            format!("answer {}", i + 1),
            vec![
                format!("{:.3}", case.reference[i]),
                format!("{:+.1}", case.rewards[i]),
                short(weight),
                short(product),
                format!("{:.3}", case.best[i]),
            ],
        )
    });
    view! {
        {formula("π*(y) = π_ref(y) · exp(r(y)/β) / Z,  Z = Σ π_ref(y) · exp(r(y)/β)",
            "Z: the sum that makes the probabilities add up to 1. It runs over every possible answer: for five that is easy, for a language it cannot be done.")}
        {table(&["", "π_ref", "r", "exp(r/β)", "product", "π*"], rows.collect())}
        <p class="note">{format!("Z, the sum of the products, is {}.", short(case.ln_z().exp()))}</p>
    }
}

fn solved(case: &Case) -> impl IntoView + use<> {
    let constant = case.beta * case.ln_z();
    let rows = (0..case.rewards.len()).map(|i| {
        let implicit = case.implicit(i);
        (
            format!("answer {}", i + 1),
            vec![
                format!("{:+.3}", implicit),
                format!("{constant:+.3}"),
                format!("{:+.3}", implicit + constant),
                format!("{:+.3}", case.rewards[i]),
            ],
        )
    });
    view! {
        {formula("r(y) = β ln(π*(y)/π_ref(y)) + β ln Z",
            "The logarithm of the line before, solved for r. β ln(π/π_ref) is the implicit reward: it is found in the policy itself.")}
        {table(&["", "β ln(π*/π_ref)", "β ln Z", "sum", "r"], rows.collect())}
        <p class="note">"The sum is r. The second column is the same for every answer to the prompt."</p>
    }
}

fn two(case: &Case, w: usize, l: usize) -> impl IntoView + use<> {
    let constant = case.beta * case.ln_z();
    let row = |name: &str, implicit: f64, z: f64, r: f64| {
        (name.to_owned(), vec![format!("{implicit:+.3}"), format!("{z:+.3}"), format!("{r:+.3}")])
    };
    let (a, b) = (case.implicit(w), case.implicit(l));
    view! {
        {formula("r(w) − r(l) = β ln(π*(w)/π_ref(w)) − β ln(π*(l)/π_ref(l))",
            "w: the preferred answer; l: the other one, to the same prompt.")}
        {table(&["", "β ln(π*/π_ref)", "β ln Z", "r"], vec![
            row(&format!("w, answer {}", w + 1), a, constant, case.rewards[w]),
            row(&format!("l, answer {}", l + 1), b, constant, case.rewards[l]),
            row("difference", a - b, 0.0, case.rewards[w] - case.rewards[l]),
        ])}
        <p class="note">"β ln Z stands in both and is gone from the difference. What could not be computed is not needed."</p>
    }
}

fn preferred(case: &Case, w: usize, l: usize) -> impl IntoView + use<> {
    let difference = case.rewards[w] - case.rewards[l];
    view! {
        {formula("P(w preferred to l) = σ(r(w) − r(l)),  σ(z) = 1/(1 + exp(−z))",
            "Bradley and Terry’s model of a comparison, as for the reward model of lesson 6.")}
        {table(&["", "r(w) − r(l)", "P(w preferred)", "P(l preferred)"], vec![(
            format!("answers {} and {}", w + 1, l + 1),
            vec![format!("{difference:+.3}"), format!("{:.3}", sigmoid(difference)), format!("{:.3}", sigmoid(-difference))],
        )])}
        <p class="note">"Put the line before into it: the chance of each label, as the policy π* has it. Any policy π makes such a claim, with its own log-ratios."</p>
    }
}

fn loss(case: &Case, w: usize, l: usize) -> impl IntoView + use<> {
    let share = sigmoid(case.rewards[w] - case.rewards[l]);
    let row = |name: &str, margin: f64| {
        (
            name.to_owned(),
            vec![
                format!("{margin:+.3}"),
                format!("{:.4}", dpo::loss(margin, 0.0)),
                format!("{:.4}", Case::mean_loss(share, margin)),
            ],
        )
    };
    let best = case.implicit(w) - case.implicit(l);
    view! {
        {formula("L = −ln σ(β ln(π(w)/π_ref(w)) − β ln(π(l)/π_ref(l)))",
            "π: the policy that learns. The margin is what stands in σ.")}
        {table(&["policy", "margin", "L where w was preferred", "mean over labels"], vec![
            row("π_ref, the first step", 0.0),
            row("π*", best),
            row("a margin twice as wide", 2.0 * best),
        ])}
        <p class="note">{format!("At the first step the margin is 0 and L = ln 2 = 0.6931. Labels prefer w in {:.0}\u{a0}% of the cases; the mean over both labels is least at π*’s margin, so a wider one is punished.", 100.0 * share)}</p>
    }
}

fn real(pair: &PairLogs, beta: f64) -> impl IntoView + use<> {
    let [w, l] = [0, 1].map(|i| {
        let (policy, reference) = (f64::from(pair.policy[i]), f64::from(pair.reference[i]));
        (policy, reference, dpo::reward(beta, policy, reference))
    });
    let row = |name: &str, (policy, reference, reward): (f64, f64, f64)| {
        (
            name.to_owned(),
            vec![
                format!("{reference:.2}"),
                format!("{policy:.2}"),
                format!("{:+.2}", policy - reference),
                format!("{reward:+.3}"),
            ],
        )
    };
    let margin = w.2 - l.2;
    view! {
        {formula("L = −ln σ(β ln(π(w)/π_ref(w)) − β ln(π(l)/π_ref(l)))", "Held-out pair; ln π of an answer is the sum over its tokens, in nats.")}
        <p class="asked"><b>{words(&pair.prompt)}</b><small>{format!("preferred, w: “{}” · other, l: “{}”", words(&pair.chosen), words(&pair.rejected))}</small></p>
        {table(&["", "ln π_ref", "ln π", "log-ratio", "β · log-ratio"], vec![row("w", w), row("l", l)])}
        <p class="note">{typeset(&format!("β = {beta}: margin {margin:+.3}, σ(margin) = {:.3}, L = {:.4}. Before training it was ln 2 = 0.6931.", sigmoid(margin), dpo::loss(margin, 0.0)))}</p>
    }
}

/// A number that may be very large or small.
fn short(x: f64) -> String {
    if x != 0.0 && !(1e-3..1e5).contains(&x.abs()) { format!("{x:.2e}") } else { format!("{x:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_follows_from_the_one_before() {
        for beta in [0.05, 0.5, 4.0] {
            let case = Case::new(&[0.4, 0.25, 0.2, 0.1, 0.05], &[0.0, 0.6, -0.5, 1.2, 0.3], beta);
            // No policy beats π*: neither the reference nor one on the way from it.
            let best = case.worth(&case.best)[2];
            for part in [0.0, 0.3, 0.7, 1.3] {
                let mixed: Vec<f64> = case
                    .reference
                    .iter()
                    .zip(&case.best)
                    .map(|(a, b)| (a + part * (b - a)).max(1e-12))
                    .collect();
                let sum: f64 = mixed.iter().sum();
                let mixed: Vec<f64> = mixed.into_iter().map(|p| p / sum).collect();
                assert!(case.worth(&mixed)[2] <= best + 1e-9);
            }
            // Its worth is β ln Z.
            assert!((best - beta * case.ln_z()).abs() < 1e-9);
            for i in 0..5 {
                assert!((case.implicit(i) + beta * case.ln_z() - case.rewards[i]).abs() < 1e-9, "{beta}");
            }
            let margin = case.implicit(3) - case.implicit(0);
            assert!((margin - 1.2).abs() < 1e-9);
            let share = sigmoid(1.2);
            for other in [0.0, 0.6, 2.4] {
                assert!(Case::mean_loss(share, margin) < Case::mean_loss(share, other));
            }
        }
        assert!((Case::mean_loss(0.7, 0.0) - std::f64::consts::LN_2).abs() < 1e-12);
    }
}
