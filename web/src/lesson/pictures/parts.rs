//! What several lessons' pictures are made of.

use super::super::LessonStore;
use super::super::picture_file::PictureFiles;
use crate::browser;
use gradus_lessons::recipe::Role;
use gradus_lessons::world;
use gradus_lessons::world::chat::FORBIDDEN;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// A recipe's figures, once there are any.
pub(super) type Shown<F> = Memo<Option<Arc<F>>>;

/// The same figures, taken in by a task of their own: pictures that change one after another keep the page awake.
pub(super) fn in_turn<F>(figures: Shown<F>) -> Shown<F>
where
    F: PartialEq + Send + Sync + 'static,
{
    let turn = turns(Box::new(move || figures.track()));
    Memo::new(move |_| {
        turn.track();
        figures.get_untracked()
    })
}

/// Changes a task after what `track` follows.
fn turns(track: Box<dyn Fn() + Send + Sync>) -> RwSignal<()> {
    let turn = RwSignal::new(());
    Effect::new(move |_| {
        track();
        spawn_local(async move {
            browser::next_task().await;
            turn.try_set(());
        });
    });
    turn
}

/// A card with a heading, what it is compared with, and its picture.
#[component]
pub(super) fn Card(
    /// The heading.
    title: &'static str,
    /// To the right of it.
    #[prop(optional, into)]
    aside: Signal<String>,
    /// Whether its pictures are SVG, and can be saved.
    #[prop(optional)]
    svg: bool,
    /// Whether it shows the same whatever run is on the screen.
    #[prop(optional)]
    lasting: bool,
    /// Whether its curves grow with the run; what shows figures waits for its end.
    #[prop(optional)]
    live: bool,
    children: Children,
) -> impl IntoView {
    view! {
        <section class="card" aria-label=title data-lasting=lasting.then_some("true") data-live=live.then_some("true")>
            <header><h2>{title}</h2><small>{aside}</small></header>
            {children()}
            {svg.then(|| view! { <p class="pictures-files"><PictureFiles title /></p> })}
        </section>
    }
}

/// The picture of the figures, or one line on what will stand here.
pub(super) fn or_waiting<F, V: IntoView + 'static>(
    figures: Shown<F>,
    waiting: &'static str,
    draw: impl Fn(&F) -> V + Send + Sync + 'static,
) -> impl IntoView
where
    F: PartialEq + Send + Sync + 'static,
{
    let figures = in_turn(figures);
    move || match figures.get() {
        Some(figures) => draw(&figures).into_any(),
        None => view! { <p class="empty">{waiting}</p> }.into_any(),
    }
}

/// A place in a sequence, moved by buttons and a slider.
#[component]
pub(super) fn Stepper(
    /// What is stepped through: "tile", "round".
    what: &'static str,
    /// Where it stands, from 0.
    index: RwSignal<usize>,
    /// How many there are.
    #[prop(into)]
    count: Signal<usize>,
) -> impl IntoView {
    let last = move || count.get().saturating_sub(1);
    let place = move || index.get().min(last());
    // Named, because a `>` inside a tag ends it.
    let at_end = move || place() == last();
    let next = move |_| index.set((place() + 1).min(last()));
    view! {
        <div class="stepper" role="group" aria-label=format!("Step through: {what}")>
            <button type="button" disabled=move || place() == 0
                on:click=move |_| index.set(place().saturating_sub(1))>"Back"</button>
            <button type="button" class="main" disabled=at_end on:click=next>{format!("Next {what}")}</button>
            <input type="range" min="0" aria-label=what.to_owned() prop:max=move || last().to_string()
                prop:value=move || place().to_string()
                on:input=move |e| if let Ok(i) = event_target_value(&e).parse() { index.set(i) } />
            <output>{move || format!("{what} {} of {}", if count.get() == 0 { 0 } else { place() + 1 }, count.get())}</output>
        </div>
    }
}

/// A number field with its slider.
#[component]
pub(super) fn Number(
    /// Before the field.
    label: &'static str,
    /// The value.
    value: RwSignal<usize>,
    /// The choices, ascending.
    choices: &'static [usize],
) -> impl IntoView {
    let index = move || choices.iter().position(|c| *c >= value.get()).unwrap_or(choices.len() - 1);
    view! {
        <label class="number">
            <span>{label}</span>
            <input type="range" min="0" max=(choices.len() - 1).to_string() aria-label=format!("{label}, slider")
                prop:value=move || index().to_string()
                on:input=move |e| {
                    if let Some(v) = event_target_value(&e).parse::<usize>().ok().and_then(|i| choices.get(i)) {
                        value.set(*v);
                    }
                } />
            <input type="number" aria-label=label min=choices[0].to_string() max=choices[choices.len() - 1].to_string()
                prop:value=move || value.get().to_string()
                on:change=move |e| {
                    if let Ok(v) = event_target_value(&e).parse::<usize>() {
                        value.set(v.clamp(choices[0], choices[choices.len() - 1]));
                    }
                } />
        </label>
    }
}

/// Which model of the course is asked: those that write.
#[component]
pub(super) fn ModelChoice(
    /// The page.
    store: LessonStore,
    /// The choice.
    role: RwSignal<Role>,
) -> impl IntoView {
    let roles =
        move || store.models.with(|m| m.keys().copied().filter(|r| *r != Role::Reward).collect::<Vec<_>>());
    let chosen = move |slug: String| {
        if let Some(chosen) = Role::ALL.into_iter().find(|r| r.slug() == slug) {
            role.set(chosen);
        }
    };
    view! {
        <label class="inline">"model"
            <select on:change=move |e| chosen(event_target_value(&e))>
                {move || roles().into_iter().map(|r| view! {
                    <option value=r.slug() selected=r == role.get_untracked()>{r.slug()}</option>
                }).collect_view()}
            </select>
        </label>
    }
}

/// A token's word.
pub(super) fn word(token: u32) -> String {
    world::text(&[token])
}

/// A dialogue's tokens as words, without the marks of who speaks.
pub(super) fn words(tokens: &[u32]) -> String {
    let plain: Vec<u32> = tokens.iter().copied().filter(|t| !FORBIDDEN.contains(t)).collect();
    world::text(&plain)
}

/// One bar of a small table of bars: name, share of the longest, and the number.
pub(super) fn bar(name: String, share: f64, color: usize, number: String) -> impl IntoView + use<> {
    let width = (share * 100.0).clamp(0.0, 100.0);
    view! {
        <li><span class="name">{name}</span><span class="track"><i style=format!("width: {width:.1}%; background: var(--s{color})")></i></span><span class="value">{number}</span></li>
    }
}

/// A curve as at most 40 means of equally many points: one batch’s number is mostly noise.
pub(super) fn means(curve: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let mean = |c: &[(u64, f64)]| c.iter().map(|p| p.1).sum::<f64>() / c.len() as f64;
    let points = curve.chunks(curve.len().div_ceil(40).max(1));
    points.filter_map(|c| Some((c.last()?.0 as f64, mean(c)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_curves_become_forty_means_and_short_ones_stay() {
        let curve: Vec<_> = (1..=400).map(|i| (i, i as f64)).collect();
        let smooth = means(&curve);
        assert_eq!((smooth.len(), smooth[0], smooth[39]), (40, (10.0, 5.5), (400.0, 395.5)));
        assert_eq!(means(&curve[..3]), [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]);
        assert!(means(&[]).is_empty());
    }
}
