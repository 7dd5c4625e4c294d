//! What the page knows of the run: a pure fold over the session's events.

use crate::format::sentence;
use gradus_core::protocol::{DeviceReport, Event, Phase, Started};
use std::collections::VecDeque;

/// Generated text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Step of the weights that wrote it.
    pub step: u64,
    /// What the model was given.
    pub prompt: String,
    /// What it wrote, one string a token.
    pub tokens: Vec<String>,
}

/// The token that ends a document; it is not part of the text.
const END: &str = "<eos>";

impl Sample {
    /// The tokens as they are to be shown: a tokenizer of whole words gives them without the spaces
    /// between them, a byte-level one with.
    pub fn pieces(&self) -> Vec<String> {
        let words = self.tokens.len() > 1 && !self.tokens.iter().any(|t| t.contains(char::is_whitespace));
        let shown = self.tokens.iter().filter(|t| t.trim() != END);
        let space = |i: usize| if words && (i > 0 || !self.prompt.is_empty()) { " " } else { "" };
        shown.enumerate().map(|(i, t)| format!("{}{t}", space(i))).collect()
    }
}

/// How a notice is meant; the graver the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Something happened that is good to know.
    Info,
    /// Something could not be done; the run is as it was.
    Warning,
    /// The run stopped.
    Error,
}

/// What a notice's button does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Take the run back to its last good checkpoint.
    Checkpoint,
    /// Start the engine anew.
    Retry,
}

/// A sentence for the user.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// How it is meant.
    pub tone: Tone,
    /// What happened and what to do.
    pub text: String,
    /// What can be done about it by a press on a button.
    pub offer: Option<Offer>,
}

impl Notice {
    /// A notice without an offer.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into(), offer: None }
    }
}

/// The run as the page shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// Whether it is going.
    pub phase: Phase,
    /// A long preparation: what, and how much of it is done (0 to 1).
    pub preparing: Option<(String, f32)>,
    /// What the session said when the run was ready.
    pub started: Option<Box<Started>>,
    /// Steps done.
    pub step: u64,
    /// Training loss of every step: `(step, nats per token)`.
    pub losses: Vec<(u64, f32)>,
    /// Sum of the losses up to and with each.
    sums: Vec<f64>,
    /// Held-out losses: `(step, nats per token)`.
    pub validation: Vec<(u64, f64)>,
    /// Tokens a second, lately.
    pub tokens_per_second: f64,
    /// Tokens learned from.
    pub num_tokens: u64,
    /// The first text this run wrote.
    pub first_sample: Option<Sample>,
    /// The newest texts, newest first.
    pub samples: VecDeque<Sample>,
    /// Where it is computed.
    pub device: DeviceReport,
    /// What the user should read.
    pub notice: Option<Notice>,
}

/// How many texts are kept.
const SAMPLES: usize = 4;

impl RunState {
    /// The latest training loss, in nats per token.
    pub fn loss(&self) -> Option<f32> {
        self.losses.last().map(|l| l.1)
    }

    /// The smoothed loss at `losses[i]`, if there is one: the mean over as many steps before it as after
    /// it (at the newest only before), one in a hundred of the run to each side, so that the curve neither
    /// lags nor trembles.
    pub fn smooth(&self, i: usize) -> Option<f64> {
        let reach = (self.sums.len() / 100).clamp(2, 25);
        let last = (i + reach).min(self.sums.len().checked_sub(1)?);
        let first = i.saturating_sub(reach);
        let before = if first == 0 { 0.0 } else { self.sums[first - 1] };
        (i < self.sums.len()).then(|| (self.sums[last] - before) / (last + 1 - first) as f64)
    }

    /// Entropy of the text in nats per token, where it is known.
    pub fn floor(&self) -> Option<f64> {
        self.started.as_ref()?.floor
    }

    /// A bigram model's held-out loss on the text, where it was counted.
    pub fn bigram(&self) -> Option<f64> {
        self.started.as_ref()?.bigram
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.started.as_ref().map_or(0, |s| s.config.train.steps)
    }

    /// Takes in one event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Phase(phase) => {
                self.phase = *phase;
                if *phase != Phase::Preparing {
                    self.preparing = None;
                }
                if *phase != Phase::Running {
                    self.tokens_per_second = 0.0;
                }
            }
            Event::Preparing { what, fraction } => {
                self.preparing = Some((what.clone(), fraction.clamp(0.0, 1.0)));
            }
            Event::Started(started) => self.start(started),
            Event::Progress(progress) => {
                for &(step, loss) in &progress.losses {
                    self.push_loss(step, loss);
                }
                self.step = progress.step;
                self.num_tokens = progress.num_tokens;
                self.tokens_per_second = progress.tokens_per_second;
            }
            Event::Validation { step, loss } => {
                self.validation.retain(|v| v.0 < *step);
                self.validation.push((*step, *loss));
            }
            Event::Sample { step, prompt, tokens } => {
                let sample = Sample { step: *step, prompt: prompt.clone(), tokens: tokens.clone() };
                self.first_sample.get_or_insert_with(|| sample.clone());
                self.samples.push_front(sample);
                self.samples.truncate(SAMPLES);
            }
            Event::Device { choice, report } => {
                self.device = report.clone();
                if let Some(started) = &mut self.started {
                    (started.config.device, started.device) = (*choice, report.clone());
                }
            }
            Event::Refused { what, message } => {
                let text = sentence(&format!("could not {what}: {message}"));
                self.notice = Some(Notice::new(Tone::Warning, text));
            }
            Event::Failed { message, recoverable, restart } => {
                self.phase = Phase::Failed;
                self.preparing = None;
                self.tokens_per_second = 0.0;
                self.notice = Some(Notice {
                    offer: (*recoverable && !restart).then_some(Offer::Checkpoint),
                    ..Notice::new(Tone::Error, sentence(message))
                });
            }
            Event::Probe { .. } | Event::Checkpoint { .. } | Event::Exported { .. } => {}
        }
    }

    /// Says what can wait, unless something graver is being said.
    pub fn remark(&mut self, notice: Notice) {
        if self.notice.as_ref().is_none_or(|said| said.tone <= notice.tone) {
            self.notice = Some(notice);
        }
    }

    /// A run is ready. Where it stands at a step that was seen before (restored after a fault), the
    /// curve up to there is kept.
    fn start(&mut self, started: &Started) {
        let step = started.step;
        self.losses.retain(|l| l.0 <= step);
        self.sums.truncate(self.losses.len());
        self.validation.retain(|v| v.0 <= step);
        if step == 0 {
            self.first_sample = None;
            self.samples.clear();
        }
        self.step = step;
        self.num_tokens = 0;
        self.tokens_per_second = 0.0;
        self.device = started.device.clone();
        self.started = Some(Box::new(started.clone()));
        self.preparing = None;
    }

    /// Adds one loss. A step seen before (replayed after a fault) replaces what followed it.
    pub fn push_loss(&mut self, step: u64, loss: f32) {
        while self.losses.last().is_some_and(|l| l.0 >= step) {
            self.losses.pop();
            self.sums.pop();
        }
        let before = self.sums.last().copied().unwrap_or(0.0);
        self.losses.push((step, loss));
        self.sums.push(before + f64::from(loss));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use gradus_core::protocol::{DeviceChoice, Progress};

    fn started(step: u64) -> Event {
        Event::Started(Box::new(Started {
            config: Settings::default().world(),
            parameters: 10,
            bytes: 40,
            step,
            floor: Some(1.1),
            bigram: None,
            tokens: None,
            device: DeviceReport { name: "CPU".into(), ..Default::default() },
        }))
    }

    fn progress(steps: std::ops::RangeInclusive<u64>) -> Event {
        let losses: Vec<_> = steps.map(|s| (s, 6.0 - 0.01 * s as f32)).collect();
        Event::Progress(Progress { step: losses[losses.len() - 1].0, losses, ..Default::default() })
    }

    #[test]
    fn a_run_is_followed() {
        let mut state = RunState::default();
        for event in [started(0), Event::Phase(Phase::Running), progress(1..=50), progress(51..=80)] {
            state.apply(&event);
        }
        assert_eq!((state.step, state.losses.len(), state.sums.len()), (80, 80, 80));
        assert_eq!(state.loss(), Some(5.2));
        assert_eq!(state.floor(), Some(1.1));
        assert_eq!(state.device.name, "CPU");
        // In the midst of a straight curve the smoothed one lies on it; at its end it lags by a step.
        let smooth = |i| state.smooth(i).unwrap_or(f64::NAN);
        assert!((smooth(40) - 5.59).abs() < 1e-6 && (smooth(79) - 5.21).abs() < 1e-6);
        assert_eq!(state.smooth(80), None);
    }

    #[test]
    fn a_restored_run_keeps_the_curve_up_to_its_step() {
        let mut state = RunState::default();
        for event in [started(0), progress(1..=80), started(50)] {
            state.apply(&event);
        }
        assert_eq!((state.step, state.losses.len(), state.sums.len()), (50, 50, 50));
        state.apply(&progress(51..=60));
        assert_eq!(state.losses.last().map(|l| l.0), Some(60));
    }

    #[test]
    fn steps_that_come_twice_are_drawn_once() {
        let mut state = RunState::default();
        state.apply(&progress(1..=80));
        state.apply(&progress(71..=75));
        assert_eq!(state.losses.len(), 75);
        assert!(state.losses.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn starting_over_clears_the_curve_and_the_texts() {
        let mut state = RunState::default();
        let sample = Event::Sample { step: 3, prompt: String::new(), tokens: vec!["a".into()] };
        for event in [started(0), progress(1..=80), sample, started(0)] {
            state.apply(&event);
        }
        assert!(state.losses.is_empty() && state.samples.is_empty() && state.first_sample.is_none());
    }

    #[test]
    fn the_first_text_is_kept_beside_the_newest() {
        let mut state = RunState::default();
        for step in 1..=9 {
            state.apply(&Event::Sample { step, prompt: String::new(), tokens: vec![] });
        }
        assert_eq!(state.first_sample.map(|s| s.step), Some(1));
        assert_eq!(state.samples.iter().map(|s| s.step).collect::<Vec<_>>(), [9, 8, 7, 6]);
    }

    #[test]
    fn whole_words_are_set_apart_and_pieces_are_not() {
        let sample = |tokens: &[&str]| Sample {
            tokens: tokens.iter().map(|t| (*t).to_owned()).collect(),
            ..Sample::default()
        };
        assert_eq!(sample(&["the", "fox", ".", "<eos>"]).pieces().concat(), "the fox .");
        assert_eq!(sample(&["the", " fox", " .", " <eos>"]).pieces().concat(), "the fox .");
        assert_eq!(sample(&["th", "e", " fo", "x"]).pieces().concat(), "the fox");
    }

    #[test]
    fn a_refusal_leaves_the_run_alone() {
        let mut state = RunState::default();
        state.apply(&Event::Phase(Phase::Running));
        state.apply(&Event::Refused { what: "open the model".into(), message: "too big.".into() });
        assert_eq!(state.phase, Phase::Running);
        assert_eq!(state.notice.as_ref().map(|n| n.tone), Some(Tone::Warning));
    }

    #[test]
    fn a_remark_replaces_nothing_graver() {
        let mut state = RunState::default();
        let said = |state: &RunState| state.notice.as_ref().map(|n| n.text.clone()).unwrap_or_default();
        state.remark(Notice::new(Tone::Info, "the run was kept"));
        state.remark(Notice::new(Tone::Warning, "the link"));
        assert_eq!(said(&state), "the link");
        state.remark(Notice::new(Tone::Info, "the run was kept"));
        assert_eq!(said(&state), "the link");
    }

    #[test]
    fn a_device_that_was_chosen_is_a_setting_of_the_run() {
        let mut state = RunState::default();
        state.apply(&started(50));
        let report = DeviceReport { gpu: true, ..Default::default() };
        state.apply(&Event::Device { choice: DeviceChoice::Gpu, report });
        assert!(state.device.gpu);
        assert_eq!(state.started.map(|s| s.config.device), Some(DeviceChoice::Gpu));
    }

    #[test]
    fn only_a_diverged_run_offers_its_checkpoint() {
        for (recoverable, restart, offer) in [(true, false, true), (true, true, false), (false, false, false)]
        {
            let mut state = RunState::default();
            state.apply(&Event::Failed { message: "x".into(), recoverable, restart });
            assert_eq!(state.phase, Phase::Failed);
            assert_eq!(state.notice.and_then(|n| n.offer), offer.then_some(Offer::Checkpoint));
        }
    }
}
