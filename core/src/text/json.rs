//! `tokenizer.json`: the file format of Hugging Face's `tokenizers`, as far as our two kinds need it.

use super::{Kind, Tokenizer, UNKNOWN, bpe::Bpe, split::REGEX, words::Words};
use crate::{Error, Result};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The file's text.
pub(super) fn write(tokenizer: &Tokenizer) -> String {
    let added: Vec<Value> = tokenizer
        .eos
        .map(|id| {
            json!({
                "id": id, "content": tokenizer.token(id), "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true
            })
        })
        .into_iter()
        .collect();
    let (model, pre_tokenizer, decoder) = match &tokenizer.kind {
        Kind::Words(words) => {
            let vocab: Map<_, _> = words.all().iter().cloned().zip((0..).map(|id: u32| id.into())).collect();
            // The vocabulary lacks the unknown token on purpose: a word outside it is an error there too.
            let model = json!({"type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN});
            (model, json!({"type": "WhitespaceSplit"}), Value::Null)
        }
        Kind::Bpe(bpe) => {
            let names = names(tokenizer, bpe);
            let merges: Vec<_> =
                bpe.merges().iter().map(|&(a, b)| [&names[a as usize], &names[b as usize]]).collect();
            let vocab: Map<_, _> = names.iter().cloned().zip((0..).map(|id: u32| id.into())).collect();
            let model = json!({
                "type": "BPE", "dropout": null, "unk_token": bpe.unknown().map(|id| &names[id as usize]),
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
                "byte_fallback": false, "ignore_merges": false, "vocab": vocab, "merges": merges
            });
            let byte_level = json!({
                "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false
            });
            let split = json!({
                "type": "Split", "pattern": {"Regex": REGEX}, "behavior": "Isolated", "invert": false
            });
            (model, json!({"type": "Sequence", "pretokenizers": [split, byte_level]}), byte_level)
        }
    };
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": decoder, "model": model
    });
    format!("{file:#}")
}

/// The text of `tokenizer_config.json`.
pub(super) fn write_config(tokenizer: &Tokenizer) -> String {
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false
    });
    if let Some(eos) = tokenizer.eos {
        let eos = Value::from(tokenizer.token(eos));
        config["bos_token"] = eos.clone();
        config["eos_token"] = eos;
    }
    format!("{config:#}")
}

/// The strings of a BPE's tokens in the file: bytes through the byte-level alphabet, but the unknown and the
/// added token as they read.
fn names(tokenizer: &Tokenizer, bpe: &Bpe) -> Vec<String> {
    let letters = byte_letters();
    let name = |(token, id): (&Vec<u8>, u32)| match Some(id) {
        special if special == bpe.unknown() || special == tokenizer.eos => {
            String::from_utf8_lossy(token).into_owned()
        }
        _ => token.iter().map(|&b| letters[usize::from(b)]).collect(),
    };
    bpe.tokens().iter().zip(0..).map(name).collect()
}

/// GPT-2's printable letter for each byte (`bytes_to_unicode` of its encoder.py).
fn byte_letters() -> [char; 256] {
    let mut letters = ['\0'; 256];
    let mut next = '\u{100}'..;
    for (b, letter) in (0..=255u8).zip(letters.iter_mut()) {
        let printable = matches!(b, 33..=126 | 161..=172 | 174..=255);
        *letter = if printable { char::from(b) } else { next.next().unwrap_or('\0') };
    }
    letters
}

/// Reads the file.
pub(super) fn read(text: &str) -> Result<Tokenizer> {
    let file: Value = serde_json::from_str(text)
        .map_err(|e| Error::Text(format!("tokenizer.json is not JSON ({e}): export the tokenizer again")))?;
    for part in ["normalizer", "truncation", "padding"] {
        if !file[part].is_null() {
            return Err(unlike(part, file[part]["type"].as_str().unwrap_or("of any kind")));
        }
    }
    check_post_processor(&file["post_processor"])?;
    let added = match file["added_tokens"].as_array().map(Vec::as_slice).unwrap_or_default() {
        [] => None,
        [one] => Some(Added::read(one)?),
        more => {
            return Err(malformed(&format!("it adds {} tokens, and at most one is supported", more.len())));
        }
    };
    let model = &file["model"];
    let mut names = vocabulary(&model["vocab"])?;
    if let Some(added) = &added {
        if added.id as usize == names.len() && !names.contains(&added.text) {
            names.push(added.text.clone());
        }
        if names.get(added.id as usize) != Some(&added.text) {
            return Err(malformed(&format!(
                "the added token {:?} is not in the vocabulary at its id",
                added.text
            )));
        }
    }
    let eos = added.map(|a| a.id);
    let kind = match model["type"].as_str() {
        Some("WordLevel") => Kind::Words(read_words(&file, names)?),
        Some("BPE") => Kind::Bpe(read_bpe(&file, &names, eos)?),
        other => return Err(unlike("model", other.unwrap_or("without a type"))),
    };
    Ok(Tokenizer { kind, eos })
}

/// What comes after the model must leave the ids as they are: byte-level offsets, or the empty template that
/// transformers adds when it saves a tokenizer.
fn check_post_processor(step: &Value) -> Result<()> {
    let whole_text = |part: &Value| part["Sequence"]["id"] == "A";
    match step["type"].as_str() {
        None if step.is_null() => Ok(()),
        Some("ByteLevel") => Ok(()),
        Some("TemplateProcessing")
            if step["single"].as_array().is_some_and(|parts| parts.len() == 1 && whole_text(&parts[0])) =>
        {
            Ok(())
        }
        other => Err(unlike("post_processor", other.unwrap_or("without a type"))),
    }
}

fn malformed(what: &str) -> Error {
    Error::Text(format!("tokenizer.json cannot be used: {what}. Export the tokenizer again"))
}

fn unlike(part: &str, kind: &str) -> Error {
    Error::Text(format!(
        "tokenizer.json has a {part} ({kind}) that is not supported here: word-level tokenizers and byte-level \
         BPE as this program writes them are"
    ))
}

/// A token that is cut out of the text before all else.
struct Added {
    id: u32,
    text: String,
}

impl Added {
    fn read(value: &Value) -> Result<Self> {
        let id = value["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        let (Some(id), Some(text)) = (id, value["content"].as_str().filter(|text| !text.is_empty())) else {
            return Err(malformed("its added token lacks an id or a text"));
        };
        if ["single_word", "lstrip", "rstrip"].iter().any(|flag| value[flag] == true) {
            return Err(unlike("added token", "single_word, lstrip or rstrip"));
        }
        Ok(Self { id, text: text.to_owned() })
    }
}

/// The tokens in the order of their ids, which must be 0, 1, 2, …
fn vocabulary(vocab: &Value) -> Result<Vec<String>> {
    let map = vocab.as_object().ok_or_else(|| malformed("it has no model.vocab"))?;
    let mut names = vec![None; map.len()];
    for (name, id) in map {
        let slot = id.as_u64().and_then(|id| names.get_mut(usize::try_from(id).ok()?));
        match slot {
            Some(slot @ None) => *slot = Some(name.clone()),
            _ => {
                return Err(malformed(&format!(
                    "the id of token {name:?} is not a number of its own below {}",
                    map.len()
                )));
            }
        }
    }
    Ok(names.into_iter().flatten().collect())
}

fn read_words(file: &Value, names: Vec<String>) -> Result<Words> {
    let kind = file["pre_tokenizer"]["type"].as_str().unwrap_or("none");
    if kind != "WhitespaceSplit" {
        return Err(unlike("pre_tokenizer", kind));
    }
    if !file["decoder"].is_null() {
        return Err(unlike("decoder", "for words"));
    }
    if file["model"]["unk_token"].as_str().is_some_and(|unknown| names.iter().any(|n| n == unknown)) {
        return Err(unlike("token for unknown words", "in the vocabulary"));
    }
    Words::new(names)
}

fn read_bpe(file: &Value, names: &[String], eos: Option<u32>) -> Result<Bpe> {
    let model = &file["model"];
    let steps = &file["pre_tokenizer"]["pretokenizers"];
    let ours = steps[0]["type"] == "Split"
        && steps[0]["pattern"]["Regex"] == REGEX
        && steps[0]["behavior"] == "Isolated"
        && steps[0]["invert"] == false
        && steps[1]["type"] == "ByteLevel"
        && steps[1]["add_prefix_space"] == false
        && steps[1]["use_regex"] == false
        && steps.as_array().is_some_and(|steps| steps.len() == 2);
    if !ours {
        return Err(unlike("pre_tokenizer", "another rule for splitting words"));
    }
    if file["decoder"]["type"] != "ByteLevel" {
        return Err(unlike("decoder", "not byte-level"));
    }
    let set = |key: &str| !matches!(&model[key], Value::Null | Value::Bool(false)) && model[key] != "";
    for key in [
        "dropout",
        "continuing_subword_prefix",
        "end_of_word_suffix",
        "fuse_unk",
        "byte_fallback",
        "ignore_merges",
    ] {
        if set(key) {
            return Err(unlike("BPE setting", key));
        }
    }
    let ids: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let unknown = match model["unk_token"].as_str() {
        Some(name) => {
            Some(*ids.get(name).ok_or_else(|| malformed("its unknown token is not in the vocabulary"))?)
        }
        None => None,
    };
    let bytes: HashMap<char, u8> = byte_letters().into_iter().zip(0..=255).collect();
    let tokens = names
        .iter()
        .zip(0..)
        .map(|(name, id)| match Some(id) {
            special if special == unknown || special == eos => Ok(name.clone().into_bytes()),
            _ => name
                .chars()
                .map(|c| bytes.get(&c).copied())
                .collect::<Option<Vec<u8>>>()
                .filter(|bytes| !bytes.is_empty())
                .ok_or_else(|| malformed(&format!("token {name:?} is not written in byte-level letters"))),
        })
        .collect::<Result<Vec<_>>>()?;
    let merges = model["merges"].as_array().ok_or_else(|| malformed("it has no model.merges"))?;
    let merges = merges
        .iter()
        .enumerate()
        .map(|(rank, merge)| {
            // Older files write "a b", newer ones ["a", "b"]; byte-level letters hold no space.
            let pair = match merge {
                Value::String(text) => text.split_once(' '),
                Value::Array(two) if two.len() == 2 => two[0].as_str().zip(two[1].as_str()),
                _ => None,
            };
            pair.and_then(|(a, b)| Some((*ids.get(a)?, *ids.get(b)?)))
                .ok_or_else(|| malformed(&format!("merge {rank} is not a pair of its tokens")))
        })
        .collect::<Result<Vec<_>>>()?;
    Bpe::new(tokens, unknown, merges)
}
