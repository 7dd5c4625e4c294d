//! A field for a prompt in the course's small language: words are offered while one types, unknown ones are named
//! at once, and all of them can be picked from a list.

use gradus_lessons::ask::{near, tidy, unknown_words};
use gradus_lessons::world::{
    ADJECTIVE, ANIMAL, COLOUR, CONTAINER, Class, END, FAMILY, FIRST, FOOD, JOB, MADE_UP, OBJECT, PLACE, VERB,
    vocabulary,
};
use leptos::prelude::*;

/// The groups of the list.
const CLASSES: [(&str, Class); 12] = [
    ("first names", FIRST),
    ("family names", FAMILY),
    ("animals", ANIMAL),
    ("colours", COLOUR),
    ("foods", FOOD),
    ("places", PLACE),
    ("objects", OBJECT),
    ("containers", CONTAINER),
    ("jobs", JOB),
    ("adjectives", ADJECTIVE),
    ("verbs", VERB),
    ("made-up words", MADE_UP),
];

/// Words offered while one types.
const OFFERED: usize = 8;

/// The word that is being typed: what stands after the last space.
fn begun(text: &str) -> &str {
    text.rsplit(char::is_whitespace).next().unwrap_or("")
}

/// Words that begin with what is being typed; none if nothing is, or it is a word already.
fn offers(text: &str) -> Vec<&'static str> {
    let begun = begun(text).to_lowercase();
    if begun.is_empty() || vocabulary().contains(&begun.as_str()) {
        return Vec::new();
    }
    vocabulary().iter().filter(|w| w.starts_with(&begun)).take(OFFERED).copied().collect()
}

/// `text` with `word` in place of the word that is being typed, and a space after it.
fn completed(text: &str, word: &str) -> String {
    format!("{}{word} ", &text[..text.len() - begun(text).len()])
}

/// `text` with `word` after it.
fn appended(text: &str, word: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() { format!("{word} ") } else { format!("{text} {word} ") }
}

/// What is wrong with the text; `None` if the language has all of its words. The word that is being typed may still
/// become one.
fn complaint(text: &str) -> Option<String> {
    let mut strange = unknown_words(text);
    let unfinished = tidy(begun(text));
    if vocabulary().iter().any(|w| w.starts_with(&unfinished)) {
        strange.retain(|w| *w != unfinished);
    }
    let named: Vec<String> = strange
        .iter()
        .take(4)
        .map(|w| match near(w, vocabulary().iter().copied()) {
            Some(near) => format!("“{w}” (did you mean “{near}”?)"),
            None => format!("“{w}”"),
        })
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "The language has no {}. It has {} words: pick one below.",
            named.join(", "),
            vocabulary().len()
        )
    })
}

/// The field, its offers, its complaint and the list of words.
#[component]
pub(crate) fn PromptField(
    /// Before the field.
    label: &'static str,
    /// For `data-testid`.
    id: &'static str,
    /// The text.
    text: RwSignal<String>,
) -> impl IntoView {
    let wrong = Memo::new(move |_| text.with(|t| complaint(t)));
    let open = RwSignal::new(false);
    let little = || (END + 1..FIRST.token(0)).map(|t| vocabulary()[t as usize]).collect::<Vec<_>>();
    let group = move |name: &'static str, words: Vec<&'static str>| {
        let buttons = words.into_iter().map(|w| view! {
            <button type="button" class="word" on:click=move |_| text.update(|t| *t = appended(t, w))>{w}</button>
        });
        view! { <details class="words"><summary>{name}</summary><p>{buttons.collect_view()}</p></details> }
    };
    view! {
        <div class="prompt-field">
            <label>
                <span>{label}</span>
                <input type="text" data-testid=id autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="400"
                    prop:value=move || text.get() aria-invalid=move || wrong.with(Option::is_some).to_string()
                    on:input=move |e| text.set(event_target_value(&e)) />
            </label>
            <p class="offers" role="group" aria-label="Words that begin so">
                {move || text.with(|t| offers(t)).into_iter().map(|w| view! {
                    <button type="button" class="word" on:click=move |_| text.update(|t| *t = completed(t, w))>{w}</button>
                }).collect_view()}
                <button type="button" class="word list" aria-expanded=move || open.get().to_string()
                    on:click=move |_| open.update(|o| *o = !*o)>"all words …"</button>
            </p>
            <p class="field-error" aria-live="polite" data-testid=format!("{id}-error")>{move || wrong.get()}</p>
            <Show when=move || open.get()>
                <div class="word-list" role="group" aria-label="Words of the language">
                    {group("little words and marks", little())}
                    {CLASSES.map(|(name, class)| group(name, (0..class.len()).map(|i| vocabulary()[class.token(i) as usize]).collect())).collect_view()}
                </div>
            </Show>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_offered_while_one_types() {
        assert_eq!(offers("the fo"), ["food", "fox", "forest"]);
        assert_eq!(offers("the fox"), [""; 0]);
        assert_eq!(offers("the "), [""; 0]);
        assert_eq!(completed("the fo", "fox"), "the fox ");
        assert_eq!((appended("", "fox"), appended("the ", "fox")), ("fox ".into(), "the fox ".into()));
    }

    #[test]
    fn a_word_is_not_wrong_before_it_is_finished() {
        assert_eq!(complaint("the fo"), None);
        assert_eq!(complaint("The fox is red."), None);
        assert!(complaint("the gradus is ").is_some_and(|c| c.contains("“gradus”")));
        assert!(complaint("the foxx").is_some_and(|c| c.contains("mean “fox”")));
    }
}
