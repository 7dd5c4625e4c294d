//! Pre-tokenisation: where a text is cut before BPE, so that no token spans a word boundary.
//!
//! Much as GPT-2 cuts (Radford et al. 2019, §2.2): a word, a number or a run of punctuation, each with at
//! most one space before it; and runs of white space, which leave their last space to the word behind. But
//! classes are written in ASCII, and everything beyond ASCII counts as a letter, so that the rule needs no
//! Unicode tables and [`REGEX`] means the same in Rust, Oniguruma and JavaScript. A piece has at most 33
//! characters, which bounds the work of BPE (quadratic in a piece) on any text.

/// Longest run of one class in a piece.
const LONGEST: usize = 32;

/// The rule, for `tokenizer.json`. [`split`] is the same rule by hand.
pub(super) const REGEX: &str = concat!(
    r" ?[^\x00-\x40\x5B-\x60\x7B-\x7F]{1,32}",
    r"| ?[\x30-\x39]{1,32}",
    r"| ?[\x00-\x08\x0E-\x1F\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7F]{1,32}",
    r"|[\x09-\x0D\x20]{1,32}(?![^\x09-\x0D\x20])",
    r"|[\x09-\x0D\x20]{1,32}",
);

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Letter,
    Digit,
    Space,
    Other,
}

fn class(c: char) -> Class {
    match c {
        'A'..='Z' | 'a'..='z' | '\u{80}'.. => Class::Letter,
        '0'..='9' => Class::Digit,
        '\t'..='\r' | ' ' => Class::Space,
        _ => Class::Other,
    }
}

/// Cuts `text` into pieces whose concatenation is `text`.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = piece(rest)?;
        let (head, tail) = rest.split_at(end);
        rest = tail;
        Some(head)
    })
}

/// Bytes of the first piece of `text`; None where it is empty.
fn piece(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    // One space belongs to the run behind it, unless that is white space too.
    let (lead, of) = match text.strip_prefix(' ').and_then(|rest| rest.chars().next()).map(class) {
        Some(behind) if behind != Class::Space => (1, behind),
        _ => (0, class(first)),
    };
    let run = text[lead..].char_indices().take_while(|&(_, c)| class(c) == of).take(LONGEST);
    let (last, c) = run.last()?;
    let end = lead + last + c.len_utf8();
    // A run of white space leaves its last character to what follows, unless nothing else follows or it
    // is the only one.
    let leaves_one =
        of == Class::Space && end > 1 && text[end..].chars().next().is_some_and(|c| class(c) != Class::Space);
    Some(if leaves_one { end - 1 } else { end })
}
