//! The pictures of the lesson attention.

use super::super::LessonStore;
use super::super::choices::Knob;
use super::curves::Curves;
use gradus_lessons::recipe::Role;
use leptos::prelude::*;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    view! { <Curves store /> }
}
