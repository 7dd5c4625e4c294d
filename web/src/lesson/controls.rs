//! The controls of the run bar that take a value: the seed, and the lesson's knobs.

use super::LessonStore;
use super::knob::{Control, Knob, Numbers};
use leptos::prelude::*;

/// One of the lesson's own knobs.
#[component]
pub(super) fn KnobField(store: LessonStore, knob: &'static Knob) -> impl IntoView {
    match &knob.control {
        Control::Choice { options, .. } => view! { <ChoiceField store knob options /> }.into_any(),
        Control::Number(range) => view! { <NumberField store knob range /> }.into_any(),
    }
}

#[component]
fn ChoiceField(
    store: LessonStore,
    knob: &'static Knob,
    options: &'static [(&'static str, &'static str)],
) -> impl IntoView {
    let hint = format!("hint-{}", knob.id);
    view! {
        <div class="knob">
            <label>{knob.label}
                <select data-knob=knob.id aria-describedby=hint.clone() disabled=store.busy
                    prop:value=move || store.choices.with(|c| c.option(knob)).to_string()
                    on:change=move |e| if let Ok(index) = event_target_value(&e).parse() {
                        store.choices.update(|c| c.turn(knob, index));
                    }>
                    {options.iter().enumerate().map(|(i, (name, _))| {
                        let selected = store.choices.with_untracked(|c| c.option(knob)) == i;
                        view! { <option value=i.to_string() selected=selected>{*name}</option> }
                    }).collect_view()}
                </select>
            </label>
            <small id=hint>{knob.hint}</small>
            {move || {
                let ran = store.ran.with(|r| r.as_ref().map(|r| r.option(knob)))?;
                let other = store.choices.with(|c| c.option(knob)) != ran;
                options.get(ran).filter(|_| other).map(|o| on_the_screen(o.0))
            }}
        </div>
    }
}

/// What the run on the screen had, where the knob stands elsewhere.
fn on_the_screen(value: &str) -> impl IntoView + use<> {
    view! { <small class="ran">{format!("The run on the screen had {value}.")}</small> }
}

/// A slider and a number field on the same number, and the values worth trying.
#[component]
fn NumberField(store: LessonStore, knob: &'static Knob, range: &'static Numbers) -> impl IntoView {
    let busy = store.busy;
    let value = Memo::new(move |_| store.choices.with(|c| c.number(knob, range)));
    let usual = move || store.choices.with(|c| range.usual(c.size));
    let wrong = RwSignal::new(None::<String>);
    let set = move |number| {
        wrong.set(None);
        store.choices.update(|c| c.set(knob, range, number));
    };
    let typed = move |text: String| match range.read(&text) {
        Ok(number) => set(number),
        Err(why) => wrong.set(Some(why)),
    };
    let (field, hint, fault) =
        (format!("knob-{}", knob.id), format!("hint-{}", knob.id), format!("fault-{}", knob.id));
    let mark = move |(name, number): (&'static str, f64)| {
        view! {
            <button type="button" class="mark-value" disabled=busy aria-pressed=move || (value.get() == number).to_string()
                on:click=move |_| set(number)>{format!("{}: {name}", range.write(number))}</button>
        }
    };
    view! {
        <div class="knob">
            <label for=field.clone()>{knob.label}</label>
            <div class="slide">
                <input type="range" min="0" max=range.stops().to_string() data-slider=knob.id disabled=busy
                    aria-label=format!("{}, slider", knob.label)
                    aria-valuetext=move || range.write(value.get())
                    prop:value=move || range.stop(value.get()).to_string()
                    on:input=move |e| if let Ok(stop) = event_target_value(&e).parse() { set(range.at(stop)) } />
                <input type="text" inputmode="decimal" id=field data-knob=knob.id disabled=busy autocomplete="off"
                    aria-describedby=format!("{fault} {hint}")
                    aria-invalid=move || wrong.with(Option::is_some).to_string()
                    prop:value=move || range.write(value.get())
                    on:change=move |e| typed(event_target_value(&e)) />
            </div>
            <span class="field-error" id=fault role="alert">{move || wrong.get()}</span>
            <small id=hint>{knob.hint}</small>
            {move || {
                let ran = store.ran.with(|r| r.as_ref().map(|r| r.number(knob, range)))?;
                (ran != value.get()).then(|| on_the_screen(&range.write(ran)))
            }}
            <span class="marks">
                {range.marks.iter().copied().map(mark).collect_view()}
                <Show when=move || value.get() != usual()>
                    <button type="button" class="mark-value" disabled=busy on:click=move |_| set(usual())>
                        {move || format!("{}: usual", range.write(usual()))}
                    </button>
                </Show>
            </span>
        </div>
    }
}

/// The seed: a name for one course of chance, so it is typed and has no slider.
#[component]
pub(super) fn Seed(store: LessonStore) -> impl IntoView {
    let wrong = RwSignal::new(false);
    view! {
        <label>"seed"
            <input type="text" inputmode="numeric" data-testid="seed" disabled=store.busy
                autocomplete="off"
                prop:value=move || store.choices.with(|c| c.seed).to_string()
                aria-invalid=move || wrong.get().to_string()
                on:change=move |e| match event_target_value(&e).trim().parse() {
                    Ok(seed) => {
                        wrong.set(false);
                        store.choices.update(|c| c.seed = seed);
                    }
                    Err(_) => wrong.set(true),
                } />
            <span class="field-error" role="alert">
                {move || wrong.get().then_some("A seed is a whole number from 0 to 4294967295.")}
            </span>
        </label>
    }
}
