//! What a stage learned from, as a file that TRL reads.

use super::LessonStore;
use super::state::DataSet;
use crate::browser;
use crate::format::grouped;
use leptos::prelude::*;

/// The file's name: `load_dataset` takes what is called `train` for the training part of its folder.
fn file_name(data: &DataSet) -> String {
    format!("{}-train.jsonl", data.name)
}

/// What the button says: how much is in the file, and how much the run had.
fn words(data: &DataSet) -> String {
    let here = data.jsonl.lines().count() as u64;
    if here < data.lines {
        format!("Data for TRL, JSONL (first {here} of {}; a run of your own has all)", grouped(data.lines))
    } else {
        format!("Data for TRL, JSONL ({} lines)", grouped(here))
    }
}

/// A button that saves the data of the run on the screen; nothing where the lesson has none.
#[component]
pub(crate) fn SaveData(store: LessonStore) -> impl IntoView {
    let said = Memo::new(move |_| store.state.with(|s| s.data.as_ref().map(words)));
    let save = move |_| {
        store.state.with_untracked(|s| {
            if let Some(data) = &s.data {
                browser::save_text(&file_name(data), &data.jsonl);
            }
        });
    };
    move || {
        said.get()
            .map(|said| view! { <button type="button" data-export="data" on:click=save>{said}</button> })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_called_a_part() {
        let mut data = DataSet { name: "preferences".into(), lines: 2, jsonl: "{}\n{}\n".into() };
        assert_eq!(file_name(&data), "preferences-train.jsonl");
        assert_eq!(words(&data), "Data for TRL, JSONL (2 lines)");
        data.lines = 5412;
        assert!(words(&data).contains("first 2 of 5,412"));
    }
}
