//! What a learner can choose for a run, and how a link holds it.

use super::knob::{Control, Knob, Numbers};
use crate::url::{device, device_name};
use gradus_core::protocol::DeviceChoice;
use gradus_lessons::recipe::Size;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The choices for a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// Seed of everything random.
    pub seed: u32,
    /// How much is run.
    pub size: Size,
    /// Where.
    pub device: DeviceChoice,
    /// Knobs that do not stand as usual.
    pub knobs: BTreeMap<&'static str, Turned>,
}

/// Where a knob stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turned {
    /// At this option of a choice.
    Option(usize),
    /// At this number.
    Number(f64),
}

impl Default for Choices {
    fn default() -> Self {
        Self { seed: 1, size: Size::Default, device: DeviceChoice::Auto, knobs: BTreeMap::new() }
    }
}

impl Choices {
    /// Those that a run was made with, from the settings that it changed.
    pub fn recorded(seed: u32, size: Size, patch: &Value, knobs: &[Knob]) -> Self {
        let mut choices = Self { seed, size, ..Self::default() };
        for knob in knobs {
            let path = knob.paths.first().map_or(String::new(), |p| format!("/{}", p.replace('.', "/")));
            let Some(value) = patch.pointer(&path) else { continue };
            match knob.control {
                Control::Number(range) => {
                    if let Some(number) = value.as_f64() {
                        choices.set(knob, &range, number);
                    }
                }
                Control::Choice { options, .. } => {
                    let same = |o: &(&str, &str)| serde_json::from_str(o.1).is_ok_and(|v: Value| v == *value);
                    if let Some(index) = options.iter().position(same) {
                        choices.turn(knob, index);
                    }
                }
            }
        }
        choices
    }

    /// What a link asks for, and what of it cannot be used.
    pub fn parse(query: &str, knobs: &'static [Knob]) -> (Self, Vec<String>) {
        let (mut choices, mut complaints) = (Self::default(), Vec::new());
        for pair in query.trim_start_matches('?').split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let used = match key {
                "seed" => value.parse().map(|v| choices.seed = v).is_ok(),
                "size" => size(value).map(|v| choices.size = v).is_some(),
                "device" => device(value).map(|v| choices.device = v).is_some(),
                _ => match knobs.iter().find(|k| k.id == key) {
                    Some(knob) => match choices.read(knob, value) {
                        Ok(()) => true,
                        Err(why) => {
                            complaints.push(format!("{} {why} The usual value was taken.", refused(key)));
                            continue;
                        }
                    },
                    None => continue,
                },
            };
            if !used {
                complaints.push(format!("{} The usual one was taken.", refused(key)));
            }
        }
        (choices, complaints)
    }

    /// The query of these choices (no `?`), only what differs from the usual.
    pub fn query(&self, knobs: &[Knob]) -> String {
        let usual = Self::default();
        let mut parts = Vec::new();
        if self.seed != usual.seed {
            parts.push(format!("seed={}", self.seed));
        }
        if self.size != usual.size {
            parts.push(format!("size={}", size_name(self.size)));
        }
        if self.device != usual.device {
            parts.push(format!("device={}", device_name(self.device)));
        }
        for knob in knobs {
            if let Some(turned) = self.knobs.get(knob.id) {
                let value = match (knob.control, turned) {
                    (Control::Number(range), Turned::Number(value)) => range.write(*value),
                    (Control::Choice { options, .. }, Turned::Option(i)) => {
                        options.get(*i).map_or(String::new(), |o| o.1.into())
                    }
                    _ => continue,
                };
                parts.push(format!("{}={value}", knob.id));
            }
        }
        parts.join("&")
    }

    /// Sets a knob to what a link says.
    fn read(&mut self, knob: &Knob, value: &str) -> Result<(), String> {
        match knob.control {
            Control::Choice { options, .. } => {
                let index = options.iter().position(|o| o.1 == value);
                self.turn(knob, index.ok_or("It is none of the choices.")?);
            }
            // In links of before knobs were numbers, the usual one.
            Control::Number(_) if value == "null" => {
                self.knobs.remove(knob.id);
            }
            Control::Number(range) => {
                self.knobs.insert(knob.id, Turned::Number(range.read(value)?));
            }
        }
        Ok(())
    }

    /// Sets a choice to one of its options.
    pub fn turn(&mut self, knob: &Knob, index: usize) {
        let usual = matches!(knob.control, Control::Choice { usual, .. } if usual == index);
        if usual {
            self.knobs.remove(knob.id);
        } else {
            self.knobs.insert(knob.id, Turned::Option(index));
        }
    }

    /// Sets a knob to a number of its range; the usual one of the size is no change.
    pub fn set(&mut self, knob: &Knob, range: &Numbers, value: f64) {
        if value == range.usual(self.size) {
            self.knobs.remove(knob.id);
        } else {
            self.knobs.insert(knob.id, Turned::Number(value));
        }
    }

    /// The option at which a choice stands; the usual one for a number.
    pub fn option(&self, knob: &Knob) -> usize {
        match (self.knobs.get(knob.id), knob.control) {
            (Some(Turned::Option(index)), _) => *index,
            (_, Control::Choice { usual, .. }) => usual,
            _ => 0,
        }
    }

    /// The number at which a knob stands.
    pub fn number(&self, knob: &Knob, range: &Numbers) -> f64 {
        match self.knobs.get(knob.id) {
            Some(Turned::Number(value)) => *value,
            _ => range.usual(self.size),
        }
    }

    /// The recipe's settings that the knobs change; null for none.
    pub fn patch(&self, knobs: &[Knob]) -> Value {
        let mut patch = Value::Null;
        for knob in knobs {
            let value: Value = match (self.knobs.get(knob.id), knob.control) {
                (Some(Turned::Number(value)), Control::Number(range)) => range.json(*value),
                (Some(Turned::Option(i)), Control::Choice { options, .. }) => {
                    options.get(*i).and_then(|o| serde_json::from_str(o.1).ok()).unwrap_or(Value::Null)
                }
                _ => continue,
            };
            for path in knob.paths {
                put(&mut patch, path, value.clone());
            }
        }
        patch
    }
}

fn refused(key: &str) -> String {
    format!("The link's “{key}” has a value that cannot be used.")
}

/// Puts a value into nested objects at a dotted path.
fn put(object: &mut Value, path: &str, value: Value) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Some(members) = object.as_object_mut() else { return };
    match rest {
        Some(rest) => put(members.entry(name).or_insert(Value::Null), rest, value),
        None => drop(members.insert(name.into(), value)),
    }
}

/// The name of a size in links.
pub fn size_name(size: Size) -> &'static str {
    match size {
        Size::Smoke => "smoke",
        Size::Default => "default",
        Size::Full => "full",
    }
}

/// The size of that name.
pub fn size(name: &str) -> Option<Size> {
    [Size::Smoke, Size::Default, Size::Full].into_iter().find(|s| size_name(*s) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KL: Numbers =
        Numbers { min: 0.0, max: 1.0, whole: false, log: false, usual: [0.05, 0.1, 0.1], marks: &[] };
    const KNOBS: &[Knob] = &[
        Knob { id: "kl_coef", label: "β", paths: &["ppo.kl_coef"], control: Control::Number(KL), hint: "" },
        Knob {
            id: "lr",
            label: "lr",
            paths: &["lr", "ppo.lr"],
            control: Control::Choice { options: &[("a", "0.5"), ("b", "2")], usual: 0 },
            hint: "",
        },
    ];

    #[test]
    fn a_link_holds_the_choices() {
        let mut choices =
            Choices { seed: 9, size: Size::Smoke, device: DeviceChoice::Cpu, ..Choices::default() };
        choices.set(&KNOBS[0], &KL, 0.3);
        choices.turn(&KNOBS[1], 1);
        let query = choices.query(KNOBS);
        assert_eq!(query, "seed=9&size=smoke&device=cpu&kl_coef=0.3&lr=2");
        assert_eq!(Choices::parse(&query, KNOBS), (choices, vec![]));
        assert_eq!(Choices::default().query(KNOBS), "");
    }

    #[test]
    fn links_of_before_knobs_were_numbers_still_work() {
        let of = |query| Choices::parse(query, KNOBS).0.patch(KNOBS);
        assert_eq!(of("kl_coef=0.0"), json!({ "ppo": { "kl_coef": 0.0 } }));
        assert_eq!(of("kl_coef=null"), Value::Null);
    }

    #[test]
    fn a_run_s_choices_are_read_from_its_patch() {
        let (choices, _) = Choices::parse("seed=3&size=smoke&kl_coef=0.3&lr=2", KNOBS);
        let read = Choices::recorded(3, Size::Smoke, &choices.patch(KNOBS), KNOBS);
        assert_eq!(read, choices);
        assert_eq!(Choices::recorded(1, Size::Default, &Value::Null, KNOBS), Choices::default());
    }

    #[test]
    fn knobs_become_a_patch_and_the_usual_none() {
        let mut choices = Choices::default();
        assert_eq!(choices.patch(KNOBS), Value::Null);
        choices.set(&KNOBS[0], &KL, 0.0);
        choices.turn(&KNOBS[1], 1);
        assert_eq!(choices.patch(KNOBS), json!({ "lr": 2, "ppo": { "kl_coef": 0.0, "lr": 2 } }));
        choices.set(&KNOBS[0], &KL, 0.1);
        choices.turn(&KNOBS[1], 0);
        assert_eq!(choices, Choices::default());
        choices.size = Size::Smoke;
        assert_eq!(choices.number(&KNOBS[0], &KL), 0.05);
    }

    #[test]
    fn a_hostile_link_changes_nothing_and_is_named() {
        let (choices, complaints) =
            Choices::parse("?seed=-1&size=huge&kl_coef=1e99&lr=7&device=toaster&utm=1", KNOBS);
        assert_eq!(choices, Choices::default());
        assert_eq!(complaints.len(), 5);
        assert!(complaints[2].contains("A number from 0 to 1 fits here."), "{}", complaints[2]);
    }
}
