//! The pictures of each lesson, its knobs, and the models it begins from. A lesson is a file here.

mod attention;
mod curves;
mod dpo;
mod few_shot;
mod flash_attention;
mod memory;
mod parts;
mod rlhf;
mod scaling_laws;
mod sft;
mod speculative_decoding;
mod strip;
mod table;

use super::LessonStore;
use super::knob::Knob;
use gradus_lessons::recipe::{Lesson, Role};
use leptos::prelude::*;

/// The lesson's knobs.
pub(super) const fn knobs(lesson: Lesson) -> &'static [Knob] {
    match lesson {
        Lesson::ScalingLaws => scaling_laws::KNOBS,
        Lesson::Attention => attention::KNOBS,
        Lesson::FlashAttention => flash_attention::KNOBS,
        Lesson::FewShot => few_shot::KNOBS,
        Lesson::Sft => sft::KNOBS,
        Lesson::Rlhf => rlhf::KNOBS,
        Lesson::Dpo => dpo::KNOBS,
        Lesson::SpeculativeDecoding => speculative_decoding::KNOBS,
    }
}

/// The models that the lesson begins from.
pub(super) const fn needs(lesson: Lesson) -> &'static [Role] {
    match lesson {
        Lesson::ScalingLaws => scaling_laws::NEEDS,
        Lesson::Attention => attention::NEEDS,
        Lesson::FlashAttention => flash_attention::NEEDS,
        Lesson::FewShot => few_shot::NEEDS,
        Lesson::Sft => sft::NEEDS,
        Lesson::Rlhf => rlhf::NEEDS,
        Lesson::Dpo => dpo::NEEDS,
        Lesson::SpeculativeDecoding => speculative_decoding::NEEDS,
    }
}

/// The lesson's pictures.
pub(super) fn of(store: LessonStore) -> AnyView {
    match store.lesson {
        Lesson::ScalingLaws => view! { <scaling_laws::Pictures store /> }.into_any(),
        Lesson::Attention => view! { <attention::Pictures store /> }.into_any(),
        Lesson::FlashAttention => view! { <flash_attention::Pictures store /> }.into_any(),
        Lesson::FewShot => view! { <few_shot::Pictures store /> }.into_any(),
        Lesson::Sft => view! { <sft::Pictures store /> }.into_any(),
        Lesson::Rlhf => view! { <rlhf::Pictures store /> }.into_any(),
        Lesson::Dpo => view! { <dpo::Pictures store /> }.into_any(),
        Lesson::SpeculativeDecoding => view! { <speculative_decoding::Pictures store /> }.into_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::choices::Choices;
    use super::super::knob::Control;
    use super::*;
    use gradus_lessons::recipe::{Size, runner};

    const SIZES: [Size; 3] = [Size::Smoke, Size::Default, Size::Full];

    #[test]
    fn every_knob_turns_a_setting_that_exists() {
        for lesson in Lesson::ALL {
            for knob in knobs(lesson) {
                let turned: Vec<Choices> = match &knob.control {
                    Control::Choice { options, usual } => {
                        assert!(*usual < options.len(), "{}", knob.id);
                        let turn = |index| {
                            let mut choices = Choices::default();
                            choices.turn(knob, index);
                            choices
                        };
                        (0..options.len()).map(turn).collect()
                    }
                    Control::Number(range) => {
                        let marks = range.marks.iter().map(|m| m.1);
                        let set = |value| {
                            assert_eq!(range.check(value), Some(value), "{}: {value}", knob.id);
                            let mut choices = Choices::default();
                            choices.set(knob, range, value);
                            choices
                        };
                        [range.min, range.max].into_iter().chain(marks).map(set).collect()
                    }
                };
                for choices in turned {
                    let patch = choices.patch(knobs(lesson));
                    for size in SIZES {
                        let fits = runner::fits(lesson, size, &patch);
                        assert!(fits.is_ok(), "{} {}: {fits:?}", lesson.slug(), knob.id);
                    }
                }
            }
        }
    }

    /// What a field shows before it is touched is what the recipe takes.
    #[test]
    fn the_usual_numbers_are_those_of_the_recipes() {
        for lesson in Lesson::ALL {
            for (knob, size) in knobs(lesson).iter().flat_map(|k| SIZES.map(|s| (k, s))) {
                let Control::Number(range) = &knob.control else { continue };
                let settings = runner::settings(lesson, size).unwrap();
                for path in knob.paths {
                    let place = format!("/{}", path.replace('.', "/"));
                    let value = settings.pointer(&place).and_then(serde_json::Value::as_f64);
                    assert_eq!(value, Some(range.usual(size)), "{} {path} {size:?}", lesson.slug());
                }
                assert_eq!(range.check(range.usual(size)), Some(range.usual(size)), "{}", knob.id);
            }
        }
    }
}
