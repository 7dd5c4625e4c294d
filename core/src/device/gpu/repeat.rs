//! Lines that are repeated: registers have names, and sixteen rows need sixteen of them.
//!
//! ```text
//! #repeat r 0 HELD
//!     var sum_#r = vec4f();
//! #end
//! ```
//!
//! puts the lines between once for each number from the first up to the last, which is left out, with `#r` become the
//! number. A bound is a number or a constant of the launch. Repetitions nest.

use crate::ops::Constant;
use crate::{Error, Result};

/// `text` with its repetitions written out. Errors: a repetition without an end, or with a bound that nobody declares.
pub(super) fn repeat(text: &str, constants: &[(&str, Constant)]) -> Result<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(2 * text.len());
    write(&lines, &[], constants, &mut out)?;
    Ok(out)
}

fn write(
    lines: &[&str],
    names: &[(String, u32)],
    constants: &[(&str, Constant)],
    out: &mut String,
) -> Result<()> {
    let mut rest = lines;
    while let [line, after @ ..] = rest {
        rest = after;
        let Some(head) = line.strip_prefix("#repeat ") else {
            let mut line = (*line).to_string();
            for (name, value) in names {
                line = line.replace(name, &value.to_string());
            }
            out.push_str(&line);
            out.push('\n');
            continue;
        };
        let length = body(rest).ok_or_else(|| Error::Graph(format!("a kernel's {line:?} has no #end")))?;
        let mut words = head.split_whitespace();
        let name = words.next().unwrap_or_default();
        let mut bound = || {
            let word = words.next().unwrap_or_default();
            number(word, constants)
                .ok_or_else(|| Error::Graph(format!("a kernel repeats up to {word:?}, which is no constant")))
        };
        let (first, end) = (bound()?, bound()?);
        for value in first..end {
            let names = [names, &[(format!("#{name}"), value)]].concat();
            write(&rest[..length], &names, constants, out)?;
        }
        rest = &rest[length + 1..];
    }
    Ok(())
}

/// How many lines come before the end of the repetition that has just begun.
fn body(lines: &[&str]) -> Option<usize> {
    let mut depth = 1;
    lines.iter().position(|line| {
        depth += usize::from(line.starts_with("#repeat "));
        depth -= usize::from(*line == "#end");
        depth == 0
    })
}

fn number(word: &str, constants: &[(&str, Constant)]) -> Option<u32> {
    word.parse().ok().or_else(|| {
        constants.iter().find(|(name, _)| *name == word).and_then(|(_, value)| match value {
            Constant::U(value) => Some(*value),
            _ => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_nest_and_end() {
        let text = "a\n#repeat r 0 R\nb#r\n#repeat c 1 3\nc#r_#cu\n#end\n#end\nd";
        let got = repeat(text, &[("R", Constant::U(2))]).expect("well formed");
        assert_eq!(got, "a\nb0\nc0_1u\nc0_2u\nb1\nc1_1u\nc1_2u\nd\n");
        assert_eq!(repeat("#repeat r 0 0\na\n#end", &[]).expect("well formed"), "");
    }

    #[test]
    fn what_does_not_end_is_refused() {
        assert!(repeat("#repeat r 0 2\na", &[]).is_err());
        assert!(repeat("#repeat r 0 R\na\n#end", &[]).is_err());
    }
}
