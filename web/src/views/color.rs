//! The page's colours as plotters wants them.

use crate::browser;
use plotters::style::{BLACK, RGBColor};

/// The colour of this custom property now, light or dark; black where it is none.
pub(crate) fn color(property: &str) -> RGBColor {
    parse(&browser::css(property)).unwrap_or(BLACK)
}

/// `#rrggbb`, or `#rgb` as a minifier leaves it.
fn parse(text: &str) -> Option<RGBColor> {
    let digits = text.strip_prefix('#')?;
    let width = if digits.len() == 3 { 1 } else { 2 };
    let part = |i: usize| {
        let value = u8::from_str_radix(digits.get(i * width..(i + 1) * width)?, 16).ok()?;
        Some(if width == 1 { value * 17 } else { value })
    };
    Some(RGBColor(part(0)?, part(1)?, part(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_long_and_short() {
        assert_eq!(parse("#1b1e24"), Some(RGBColor(27, 30, 36)));
        assert_eq!(parse("#fff"), Some(RGBColor(255, 255, 255)));
        assert_eq!(parse("#0a5"), Some(RGBColor(0, 170, 85)));
        assert_eq!(parse("white"), None);
        assert_eq!(parse("#ab"), None);
    }
}
