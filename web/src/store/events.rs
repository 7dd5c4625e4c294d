//! What happens by itself: the engine's news, the clock, the tab going out of sight.

use super::{OwnText, Store};
use crate::format::sentence;
use crate::link::News;
use crate::settings::Settings;
use crate::state::{Notice, Offer, RunState, Tone};
use crate::{browser, persist};
use gradus_core::protocol::{Command, Event, Fault, Phase, RunConfig, SampleConfig};
use js_sys::Uint8Array;
use leptos::prelude::*;

impl Store {
    pub(super) fn hear(self, news: News) {
        match news {
            News::Event(event, blob) => self.event(&event, blob),
            News::Restarted { cause, step, running } => {
                let why = cause.map(|cause| cause.trim().to_owned());
                if let Some(why) = &why {
                    self.unanswered(&format!(
                        "The engine stopped: {why} Take a part of the text, or try again."
                    ));
                }
                let from = match step {
                    0 => "The run begins again".into(),
                    step => format!("The run was taken up at its last checkpoint, step {step}"),
                };
                let runs = running || self.inner.try_with_value(|i| i.run_when_ready) == Some(true);
                let goes = if runs { ", and goes on." } else { ", and waits." };
                let why = why.map_or(".".into(), |why| format!(": {why}"));
                self.notify(Notice::new(Tone::Info, format!("The engine was restarted{why} {from}{goes}")));
            }
            News::Dead(message) => {
                self.hidden.try_update(|h| *h = false);
                self.unanswered(&message);
                self.run.try_update(|r| {
                    r.phase = Phase::Failed;
                    r.preparing = None;
                    r.notice =
                        Some(Notice { offer: Some(Offer::Retry), ..Notice::new(Tone::Error, message) });
                });
            }
        }
    }

    /// The engine is gone, and what was asked of it will not come. Only the very first start is made again.
    fn unanswered(self, why: &str) {
        let first = self.run.try_with_untracked(|r| r.started.is_none()) == Some(true);
        self.inner.try_update_value(|i| {
            (i.sampling, i.opening) = (false, None);
            i.run_when_ready &= first;
        });
        self.exporting.try_update(|e| *e = false);
        // The dialog lies over the notice.
        self.own_text.try_update(|o| {
            if std::mem::take(&mut o.waiting) {
                o.error = Some(why.into());
            }
        });
        self.show_settled();
    }

    fn event(self, event: &Event, blob: Option<Uint8Array>) {
        match event {
            // Said in the dialog, beside the text that it is about.
            Event::Refused { message, .. }
                if self.own_text.try_with_untracked(|o| o.waiting) == Some(true) =>
            {
                let message = sentence(message);
                self.own_text.try_update(|o| (o.waiting, o.error) = (false, Some(message)));
                self.inner.try_update_value(|i| i.run_when_ready = false);
                return;
            }
            Event::Refused { message, .. }
                if self.inner.try_update_value(|i| std::mem::take(&mut i.restoring)) == Some(true) =>
            {
                self.forget();
                self.run.try_update(|r| *r = RunState::default());
                self.start(self.settings.get_untracked().world(), true);
                self.notify(Notice::new(
                    Tone::Warning,
                    format!(
                        "The run kept in this browser could not be opened. {} A new one begins.",
                        sentence(message)
                    ),
                ));
                return;
            }
            _ => {}
        }
        self.run.try_update(|r| r.apply(event));
        match event {
            Event::Started(started) => self.ready(&started.config, started.step),
            Event::Phase(Phase::Paused) => self.keep_soon(true),
            Event::Progress(_) => self.keep_soon(false),
            Event::Sample { .. } => {
                self.inner.try_update_value(|i| i.sampling = false);
            }
            Event::Checkpoint { step, .. } => {
                if let Some(zip) = blob {
                    self.keep(*step, zip);
                }
            }
            Event::Exported { name, .. } => {
                self.exporting.try_update(|e| *e = false);
                if let Some(zip) = blob {
                    browser::save_file(name, &zip);
                }
            }
            Event::Device { choice, .. } => {
                self.settings.try_update(|s| s.device = *choice);
                self.show_address();
            }
            Event::Refused { .. } | Event::Failed { .. } => {
                self.show_settled();
                self.exporting.try_update(|e| *e = false);
                self.inner.try_update_value(|i| (i.sampling, i.opening) = (false, None));
            }
            _ => {}
        }
    }

    /// A run is ready: the controls show its settings, and it goes on if it should.
    fn ready(self, config: &RunConfig, step: u64) {
        let settings = Settings::of(config);
        self.settings.try_update(|s| *s = settings);
        self.own_text.try_update(|o| {
            if o.waiting {
                *o = OwnText::default();
            }
        });
        self.show_address();
        let (restored, run, opened) = self
            .inner
            .try_update_value(|i| {
                i.sampling = false;
                i.kept_step = step;
                (std::mem::take(&mut i.restoring), std::mem::take(&mut i.run_when_ready), i.opening.take())
            })
            .unwrap_or_default();
        if restored {
            self.remark(Notice::new(
                Tone::Info,
                format!(
                    "Your run was kept in this browser and goes on from step {step}. “Start over” forgets it."
                ),
            ));
        } else if step == 0 {
            self.forget();
        }
        if let Some(name) = opened {
            self.notify(Notice::new(Tone::Info, format!("“{name}” is open. It goes on learning from here.")));
        }
        if run {
            self.send(Command::Run);
        }
        self.sample();
    }

    /// Sets the controls back to what is: the choice was refused.
    fn show_settled(self) {
        let settled = self.run.try_with_untracked(|r| r.started.as_ref().map(|s| Settings::of(&s.config)));
        if let Some(Some(settings)) = settled {
            self.settings.try_update(|s| *s = settings);
        }
    }

    pub(super) fn sample(self) {
        let wanted = self.run.try_with_untracked(|r| {
            let lively = matches!(r.phase, Phase::Running | Phase::Paused | Phase::Done);
            let stale = r.samples.front().is_none_or(|s| s.step != r.step);
            (lively && stale && r.started.is_some()).then_some(r.step)
        });
        let Some(Some(step)) = wanted else { return };
        if self.inner.try_update_value(|i| std::mem::replace(&mut i.sampling, true)) == Some(false) {
            let seed = step as u32;
            self.send(Command::Sample(SampleConfig { seed, max_tokens: 40, ..SampleConfig::default() }));
        }
    }

    /// Asks for a checkpoint where the last one is too old to lose: sooner for small models.
    fn keep_soon(self, now: bool) {
        let Some((step, bytes)) =
            self.run.try_with_untracked(|r| (r.step, r.started.as_ref().map_or(0, |s| s.bytes)))
        else {
            return;
        };
        let patience = 4000.0 + bytes as f64 / 5000.0;
        let due = self.inner.try_update_value(|i| {
            let old = now || browser::now() - i.kept_at > patience;
            let due = old && i.kept_step != step && step > 0;
            if due {
                (i.kept_at, i.kept_step) = (browser::now(), step);
            }
            due
        });
        if due == Some(true) {
            self.send(Command::Checkpoint);
        }
    }

    fn keep(self, step: u64, zip: Uint8Array) {
        if step == 0 {
            // Nothing is lost when it is begun anew.
            return;
        }
        self.inner.try_update_value(|i| (i.kept_at, i.kept_step) = (browser::now(), step));
        let memo = self.run.try_with_untracked(|r| {
            persist::Memo::of(r, step, r.phase == Phase::Running || self.hidden.get_untracked())
        });
        let Some(Some(memo)) = memo else { return };
        wasm_bindgen_futures::spawn_local(async move {
            if persist::save(&memo, &zip).await.is_err()
                && self.inner.try_update_value(|i| std::mem::replace(&mut i.told_unkept, true)) == Some(false)
            {
                self.notify(Notice::new(
                    Tone::Info,
                    "This browser keeps nothing for this page (a private window or a full disk), so the run \
                     ends with the tab. Download the model to keep it.",
                ));
            }
        });
    }

    /// A hidden tab gets almost no time: better to hold the run and say so.
    pub(super) fn visibility(self, hidden: bool) {
        let running = self.run.try_with_untracked(|r| r.phase == Phase::Running) == Some(true);
        if hidden && running {
            self.hidden.try_update(|h| *h = true);
            self.send(Command::Pause);
        } else if !hidden && self.hidden.try_update(std::mem::take) == Some(true) {
            self.send(Command::Run);
        }
    }

    pub(super) fn fault(self, name: &str) {
        let fault = match name {
            "panic" => Fault::Panic,
            "lost" => Fault::DeviceLost,
            "oom" => Fault::OutOfMemory,
            "nan" => Fault::Nan,
            _ => return,
        };
        self.send(Command::Fault(fault));
    }
}
