//! What the page knows of a lesson's run. Only [`State::apply`] changes it, so that it can be tested without a
//! browser.

use super::progress::Part;
use super::wire::{FromCourse, Meter};
use gradus_core::protocol::DeviceReport;
use gradus_lessons::recipe::record::Record;
use gradus_lessons::recipe::rollout::Rollout;
use gradus_lessons::recipe::{Moment, Size};
use std::collections::BTreeMap;

/// Where the run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs.
    #[default]
    Ready,
    /// The worker computes.
    Running,
    /// It waits for the learner.
    Paused,
    /// It came to its end.
    Done,
    /// It failed.
    Failed,
}

impl Phase {
    /// As in `data-phase`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Whose numbers are on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Nobody's yet.
    #[default]
    Nothing,
    /// Those of the recorded run that came with the page.
    Shipped,
    /// Those of the learner's last run, kept in this browser.
    Kept,
    /// Those of a run of this visit.
    Live,
}

impl Shown {
    /// As in `data-shown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Shipped => "shipped",
            Self::Kept => "kept",
            Self::Live => "live",
        }
    }
}

/// The metrics of one of a recipe's runs (`d32`, `ppo`, `masked`): values by name, each at its step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Run {
    /// Its name.
    pub name: String,
    /// Step and value, ascending, by the metric's name.
    pub metrics: BTreeMap<String, Vec<(u64, f64)>>,
}

/// A text that a model wrote during the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Which run's model.
    pub run: String,
    /// Its step.
    pub step: u64,
    /// What it was given.
    pub prompt: String,
    /// What it wrote.
    pub answer: String,
}

/// Answers that a policy learned from in one iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Rolled {
    /// Which run's policy.
    pub run: String,
    /// The iteration.
    pub step: u64,
    /// Some of its answers.
    pub answers: Vec<Rollout>,
}

/// The data that a stage learned from.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// What it is: `preferences`.
    pub name: String,
    /// Lines in all; of a recorded run only the first are at hand.
    pub lines: u64,
    /// One JSON object a line.
    pub jsonl: String,
}

/// The run on the screen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Where it stands.
    pub phase: Phase,
    /// Whose numbers these are.
    pub shown: Shown,
    /// The parts that have begun; the last one is being done.
    pub stages: Vec<Part>,
    /// Units done and in all, of the last part.
    pub progress: Option<(u64, u64)>,
    /// The runs, in the order in which they began.
    pub runs: Vec<Run>,
    /// Texts, oldest first.
    pub texts: Vec<Text>,
    /// Rollouts, oldest first.
    pub rollouts: Vec<Rolled>,
    /// What the stage learned from, for other tools.
    pub data: Option<DataSet>,
    /// Steps seen, of all runs.
    pub steps: u64,
    /// What it has cost so far.
    pub meter: Meter,
    /// Where it computes.
    pub device: Option<DeviceReport>,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// Its seed.
    pub seed: u32,
    /// How much is run.
    pub size: Size,
    /// What went wrong.
    pub failure: Option<String>,
}

impl State {
    /// A run that has just been asked for.
    pub fn begun(seed: u32, size: Size) -> Self {
        Self { phase: Phase::Running, shown: Shown::Live, seed, size, ..Self::default() }
    }

    /// A run that ended earlier.
    pub fn recorded(record: &Record, shown: Shown) -> Self {
        let mut state = Self {
            phase: if shown == Shown::Shipped { Phase::Ready } else { Phase::Done },
            shown,
            seed: record.seed,
            size: record.size,
            seconds: Some(record.seconds),
            device: Some(DeviceReport { name: record.device.clone(), ..DeviceReport::default() }),
            ..Self::default()
        };
        record.moments.iter().for_each(|m| state.moment(m));
        for (part, began) in state.stages.iter_mut().zip(&record.timeline) {
            part.began = *began;
        }
        state
    }

    /// Takes in what the worker said.
    pub fn apply(&mut self, message: &FromCourse) {
        match message {
            FromCourse::Device(report) => self.device = Some(report.clone()),
            FromCourse::Meter(meter) => {
                // A device that was given back holds nothing: what it held last stays.
                let bytes = if meter.bytes == 0 { self.meter.bytes } else { meter.bytes };
                self.meter = Meter { bytes, ..*meter };
            }
            FromCourse::Moments(moments) => moments.iter().for_each(|m| self.moment(m)),
            FromCourse::Paused(paused) => self.phase = if *paused { Phase::Paused } else { Phase::Running },
            FromCourse::Done { seconds, .. } => {
                self.phase = Phase::Done;
                self.seconds = Some(*seconds);
                self.progress = None;
            }
            FromCourse::Failed { message } | FromCourse::Panicked { message } => {
                self.phase = Phase::Failed;
                self.failure = Some(message.clone());
            }
            FromCourse::Ready { .. } | FromCourse::Answered { .. } => {}
        }
    }

    fn moment(&mut self, moment: &Moment) {
        match moment {
            Moment::Stage { name } => {
                self.stages.push(Part { name: name.clone(), began: self.meter.seconds });
                self.progress = None;
            }
            Moment::Progress { done, of } => self.progress = Some((*done, *of)),
            Moment::Metrics { run, step, values } => {
                self.steps += 1;
                let run = self.run_named(run);
                for (name, value) in values {
                    match run.metrics.get_mut(name) {
                        Some(curve) => curve.push((*step, *value)),
                        None => drop(run.metrics.insert(name.clone(), vec![(*step, *value)])),
                    }
                }
            }
            Moment::Text { run, step, prompt, answer } => self.texts.push(Text {
                run: run.clone(),
                step: *step,
                prompt: prompt.clone(),
                answer: answer.clone(),
            }),
            Moment::Rollouts { run, step, rollouts } => {
                self.rollouts.push(Rolled { run: run.clone(), step: *step, answers: rollouts.clone() })
            }
            Moment::Data { name, lines, jsonl } => {
                self.data = Some(DataSet { name: name.clone(), lines: *lines, jsonl: jsonl.clone() });
            }
        }
    }

    fn run_named(&mut self, name: &str) -> &mut Run {
        let index = self.runs.iter().position(|r| r.name == name).unwrap_or_else(|| {
            self.runs.push(Run { name: name.into(), ..Run::default() });
            self.runs.len() - 1
        });
        &mut self.runs[index]
    }

    /// A run's metric, step by step; empty where there is none.
    pub fn curve(&self, run: &str, metric: &str) -> &[(u64, f64)] {
        let run = self.runs.iter().find(|r| r.name == run);
        run.and_then(|r| r.metrics.get(metric)).map_or(&[], Vec::as_slice)
    }

    /// Whether a run is under way, paused or not.
    pub fn busy(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// All metrics, a row a value: `run,step,metric,value`.
    pub fn csv(&self) -> String {
        let mut out = String::from("run,step,metric,value\n");
        for run in &self.runs {
            for (metric, curve) in &run.metrics {
                for (step, value) in curve {
                    out.push_str(&format!("{},{step},{metric},{value}\n", run.name));
                }
            }
        }
        out
    }

    /// All metrics, one JSON object a step of a run.
    pub fn jsonl(&self) -> String {
        let mut out = String::new();
        for run in &self.runs {
            let mut steps: BTreeMap<u64, serde_json::Map<String, serde_json::Value>> = BTreeMap::new();
            for (metric, curve) in &run.metrics {
                for (step, value) in curve {
                    steps.entry(*step).or_default().insert(metric.clone(), (*value).into());
                }
            }
            for (step, mut values) in steps {
                values.insert("run".into(), run.name.clone().into());
                values.insert("step".into(), step.into());
                out.push_str(&serde_json::Value::Object(values).to_string());
                out.push('\n');
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(run: &str, step: u64, loss: f64) -> Moment {
        Moment::Metrics { run: run.into(), step, values: vec![("loss".into(), loss)] }
    }

    #[test]
    fn a_run_is_followed_to_its_end() {
        let mut state = State::begun(3, Size::Smoke);
        state.apply(&FromCourse::Meter(Meter { seconds: 1.5, tokens: 64, bytes: 9 }));
        state.apply(&FromCourse::Moments(vec![
            Moment::Stage { name: "training".into() },
            metrics("a", 1, 2.0),
            metrics("b", 1, 3.0),
            metrics("a", 2, 1.5),
            Moment::Progress { done: 2, of: 9 },
        ]));
        assert_eq!(state.curve("a", "loss"), [(1, 2.0), (2, 1.5)]);
        assert_eq!(state.curve("c", "loss"), []);
        assert_eq!(state.stages, [Part { name: "training".into(), began: 1.5 }]);
        assert_eq!((state.steps, state.progress), (3, Some((2, 9))));
        state.apply(&FromCourse::Meter(Meter { seconds: 2.0, tokens: 99, bytes: 0 }));
        assert_eq!((state.meter.tokens, state.meter.bytes), (99, 9));
        state.apply(&FromCourse::Paused(true));
        assert!(state.busy() && state.phase == Phase::Paused);
        let done = FromCourse::Done {
            checks: vec![],
            figures: serde_json::Value::Null,
            moments: vec![],
            seconds: 4.0,
            roles: vec![],
        };
        state.apply(&done);
        assert_eq!((state.phase, state.seconds), (Phase::Done, Some(4.0)));
    }

    #[test]
    fn exports_hold_every_value() {
        let mut state = State::begun(1, Size::Smoke);
        state.apply(&FromCourse::Moments(vec![metrics("a", 1, 2.0), metrics("a", 2, 1.0)]));
        assert_eq!(state.csv(), "run,step,metric,value\na,1,loss,2\na,2,loss,1\n");
        assert_eq!(state.jsonl().lines().count(), 2);
        assert!(state.jsonl().contains(r#""loss":2.0"#));
    }

    #[test]
    fn a_failure_is_kept_with_its_words() {
        let mut state = State::begun(1, Size::Smoke);
        state.apply(&FromCourse::Failed { message: "too big".into() });
        assert_eq!((state.phase, state.failure.as_deref()), (Phase::Failed, Some("too big")));
    }
}
