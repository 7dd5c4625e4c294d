//! A planner: from a budget to N and D, by the learner's own fit and by published ones.

use super::super::parts::{Card, Shown};
use super::super::table::{table, texts};
use crate::format::typeset;
use gradus_core::scaling::{EPOCH, HOFFMANN, Optimum, kaplan_optimum, ratios_within_rounding};
use gradus_lessons::check::Number;
use gradus_lessons::recipe::scaling_laws::Figures;
use leptos::prelude::*;

/// From a budget to N and D, by four laws.
#[component]
pub(super) fn Planner(figures: Shown<Figures>) -> impl IntoView {
    let budget = RwSignal::new(5.76e23_f64);
    let typed = RwSignal::new(String::from("5.76e23"));
    let wrong = move || typed.with(|t| parse(t).is_none());
    let rows = move || {
        let c = budget.get();
        let ours = figures.with(|f| f.as_ref().map(|f| f.fit.law.optimum(c)));
        let known =
            figures.with(|f| f.as_ref().and_then(|f| Some(f.known_floor.as_ref()?.fit.law.optimum(c))));
        let rows = [
            ("yours, least squares", ours),
            ("yours, E known", known),
            ("Kaplan 2020", Some(kaplan_optimum(c))),
            ("Hoffmann 2022, as printed", Some(HOFFMANN.optimum(c))),
            ("Besiroglu 2024", Some(EPOCH.optimum(c))),
        ];
        rows.into_iter().filter_map(|(name, o)| o.map(|o| row(name, o))).collect()
    };
    let slid = move |power: String| {
        if let Ok(power) = power.parse::<f64>() {
            budget.set(10_f64.powf(power));
            typed.set(format!("{:.2e}", 10_f64.powf(power)));
        }
    };
    view! {
        <Card title="What would you build?" aside="compute-optimal N and D">
            <label class="number">
                <span>"budget C, operations"</span>
                <input type="range" min="12" max="27" step="0.05" aria-label="budget, powers of ten"
                    prop:value=move || budget.get().log10().to_string()
                    on:input=move |e| slid(event_target_value(&e)) />
                <input type="text" inputmode="decimal" aria-label="budget C, operations" prop:value=move || typed.get() aria-invalid=move || wrong().to_string()
                    on:change=move |e| {
                        typed.set(event_target_value(&e));
                        if let Some(c) = typed.with_untracked(|t| parse(t)) { budget.set(c) }
                    } />
            </label>
            <Show when=wrong><p class="field-error">"Write a number from 1e9 to 1e30, such as 5.76e23."</p></Show>
            {move || table("Plans", "", &["law", "parameters N", "tokens D", "D / N"], rows())}
            <p class="note">{move || {
                let [low, high] = ratios_within_rounding(&HOFFMANN, budget.get());
                format!("Rounding: at this budget, exponents that round to the two digits Hoffmann printed advise anything from {low:.0} to {high:.0} tokens a parameter.")
            }}</p>
            <p class="note">"Your fits are of models of some thousand to a hundred thousand parameters: far beyond their budgets they are extrapolations by many powers of ten. Kaplan counts parameters without the embedding."</p>
        </Card>
    }
}

fn parse(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|c: &f64| (1e9..=1e30).contains(c))
}

fn row(name: &str, o: Optimum) -> Vec<AnyView> {
    let power = |x: f64| typeset(&format!("{x:.2e}"));
    texts([name.into(), power(o.n), power(o.d), Number(o.d / o.n).to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_must_be_a_number_within_reason() {
        assert_eq!(parse(" 5.76e23 "), Some(5.76e23));
        for bad in ["", "many", "-1", "1e99", "nan"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
