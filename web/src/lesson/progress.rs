//! How far a run is, and how long it will take: read off an earlier run of the same lesson. If that was of the same
//! size, its parts took the shares of its time that this one's will take, more or less; if not, all count alike.

use gradus_lessons::recipe::record::Record;
use gradus_lessons::recipe::{Moment, Size};

/// A part of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// What is being done.
    pub name: String,
    /// When it began, in seconds from the run's start, pauses left out.
    pub began: f64,
}

/// What an earlier run tells of a lesson's parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Name and seconds of each part.
    parts: Vec<(String, f64)>,
    /// Seconds in all; 0 where the parts' times are not known.
    seconds: f64,
    /// How much was run.
    size: Size,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Of the whole run, from 0 to 1.
    pub share: f64,
    /// Seconds that are left, as far as can be said.
    pub left: Option<f64>,
}

/// Shares of a run's time below which nothing is foretold from its own pace.
const EARLY: f64 = 0.02;

impl Plan {
    /// The parts of an earlier run.
    pub fn of(record: &Record) -> Self {
        let names = record.moments.iter().filter_map(|m| match m {
            Moment::Stage { name } => Some(name.clone()),
            _ => None,
        });
        let names: Vec<_> = names.collect();
        let size = record.size;
        if names.is_empty() || names.len() != record.timeline.len() {
            return Self { parts: names.into_iter().map(|n| (n, 0.0)).collect(), seconds: 0.0, size };
        }
        // What came before the first part belongs to it.
        let begins = std::iter::once(0.0).chain(record.timeline.iter().skip(1).copied());
        let ends = record.timeline.iter().skip(1).copied().chain([record.seconds]);
        let times = begins.zip(ends).map(|(begin, end)| (end - begin).max(0.0));
        let parts: Vec<_> = names.into_iter().zip(times).collect();
        let seconds = parts.iter().map(|p| p.1).sum();
        Self { parts, seconds, size }
    }

    /// How many parts a run has.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How far a run of this size is whose `parts` have begun, whose last part is done to `share` of it, and which has
    /// worked for `seconds`. `None` where the earlier run had other parts, or fewer.
    pub fn progress(&self, size: Size, parts: &[Part], share: f64, seconds: f64) -> Option<Progress> {
        let known = !self.is_empty() && parts.len() <= self.len();
        // A run of another size may call its parts otherwise (a model by its width): they follow each other alike.
        let same = parts.iter().zip(&self.parts).all(|(part, (name, _))| part.name == *name);
        if !known || (size == self.size && !same) {
            return None;
        }
        let alike = size == self.size && self.seconds > 0.0;
        let time = |i: usize| if alike { self.parts[i].1 } else { 1.0 };
        let past = (1..parts.len()).map(|i| time(i - 1)).sum::<f64>();
        let now = parts.len().checked_sub(1).map_or(0.0, time);
        let whole = (0..self.len()).map(time).sum::<f64>();
        let share = ((past + now * share) / whole).clamp(0.0, 1.0);
        let left = (alike && share > EARLY).then(|| seconds * (1.0 - share) / share);
        Some(Progress { share, left })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_lessons::recipe::Lesson;

    fn record(timeline: &[f64]) -> Record {
        let stage = |name: &str| Moment::Stage { name: name.into() };
        Record {
            lesson: Lesson::Sft,
            seed: 1,
            size: Size::Smoke,
            patch: serde_json::Value::Null,
            device: String::new(),
            seconds: 10.0,
            timeline: timeline.to_vec(),
            moments: vec![stage("a"), stage("b"), stage("c")],
            checks: vec![],
            figures: serde_json::Value::Null,
        }
    }

    fn parts(names: &[&str]) -> Vec<Part> {
        names.iter().map(|n| Part { name: (*n).into(), began: 0.0 }).collect()
    }

    #[test]
    fn the_shares_of_an_earlier_run_foretell_this_one() {
        let plan = Plan::of(&record(&[0.5, 4.0, 8.0]));
        // Half of b, which took 4 s of 10, after a, which took 4 s: 60 %, reached in 12 s.
        let half = plan.progress(Size::Smoke, &parts(&["a", "b"]), 0.5, 12.0);
        let Some(Progress { share, left: Some(left) }) = half else { unreachable!("{half:?}") };
        assert!((share - 0.6).abs() < 1e-12 && (left - 8.0).abs() < 1e-9, "{half:?}");
        assert_eq!(plan.progress(Size::Smoke, &[], 0.0, 0.1), Some(Progress { share: 0.0, left: None }));
        let end = plan.progress(Size::Smoke, &parts(&["a", "b", "c"]), 1.0, 20.0);
        assert_eq!(end, Some(Progress { share: 1.0, left: Some(0.0) }));
    }

    #[test]
    fn parts_of_another_size_count_alike_and_foretell_no_time() {
        let plan = Plan::of(&record(&[0.5, 4.0, 8.0]));
        let half = plan.progress(Size::Default, &parts(&["a", "b"]), 0.5, 12.0);
        assert_eq!(half, Some(Progress { share: 0.5, left: None }));
        let plan = Plan::of(&record(&[]));
        assert_eq!(plan.progress(Size::Smoke, &parts(&["a", "b"]), 0.5, 12.0), half);
    }

    #[test]
    fn nothing_is_foretold_of_other_parts() {
        let plan = Plan::of(&record(&[0.0, 4.0, 8.0]));
        assert_eq!(plan.progress(Size::Smoke, &parts(&["a", "x"]), 0.5, 12.0), None);
        assert_eq!(plan.progress(Size::Smoke, &parts(&["a", "b", "c", "d"]), 0.5, 12.0), None);
        assert_eq!(Plan::default().progress(Size::Smoke, &[], 0.0, 0.1), None);
    }
}
