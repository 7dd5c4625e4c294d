//! The comparisons that a learner makes by hand, what of the settings they change, and how they agree with others.
//! They are kept in this browser; no link holds them.

use gradus_lessons::recipe::labels::{Comparison, Own};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Who labels the pairs of the next run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Labeller {
    /// The rule-based one.
    #[default]
    Rule,
    /// Both: the learner's choices weigh [`Labels::weight`] times as much.
    Both,
    /// The learner alone.
    Own,
}

/// A learner's choices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// In the order in which they were made.
    pub made: Vec<Own>,
    /// Who labels the next run.
    pub labeller: Labeller,
    /// How often each choice is put among the pairs.
    pub weight: usize,
}

impl Default for Labels {
    fn default() -> Self {
        Self { made: Vec::new(), labeller: Labeller::Rule, weight: 25 }
    }
}

impl Labels {
    /// Which answer (0 or 1) was chosen of this pair, if it was labelled.
    pub fn of(&self, pair: &Comparison) -> Option<usize> {
        [0, 1].into_iter().find(|i| self.made.contains(&pair.chosen(*i)))
    }

    /// Takes a choice, in place of an earlier one of the same pair.
    pub fn choose(&mut self, pair: &Comparison, preferred: usize) {
        let both = [pair.chosen(0), pair.chosen(1)];
        self.made.retain(|own| !both.contains(own));
        self.made.push(pair.chosen(preferred));
    }

    /// Takes back the last choice.
    pub fn undo(&mut self) {
        self.made.pop();
    }

    /// What of the recipe's settings they change; null for nothing.
    pub fn patch(&self) -> Value {
        if self.labeller == Labeller::Rule || self.made.is_empty() {
            return Value::Null;
        }
        json!({ "preferences": {
            "own": self.made, "own_weight": self.weight, "own_alone": self.labeller == Labeller::Own,
        } })
    }

    /// Shares of the labelled pairs of `pairs` on which the learner agrees with the gold rule and with the reward model,
    /// and how many those are.
    pub fn agreement(&self, pairs: &[Comparison]) -> ([f64; 2], usize) {
        let labelled: Vec<_> = pairs.iter().filter_map(|p| Some((p, self.of(p)?))).collect();
        let share = |by: fn(&Comparison) -> usize| {
            labelled.iter().filter(|(p, own)| by(p) == *own).count() as f64 / labelled.len().max(1) as f64
        };
        ([share(Comparison::better), share(Comparison::judged)], labelled.len())
    }
}

/// Two patches of the same settings in one; where both name a value, the second's is taken.
pub fn joined(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Object(mut members), Value::Object(more)) => {
            for (name, value) in more {
                let old = members.remove(&name).unwrap_or(Value::Null);
                members.insert(name, joined(old, value));
            }
            Value::Object(members)
        }
        (first, Value::Null) => first,
        (_, second) => second,
    }
}

/// A patch without what labels made by hand change: what a link can hold of it.
pub fn without_labels(mut patch: Value) -> Value {
    if let Some(members) = patch.as_object_mut() {
        let preferences = members.get_mut("preferences").and_then(Value::as_object_mut);
        let left = preferences.map(|p: &mut Map<String, Value>| {
            p.retain(|name, _| !name.starts_with("own"));
            p.len()
        });
        if left == Some(0) {
            members.remove("preferences");
        }
        if members.is_empty() {
            return Value::Null;
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_lessons::recipe::{Lesson, Size, runner};

    fn pair(id: u32) -> Comparison {
        Comparison {
            prompt: vec![id],
            truth: vec![1],
            answers: [vec![1], vec![2]],
            gold: [1.0, 0.0],
            labelled: 1,
            scores: [0.0, 0.5],
        }
    }

    #[test]
    fn choices_are_made_changed_and_taken_back() {
        let mut labels = Labels::default();
        let pairs = [pair(1), pair(2), pair(3)];
        labels.choose(&pairs[0], 0);
        labels.choose(&pairs[1], 1);
        labels.choose(&pairs[0], 1);
        assert_eq!(labels.made.len(), 2);
        assert_eq!(pairs.each_ref().map(|p| labels.of(p)), [Some(1), Some(1), None]);
        labels.undo();
        assert_eq!(pairs.each_ref().map(|p| labels.of(p)), [None, Some(1), None]);
        labels.choose(&pairs[2], 0);
        // The rule prefers the first answer of each, the reward model the second.
        assert_eq!(labels.agreement(&pairs), ([0.5, 0.5], 2));
        assert_eq!(Labels::default().agreement(&pairs).1, 0);
    }

    #[test]
    fn labels_become_settings_that_exist() {
        let mut labels = Labels { labeller: Labeller::Both, ..Labels::default() };
        assert_eq!(labels.patch(), Value::Null);
        labels.choose(&pair(1), 0);
        let patch = labels.patch();
        runner::fits(Lesson::Rlhf, Size::Smoke, &patch).expect("it fits the recipe");
        let biased = json!({ "preferences": { "bias": 1.0 }, "ppo": { "kl_coef": 0 } });
        let both = joined(biased.clone(), patch.clone());
        runner::fits(Lesson::Rlhf, Size::Smoke, &both).expect("both fit");
        assert_eq!(both["preferences"]["bias"], 1.0);
        assert_eq!(both["preferences"]["own_weight"], 25);
        assert_eq!(without_labels(both), biased);
        assert_eq!(without_labels(patch.clone()), Value::Null);
        assert_eq!(joined(Value::Null, patch.clone()), patch);
        assert_eq!(joined(patch.clone(), Value::Null), patch);
        labels.labeller = Labeller::Rule;
        assert_eq!(labels.patch(), Value::Null);
    }
}
