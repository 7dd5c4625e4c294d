//! Numbers as people read them.

/// `127168` as `127,168`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `51234.0` as `51k`, `1.2e6` as `1.2M`, `940.0` as `940`.
pub fn short(n: f64) -> String {
    match n {
        n if n >= 9.995e6 => format!("{:.0}M", n / 1e6),
        n if n >= 9.995e5 => format!("{:.1}M", n / 1e6),
        n if n >= 9.995e3 => format!("{:.0}k", n / 1e3),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// Bytes in decimal units: `472064` as `472 kB`.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        n if n >= 9.95e6 => format!("{:.0} MB", n / 1e6),
        n if n >= 9.995e5 => format!("{:.1} MB", n / 1e6),
        n if n >= 1e3 => format!("{:.0} kB", n / 1e3),
        n => format!("{n:.0} B"),
    }
}

/// Seconds as people say them: `0.4 s`, `12 s`, `2 min 5 s`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 59.5 => format!("{s:.0} s"),
        s => {
            let whole = s.round() as u64;
            if whole.is_multiple_of(60) {
                format!("{} min", whole / 60)
            } else {
                format!("{} min {} s", whole / 60, whole % 60)
            }
        }
    }
}

/// A program's numbers in print: `-0.19` as `−0.19`, `1.5e-9` as `1.5·10⁻⁹`.
pub fn typeset(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        let digit = |c: char| c.is_ascii_digit();
        let unsigned = after.strip_prefix('-').unwrap_or(after);
        rest = after;
        match letter {
            '-' if after.starts_with(digit) && !out.ends_with(char::is_alphanumeric) => out.push('−'),
            'e' if out.ends_with(digit) && unsigned.starts_with(digit) => {
                let end = unsigned.find(|c| !digit(c)).unwrap_or(unsigned.len());
                out.push_str("·10");
                let sign = if unsigned.len() < after.len() { "⁻" } else { "" };
                out.push_str(sign);
                out.extend(
                    unsigned[..end]
                        .chars()
                        .filter_map(|c| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(c as usize - '0' as usize)),
                );
                rest = &unsigned[end..];
            }
            letter => out.push(letter),
        }
    }
    out
}

/// A bound without the zeros that fill it up: `≥ 0.9000` as `≥ 0.9`.
pub fn bound(text: &str) -> String {
    let word = |word: &str| {
        let (number, power) = word.split_at(word.find('e').unwrap_or(word.len()));
        if number.contains('.') && number.ends_with('0') {
            format!("{}{power}", number.trim_end_matches('0').trim_end_matches('.'))
        } else {
            word.to_owned()
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A message as a sentence: a capital first, a full stop last.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let mut out: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    out.push_str(letters.as_str());
    if !out.is_empty() && !out.ends_with(['.', '!', '?', '…']) {
        out.push('.');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_lose_their_zeros() {
        assert_eq!(bound("≥ 0.9000"), "≥ 0.9");
        assert_eq!(bound("3.300 ± 0.05000"), "3.3 ± 0.05");
        assert_eq!(bound("≤ 1.00e-9"), "≤ 1e-9");
        assert_eq!(bound("= 100, ≤ 4"), "= 100, ≤ 4");
    }

    #[test]
    fn numbers_are_set_as_in_print() {
        assert_eq!(typeset("≤ 1.00e-9"), "≤ 1.00·10⁻⁹");
        assert_eq!(typeset("-0.19 ± 2e12 nats"), "−0.19 ± 2·10¹² nats");
        assert_eq!(typeset("top-1, e-mail, 3 - 2, r = -1"), "top-1, e-mail, 3 - 2, r = −1");
    }

    #[test]
    fn a_message_is_a_sentence() {
        assert_eq!(sentence("the zip is damaged"), "The zip is damaged.");
        assert_eq!(["", "Done.", "why?"].map(sentence), ["", "Done.", "Why?"]);
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1000, 127_168].map(grouped), ["0", "999", "1,000", "127,168"]);
        assert_eq!([0.4, 940.0, 5123.0, 51_234.0, 1.2e6].map(short), ["0", "940", "5.1k", "51k", "1.2M"]);
        assert_eq!([12, 472_064, 3_400_000, 45e6 as u64].map(bytes), ["12 B", "472 kB", "3.4 MB", "45 MB"]);
    }
}
