//! What a learner can choose for a run, and how a link holds it.

use crate::url::{device, device_name};
use gradus_core::protocol::DeviceChoice;
use gradus_lessons::recipe::Size;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Something of the recipe's settings that can be turned. Its values are few and known, so that no link can ask
/// for more than a tab can bear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knob {
    /// In links: `kl_coef`.
    pub id: &'static str,
    /// Beside the control.
    pub label: &'static str,
    /// What of the settings it changes: `ppo.kl_coef`; all of them to the same value.
    pub paths: &'static [&'static str],
    /// Name and JSON value of each choice.
    pub options: &'static [(&'static str, &'static str)],
    /// The choice that leaves the settings alone.
    pub usual: usize,
    /// One line on what it does, and what it breaks.
    pub hint: &'static str,
}

/// The choices for a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// Seed of everything random.
    pub seed: u32,
    /// How much is run.
    pub size: Size,
    /// Where.
    pub device: DeviceChoice,
    /// Knobs that do not stand as usual: the index of their option.
    pub knobs: BTreeMap<&'static str, usize>,
}

impl Default for Choices {
    fn default() -> Self {
        Self { seed: 1, size: Size::Default, device: DeviceChoice::Auto, knobs: BTreeMap::new() }
    }
}

impl Choices {
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
                    Some(knob) => {
                        let index = knob.options.iter().position(|o| o.1 == value);
                        index.map(|i| choices.turn(knob, i)).is_some()
                    }
                    None => continue,
                },
            };
            if !used {
                complaints.push(format!(
                    "The link's “{key}” has a value that cannot be used, so the usual one was taken."
                ));
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
            if let Some((_, value)) = self.knobs.get(knob.id).and_then(|i| knob.options.get(*i)) {
                parts.push(format!("{}={value}", knob.id));
            }
        }
        parts.join("&")
    }

    /// Sets a knob to one of its options.
    pub fn turn(&mut self, knob: &Knob, index: usize) {
        if index == knob.usual {
            self.knobs.remove(knob.id);
        } else {
            self.knobs.insert(knob.id, index);
        }
    }

    /// The option at which a knob stands.
    pub fn of(&self, knob: &Knob) -> usize {
        self.knobs.get(knob.id).copied().unwrap_or(knob.usual)
    }

    /// The recipe's settings that the knobs change; null for none.
    pub fn patch(&self, knobs: &[Knob]) -> Value {
        let mut patch = Value::Null;
        for knob in knobs {
            let Some((_, json)) = self.knobs.get(knob.id).and_then(|i| knob.options.get(*i)) else {
                continue;
            };
            let value: Value = serde_json::from_str(json).unwrap_or(Value::Null);
            for path in knob.paths {
                put(&mut patch, path, value.clone());
            }
        }
        patch
    }
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

    const KNOBS: &[Knob] = &[
        Knob {
            id: "kl_coef",
            label: "β",
            paths: &["ppo.kl_coef"],
            options: &[("0", "0"), ("0.1", "0.1"), ("1", "1")],
            usual: 1,
            hint: "",
        },
        Knob {
            id: "lr",
            label: "lr",
            paths: &["lr", "ppo.lr"],
            options: &[("a", "0.5"), ("b", "2")],
            usual: 0,
            hint: "",
        },
    ];

    #[test]
    fn a_link_holds_the_choices() {
        let mut choices =
            Choices { seed: 9, size: Size::Smoke, device: DeviceChoice::Cpu, ..Choices::default() };
        choices.turn(&KNOBS[0], 2);
        let query = choices.query(KNOBS);
        assert_eq!(query, "seed=9&size=smoke&device=cpu&kl_coef=1");
        assert_eq!(Choices::parse(&query, KNOBS), (choices, vec![]));
        assert_eq!(Choices::default().query(KNOBS), "");
    }

    #[test]
    fn knobs_become_a_patch_and_the_usual_none() {
        let mut choices = Choices::default();
        assert_eq!(choices.patch(KNOBS), Value::Null);
        choices.turn(&KNOBS[0], 0);
        choices.turn(&KNOBS[1], 1);
        assert_eq!(choices.patch(KNOBS), json!({ "lr": 2, "ppo": { "kl_coef": 0, "lr": 2 } }));
        choices.turn(&KNOBS[0], 1);
        assert_eq!(choices.of(&KNOBS[0]), 1);
        assert!(!choices.knobs.contains_key("kl_coef"));
    }

    #[test]
    fn a_hostile_link_changes_nothing_and_is_named() {
        let (choices, complaints) =
            Choices::parse("?seed=-1&size=huge&kl_coef=1e99&device=toaster&utm=1", KNOBS);
        assert_eq!(choices, Choices::default());
        assert_eq!(complaints.len(), 4);
    }
}
