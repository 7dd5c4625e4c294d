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

use super::LessonStore;
use super::choices::Knob;
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
    use super::*;
    use gradus_lessons::recipe::{Size, runner};

    #[test]
    fn every_knob_turns_a_setting_that_exists() {
        for lesson in Lesson::ALL {
            for knob in knobs(lesson) {
                assert!(knob.usual < knob.options.len(), "{}", knob.id);
                for index in 0..knob.options.len() {
                    let mut choices = Choices::default();
                    choices.turn(knob, index);
                    let patch = choices.patch(knobs(lesson));
                    for size in [Size::Smoke, Size::Default] {
                        let fits = runner::fits(lesson, size, &patch);
                        assert!(fits.is_ok(), "{} {}: {fits:?}", lesson.slug(), knob.id);
                    }
                }
            }
        }
    }
}
