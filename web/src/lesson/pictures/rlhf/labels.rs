//! The learner as the labeller: two answers, a choice, and how the choices agree with the rule, the labels and the judge.

use super::super::super::LessonStore;
use super::super::super::labels::{Labeller, Labels};
use super::super::parts::{Shown, words};
use gradus_lessons::recipe::labels::Comparison;
use gradus_lessons::recipe::rlhf::{Figures, Judge};
use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::Element;

/// Where the choices are kept in this browser.
const KEPT: &str = "gradus.labels";
/// How often each choice may be put among the pairs.
const WEIGHTS: [usize; 4] = [1, 25, 100, 400];

fn kept() -> Labels {
    let text = window().local_storage().ok().flatten().and_then(|s| s.get_item(KEPT).ok().flatten());
    text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default()
}

fn keep(labels: &Labels) {
    if let (Ok(Some(storage)), Ok(text)) = (window().local_storage(), serde_json::to_string(labels)) {
        // Refused in private windows: the choices then last as long as the page.
        let _ = storage.set_item(KEPT, &text);
    }
}

/// Pairs to label, and what comes of it.
#[component]
pub(super) fn Labelling(store: LessonStore, figures: Shown<Figures>) -> impl IntoView {
    let labels = RwSignal::new(kept());
    Effect::new(move |_| {
        labels.with(|l| {
            keep(l);
            store.by_hand.set(l.patch());
        });
    });
    let pairs =
        Memo::new(move |_| figures.with(|f| f.as_ref().map_or_else(Vec::new, |f| f.comparisons.clone())));
    // The pair that is looked at, where the learner went back or on.
    let at = RwSignal::new(None::<usize>);
    let next = move || pairs.with(|p| labels.with(|l| p.iter().position(|p| l.of(p).is_none())));
    let index = move || at.get().or_else(next).filter(|i| *i < pairs.with(Vec::len));
    let choose = move |preferred: usize| {
        let Some(i) = index() else { return };
        pairs.with_untracked(|p| labels.update(|l| l.choose(&p[i], preferred)));
        at.set(None);
    };
    let undo = move |_| {
        labels.update(Labels::undo);
        at.set(None);
    };
    let keys = move |event: ev::KeyboardEvent| {
        let shortcut = event.ctrl_key() || event.meta_key() || event.alt_key();
        let target = event.target().and_then(|t| t.dyn_into::<Element>().ok());
        let field = target.is_some_and(|e| e.matches("select, input, textarea").unwrap_or(false));
        if let Some(preferred) = chosen_by(&event.key(), shortcut, field) {
            choose(preferred);
        }
    };
    let count = move || pairs.with(Vec::len);
    let done = move || pairs.with(|p| labels.with(|l| p.iter().filter(|p| l.of(p).is_some()).count()));
    let nothing = move || pairs.with(Vec::is_empty);
    let shown = RwSignal::new(false);
    let all_done = move || count() > 0 && done() == count();
    // Named, because a `>` inside a tag ends it.
    let told = move || done() > 0 && (shown.get() || all_done());
    view! {
        <section class="card" aria-labelledby="labelling-title" data-testid="labelling" on:keydown=keys>
            <header>
                <h2 id="labelling-title">"You are the labeller"</h2>
                <small>"two answers that the start wrote to the same question"</small>
            </header>
            <Show when=move || !nothing()
                fallback=|| view! { <p class="empty">"After a run: pairs of answers to compare, as its labeller had them."</p> }>
                {move || index().map(|i| pairs.with(|p| question(&p[i], labels.with(|l| l.of(&p[i])), choose)))}
                <Show when=move || index().is_none()><p class="said">"All of them are labelled. Thank you: this is what the work is like."</p></Show>
                <div class="stepper" role="group" aria-label="Labelling">
                    <button type="button" data-testid="label-undo" disabled=move || labels.with(|l| l.made.is_empty()) on:click=undo>"Undo"</button>
                    <progress max=move || count().to_string() prop:value=move || done().to_string() aria-label="Pairs labelled"></progress>
                    <output data-testid="label-progress">{move || format!("{} of {} labelled", done(), count())}</output>
                    <button type="button" disabled=move || done() == 0 aria-pressed=move || (shown.get() || all_done()).to_string()
                        on:click=move |_| shown.update(|s| *s = !*s)>"How do I agree?"</button>
                </div>
                <Show when=told>
                    {move || pairs.with(|p| labels.with(|l| agreement(l, p, figures.with(|f| f.as_ref().map(|f| f.judge)))))}
                </Show>
                <Use labels figures />
            </Show>
        </section>
    }
}

/// Which answer a key chooses, unless it is the browser's (a shortcut) or that of the field in which it is typed.
fn chosen_by(key: &str, shortcut: bool, field: bool) -> Option<usize> {
    match key {
        _ if shortcut || field => None,
        "1" | "a" => Some(0),
        "2" | "b" => Some(1),
        _ => None,
    }
}

/// One pair and its two buttons.
fn question<F>(pair: &Comparison, chosen: Option<usize>, choose: F) -> impl IntoView + use<F>
where
    F: Fn(usize) + Copy + Send + Sync + 'static,
{
    let answers = pair.answers.each_ref().map(|a| words(a));
    let button = |i: usize| {
        let text = if answers[i].is_empty() { "(says nothing)".to_owned() } else { answers[i].clone() };
        let (name, pressed) = (["A", "B"][i], (chosen == Some(i)).to_string());
        view! {
            <button type="button" class="answer-choice" data-answer=name aria-pressed=pressed
                on:click=move |_| choose(i)><small>{format!("{name} · key {}", i + 1)}</small><span class="said">{text}</span></button>
        }
    };
    view! {
        <p class="asked"><b>{words(&pair.prompt)}</b><small>{format!("In this world it is true that {} Which answer is better? True, friendly, short, one that ends: you decide.", words(&pair.truth))}</small></p>
        <div class="two" role="group" aria-label="Which answer is better?">{button(0)}{button(1)}</div>
    }
}

/// Who agrees with whom, and where the learner and the rule part.
fn agreement(labels: &Labels, pairs: &[Comparison], judge: Option<Judge>) -> impl IntoView + use<> {
    let ([gold, model], n) = labels.agreement(pairs);
    let share = |of: fn(&Comparison) -> bool| {
        pairs.iter().filter(|p| of(p)).count() as f64 / pairs.len().max(1) as f64
    };
    let percent = |x: f64| format!("{:.0}\u{a0}%", 100.0 * x);
    let row = |who: &str, with: &str, share: f64, of: usize| {
        let off = if of > 0 { (share * (1.0 - share) / of as f64).sqrt() } else { 0.0 };
        view! { <tr><th scope="row">{who.to_owned()}</th><td>{with.to_owned()}</td><td><b>{percent(share)}</b></td><td>{format!("{of} pairs, ± {:.0}\u{a0}%", 100.0 * off)}</td></tr> }
    };
    let parted: Vec<_> = pairs
        .iter()
        .filter(|p| labels.of(p).is_some_and(|own| own != p.better()))
        .take(6)
        .map(|p| {
            let own = labels.of(p).unwrap_or(0);
            let said = |i: usize| format!("{} ({:+.1})", words(&p.answers[i]), p.gold[i]);
            view! { <tr><td>{words(&p.prompt)}</td><td class="said">{said(own)}</td><td class="said">{said(1 - own)}</td></tr> }
        })
        .collect();
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="Agreement" data-testid="label-agreement">
            <table>
                <thead><tr><th scope="col">"who"</th><th scope="col">"agrees with"</th><th scope="col">"on"</th><th scope="col">"of"</th></tr></thead>
                <tbody>
                    {row("you", "the gold rule", gold, n)}
                    {row("you", "the reward model", model, n)}
                    {row("the rule-based labeller", "the gold rule", share(|p| p.labelled == p.better()), pairs.len())}
                    {judge.map(|j| view! { <tr><th scope="row">"the reward model"</th><td>"the gold rule"</td><td><b>{percent(j.gold)}</b></td><td>"all held-out pairs"</td></tr> })}
                </tbody>
            </table>
        </div>
        <p class="note">"The gold rule: 2 for a true answer, 1 for a friendly word, −0.1 a token, −1 without an end. It is one taste among others: where you differ, neither is wrong."</p>
        {(!parted.is_empty()).then(|| view! {
            <div class="wide" tabindex="0" role="group" aria-label="Where you and the rule part">
                <table>
                    <thead><tr><th scope="col">"asked"</th><th scope="col">"you preferred (gold)"</th><th scope="col">"the rule preferred (gold)"</th></tr></thead>
                    <tbody>{parted}</tbody>
                </table>
            </div>
        })}
    }
}

/// Who labels the next run, and what the last one had.
#[component]
fn Use(labels: RwSignal<Labels>, figures: Shown<Figures>) -> impl IntoView {
    let labeller = move || match labels.with(|l| l.labeller) {
        Labeller::Rule => "rule",
        Labeller::Both => "both",
        Labeller::Own => "own",
    };
    let turn = move |value: String| {
        let labeller = match value.as_str() {
            "both" => Labeller::Both,
            "own" => Labeller::Own,
            _ => Labeller::Rule,
        };
        labels.update(|l| l.labeller = labeller);
    };
    let judge = move || figures.with(|f| f.as_ref().map(|f| f.judge)).unwrap_or_default();
    let next = move || {
        let rule = judge().pairs;
        labels.with(|l| {
            let own = l.made.len() * l.weight;
            match l.labeller {
                Labeller::Rule => "The next run’s reward model learns from the rule-based labeller alone.".to_owned(),
                _ if own == 0 => "Label a pair first: until then the rule’s labels are used.".to_owned(),
                Labeller::Both => format!(
                    "Your {} labels, each put in {} times, stand beside the rule’s {rule} pairs: {:.0}\u{a0}% of what the reward model draws is yours.",
                    l.made.len(), l.weight, 100.0 * own as f64 / (own + rule).max(1) as f64
                ),
                Labeller::Own => format!("The reward model will see nothing but your {} pairs. It will learn them by heart.", l.made.len()),
            }
        })
    };
    let last = move || {
        let j = judge();
        (j.own > 0).then(|| {
            let how = if j.alone { "alone".to_owned() } else { format!("{} times each beside {} of the rule’s", j.weight, j.pairs) };
            format!("The run on the screen learned from {} labels made by hand, {how}; its reward model agrees with the gold rule on {:.0}\u{a0}% of held-out pairs.", j.own, 100.0 * j.gold)
        })
    };
    view! {
        <div class="fields tabs">
            <label class="inline">"who labels the next run"
                <select data-testid="labeller" prop:value=labeller on:change=move |e| turn(event_target_value(&e))>
                    <option value="rule">"the rule-based labeller"</option>
                    <option value="both">"the rule and you"</option>
                    <option value="own">"you alone (breaks it)"</option>
                </select>
            </label>
            <label class="inline">"weight of each of your labels"
                <select data-testid="label-weight" disabled=move || labels.with(|l| l.labeller == Labeller::Rule)
                    prop:value=move || labels.with(|l| l.weight).to_string()
                    on:change=move |e| if let Ok(weight) = event_target_value(&e).parse() {
                        labels.update(|l| l.weight = weight);
                    }>
                    {WEIGHTS.map(|w| view! { <option value=w.to_string()>{format!("{w} ×")}</option> })}
                </select>
            </label>
        </div>
        <p class="note" data-testid="label-use">{next}</p>
        {move || last().map(|text| view! { <p class="note" data-testid="label-used">{text}</p> })}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_forgotten_with_everything_else() {
        assert!(KEPT.starts_with(crate::widgets::OURS));
    }

    #[test]
    fn keys_choose_only_where_they_mean_nothing_else() {
        assert_eq!(
            ["1", "a", "2", "b", "c"].map(|key| chosen_by(key, false, false)),
            [Some(0), Some(0), Some(1), Some(1), None]
        );
        assert_eq!((chosen_by("a", true, false), chosen_by("1", false, true)), (None, None));
    }
}
