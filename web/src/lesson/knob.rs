//! A lesson's knobs: which of the recipe's settings can be turned, and how far. Every value is bounded, so that no
//! link can ask for more than a tab can bear.

use gradus_lessons::recipe::Size;
use serde_json::Value;

/// Something of the recipe's settings that can be turned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knob {
    /// In links: `kl_coef`.
    pub id: &'static str,
    /// Beside the control.
    pub label: &'static str,
    /// What of the settings it changes: `ppo.kl_coef`; all of them to the same value.
    pub paths: &'static [&'static str],
    /// Its values.
    pub control: Control,
    /// One line on what it does, and what it breaks.
    pub hint: &'static str,
}

/// The values of a knob.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control {
    /// A few that have names.
    Choice {
        /// Name and JSON value of each.
        options: &'static [(&'static str, &'static str)],
        /// The one that leaves the settings alone.
        usual: usize,
    },
    /// Any number of a range.
    Number(Numbers),
}

/// The numbers that a knob may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Numbers {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Whether only whole numbers fit.
    pub whole: bool,
    /// Whether equal ways of the slider are equal factors.
    pub log: bool,
    /// What the recipe takes by itself at its sizes: smoke, default, full.
    pub usual: [f64; 3],
    /// Values worth trying: what each is for, and the value.
    pub marks: &'static [(&'static str, f64)],
}

/// Stops of a slider over real numbers.
const STOPS: u32 = 100;

impl Numbers {
    /// What the recipe takes by itself.
    pub const fn usual(&self, size: Size) -> f64 {
        self.usual[match size {
            Size::Smoke => 0,
            Size::Default => 1,
            Size::Full => 2,
        }]
    }

    /// The number, if it is one of the range.
    pub fn check(&self, value: f64) -> Option<f64> {
        let fits = (self.min..=self.max).contains(&value) && (!self.whole || value.fract() == 0.0);
        fits.then_some(value)
    }

    /// Reads what a person or a link wrote.
    ///
    /// # Errors
    /// A sentence that says what would fit.
    pub fn read(&self, text: &str) -> Result<f64, String> {
        let value = text.trim().replace(',', ".").parse().ok().and_then(|v| self.check(v));
        value.ok_or_else(|| {
            let kind = if self.whole { "A whole number" } else { "A number" };
            format!("{kind} from {} to {} fits here.", self.write(self.min), self.write(self.max))
        })
    }

    /// As in a link and in the number field.
    pub fn write(&self, value: f64) -> String {
        value.to_string()
    }

    /// As in the recipe's settings.
    pub fn json(&self, value: f64) -> Value {
        if self.whole { Value::from(value as u64) } else { Value::from(value) }
    }

    /// How many steps the slider has from end to end.
    pub fn stops(&self) -> u32 {
        let span = self.max - self.min;
        if self.whole && !self.log && span <= f64::from(STOPS) { span as u32 } else { STOPS }
    }

    /// Where the slider stands, from 0 to [`stops`](Self::stops).
    pub fn stop(&self, value: f64) -> u32 {
        let (low, high, v) = (self.bend(self.min), self.bend(self.max), self.bend(value));
        ((v - low) / (high - low) * f64::from(self.stops())).round() as u32
    }

    /// The round number at a stop of the slider.
    pub fn at(&self, stop: u32) -> f64 {
        let (low, high) = (self.bend(self.min), self.bend(self.max));
        let bent = low + (high - low) * f64::from(stop) / f64::from(self.stops());
        let (exact, unit) = if self.log {
            let exact = 10_f64.powf(bent);
            (exact, exact.log10().floor() as i32 - 1)
        } else {
            (bent, ((high - low) / (0.5 * f64::from(STOPS))).log10().floor() as i32)
        };
        let unit = if self.whole { unit.max(0) } else { unit };
        // Divided where the unit is a fraction, so that 0.3 is 0.3 and not 0.30000000000000004.
        let scale = 10_f64.powi(unit.abs());
        let round = if unit < 0 { (exact * scale).round() / scale } else { (exact / scale).round() * scale };
        round.clamp(self.min, self.max)
    }

    fn bend(&self, value: f64) -> f64 {
        if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Numbers =
        Numbers { min: 1e-5, max: 0.1, whole: false, log: true, usual: [1e-3; 3], marks: &[] };
    const RANK: Numbers =
        Numbers { min: 1.0, max: 16.0, whole: true, log: false, usual: [8.0; 3], marks: &[] };
    const SHARE: Numbers =
        Numbers { min: 0.0, max: 1.0, whole: false, log: false, usual: [0.1; 3], marks: &[] };

    #[test]
    fn a_slider_reaches_round_numbers_and_both_ends() {
        for range in [RATE, RANK, SHARE] {
            assert_eq!((range.at(0), range.at(range.stops())), (range.min, range.max));
            for stop in 0..=range.stops() {
                let value = range.at(stop);
                assert!(range.check(value).is_some());
                assert!(range.write(value).len() <= 8, "{value} is not round");
                assert!(range.stop(value).abs_diff(stop) <= 1, "{value} at {stop}");
            }
        }
        assert_eq!(RANK.stops(), 15);
        assert_eq!((SHARE.at(30), RATE.at(50)), (0.3, 0.001));
    }

    #[test]
    fn what_does_not_fit_is_answered_with_what_does() {
        assert_eq!(RATE.read(" 0.003 "), Ok(0.003));
        assert_eq!(SHARE.read("0,5"), Ok(0.5));
        for text in ["", "x", "-1", "1e99", "NaN", "2"] {
            assert_eq!(SHARE.read(text), Err("A number from 0 to 1 fits here.".into()), "{text}");
        }
        assert_eq!(RANK.read("2.5"), Err("A whole number from 1 to 16 fits here.".into()));
        assert_eq!((RANK.json(4.0), SHARE.json(0.0)), (Value::from(4), Value::from(0.0)));
    }
}
