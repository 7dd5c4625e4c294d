//! Training data in TRL's formats: one JSON object a line, each text a string or an array of token ids.

use gradus_core::text::Tokenizer;
use serde_json::{Map, Value};
use std::path::Path;

/// Largest data file, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// A line's prompt and its answers, in the order of the fields that were asked for.
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) prompt: Vec<u32>,
    pub(super) answers: Vec<Vec<u32>>,
}

/// Reads the file. `fields` are the answers' names: `completion`, or `chosen` and `rejected`.
///
/// A prompt's text begins after the tokenizer's document mark, an answer's text ends with it; arrays of token ids
/// are used as they are.
pub(super) fn read(
    path: &Path,
    fields: &[&str],
    tokenizer: Option<&Tokenizer>,
    vocab: usize,
) -> Result<Vec<Line>, String> {
    let file = path.display();
    let size = std::fs::metadata(path).map_err(|e| format!("{file} cannot be read: {e}"))?.len();
    if size > MAX_BYTES {
        return Err(format!(
            "{file} has {} MiB, and the limit is {} MiB: split it",
            size >> 20,
            MAX_BYTES >> 20
        ));
    }
    let text = std::fs::read(path).map_err(|e| format!("{file} cannot be read: {e}"))?;
    let text = String::from_utf8(text).map_err(|_| format!("{file} is not UTF-8: save it as UTF-8"))?;
    // Some editors begin UTF-8 with a byte-order mark.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let mut lines = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = i + 1;
        let at = |what: String| format!("{file}, line {number}: {what}");
        let value: Value = serde_json::from_str(line).map_err(|e| at(format!("no JSON ({e})")))?;
        let object = value.as_object().ok_or_else(|| at("no JSON object: write {\"prompt\": …}".into()))?;
        let ids = |name: &str, prompt: bool| tokens(object, name, prompt, tokenizer, vocab).map_err(&at);
        let prompt = ids("prompt", true)?;
        let answers = fields.iter().map(|name| ids(name, false)).collect::<Result<Vec<_>, _>>()?;
        lines.push(Line { number, prompt, answers });
    }
    if lines.is_empty() {
        return Err(format!("{file} has no line: give one JSON object a line"));
    }
    Ok(lines)
}

fn tokens(
    line: &Map<String, Value>,
    name: &str,
    prompt: bool,
    tokenizer: Option<&Tokenizer>,
    vocab: usize,
) -> Result<Vec<u32>, String> {
    let ids = match line.get(name) {
        None => return Err(format!("there is no {name:?}: give it as a string or an array of token ids")),
        Some(Value::String(text)) => {
            let tokenizer = tokenizer.ok_or_else(|| {
                format!("{name:?} is text, and the model folder has no tokenizer.json: give token ids")
            })?;
            let made = if prompt { tokenizer.prompt(text) } else { tokenizer.encode(text) };
            let mut ids = made.map_err(|e| format!("{name:?}: {e}"))?;
            if let Some(eos) = tokenizer.eos().filter(|eos| !prompt && ids.last() != Some(eos)) {
                ids.push(eos);
            }
            ids
        }
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => {
            return Err(format!(
                "{name:?} is a conversation: apply the chat template first, and give a string or token ids"
            ));
        }
        Some(Value::Array(items)) => {
            let id = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
            let ids: Option<Vec<u32>> = items.iter().map(id).collect();
            ids.ok_or_else(|| format!("{name:?} holds something that is no token id: only whole numbers"))?
        }
        Some(_) => return Err(format!("{name:?} must be a string or an array of token ids")),
    };
    if let Some(token) = ids.iter().find(|&&t| t as usize >= vocab) {
        return Err(format!("{name:?} has token {token}, the model's vocabulary ends at {}", vocab - 1));
    }
    if ids.is_empty() {
        return Err(format!("{name:?} is empty: give at least one token"));
    }
    Ok(ids)
}
