//! The stair of eight steps: a step is lit once its lesson has been run to the end in this browser.

use gradus_lessons::recipe::Lesson;
use leptos::prelude::{document, window};

fn key(lesson: Lesson) -> String {
    format!("gradus.{}.done", lesson.slug())
}

/// Remembers that a lesson was run to its end, and lights its step.
pub(crate) fn climb(lesson: Lesson) {
    if let Ok(Some(storage)) = window().local_storage() {
        // A full or forbidden store only means that the step is dark after a reload.
        let _ = storage.set_item(&key(lesson), "yes");
    }
    light(lesson);
}

/// Lights the steps of all lessons that were run.
pub(crate) fn show() {
    let Ok(Some(storage)) = window().local_storage() else { return };
    for lesson in Lesson::ALL {
        if storage.get_item(&key(lesson)).ok().flatten().is_some() {
            light(lesson);
        }
    }
}

fn light(lesson: Lesson) {
    let step = Lesson::ALL.iter().position(|l| *l == lesson).map_or(1, |i| i + 1);
    for place in [".stair i", ".steps li"] {
        if let Ok(Some(element)) = document().query_selector(&format!("{place}:nth-child({step})")) {
            let _ = element.set_attribute("data-lit", "");
        }
    }
}
