//! What the controls call.

use super::Store;
use crate::browser;
use crate::settings::{parse_seed, too_large};
use crate::state::{Notice, Offer, Tone};
use gradus_core::model::MAX_ZIP_BYTES;
use gradus_core::protocol::{Command, DeviceChoice, Phase, Source};
use leptos::prelude::*;

impl Store {
    /// Train on. A run that cannot go on as it is goes back to its last good checkpoint first; where there is none, a
    /// new one begins.
    pub(crate) fn go(self) {
        self.clear_notice();
        if !self.run.with_untracked(|r| matches!(r.phase, Phase::Idle | Phase::Failed)) {
            return self.send(Command::Run);
        }
        let Some(link) = self.link() else { return };
        self.inner.update_value(|i| i.run_when_ready = true);
        if link.starting() {
            link.wake();
        } else if link.take_last_good() {
            self.notify(Notice::new(
                Tone::Info,
                "The run went back to its last good checkpoint and goes on from there.",
            ));
        } else {
            self.start(self.settings.get_untracked().world(), true);
        }
    }

    /// Hold.
    pub(crate) fn pause(self) {
        self.inner.update_value(|i| i.run_when_ready = false);
        self.hidden.set(false);
        self.send(Command::Pause);
    }

    /// One step, then hold.
    pub(crate) fn step(self) {
        self.clear_notice();
        self.send(Command::Step);
    }

    /// Back to step 0 with the seed as typed.
    pub(crate) fn reset(self, seed: &str) {
        if self.take_seed(seed) {
            self.clear_notice();
            self.forget();
            self.send(Command::Reset { seed: self.settings.with_untracked(|s| s.seed) });
        }
    }

    /// Checks a seed and keeps it for the next start. Says what is wrong with it otherwise.
    pub(crate) fn take_seed(self, text: &str) -> bool {
        match parse_seed(text) {
            Ok(seed) => {
                self.seed_error.set(None);
                self.settings.update(|s| s.seed = seed);
                true
            }
            Err(message) => {
                self.seed_error.set(Some(message));
                false
            }
        }
    }

    /// Another size of model, on the same text, from step 0.
    pub(crate) fn choose_preset(self, name: String) {
        self.settings.update(|s| s.preset = name);
        let settings = self.settings.get_untracked();
        let source = self.run.with_untracked(|r| r.started.as_ref().map(|s| s.config.source.clone()));
        let config = match source {
            Some(text @ Source::Text { .. }) => settings.run(text),
            _ => settings.world(),
        };
        // One that failed was going, and a smaller one is what it was advised to become.
        let going = self.run.with_untracked(|r| matches!(r.phase, Phase::Running | Phase::Failed));
        self.start(config, going || self.inner.with_value(|i| i.run_when_ready));
    }

    /// Another device for the run in hand.
    pub(crate) fn choose_device(self, choice: DeviceChoice) {
        self.settings.update(|s| s.device = choice);
        if self.starting() || self.run.with_untracked(|r| r.started.is_some()) {
            self.send(Command::Device(choice));
        } else {
            self.start(self.settings.get_untracked().world(), true);
        }
    }

    /// So many steps a second at most; 0 for as fast as it goes.
    pub(crate) fn choose_speed(self, steps_per_second: u32) {
        self.send(Command::Speed { steps_per_second });
    }

    /// Trains a tokenizer and then the model on the user's own text.
    pub(crate) fn train_on(self, text: String, vocab: u32) {
        let error = if text.trim().is_empty() {
            Some("There is no text yet. Paste some, or choose a .txt file.".to_owned())
        } else {
            too_large(text.len() as f64)
        };
        let waiting = error.is_none();
        self.own_text.update(|o| (o.error, o.waiting) = (error, waiting));
        if waiting {
            self.start(self.settings.get_untracked().own_text(text, vocab), true);
        }
    }

    /// Back from the user's text to the world's language.
    pub(crate) fn use_world(self) {
        self.start(self.settings.get_untracked().world(), true);
    }

    /// Asks for the model folder; the browser then saves it.
    pub(crate) fn download(self) {
        self.exporting.set(true);
        self.send(Command::Export);
    }

    /// Opens a model folder from a zip.
    pub(crate) fn upload(self, file: web_sys::File) {
        if file.size() == 0.0 || file.size() > MAX_ZIP_BYTES as f64 {
            self.notify(Notice::new(
                Tone::Warning,
                format!(
                    "“{}” has {} bytes. A model is a zip of at most {} MiB with config.json, \
                     model.safetensors and tokenizer.json. The run in hand goes on.",
                    file.name(),
                    file.size(),
                    MAX_ZIP_BYTES >> 20
                ),
            ));
            return;
        }
        wasm_bindgen_futures::spawn_local(async move {
            match browser::read_bytes(&file).await {
                Some(bytes) => {
                    let running = self.run.try_with_untracked(|r| r.phase == Phase::Running);
                    self.inner.try_update_value(|i| {
                        i.run_when_ready = running == Some(true);
                        i.opening = Some(file.name());
                    });
                    self.clear_notice();
                    self.send_with(Command::Import { zip: Vec::new() }, Some(bytes));
                }
                None => self.notify(Notice::new(
                    Tone::Warning,
                    "The browser could not read this file. Choose it again. The run in hand goes on.",
                )),
            }
        });
    }

    /// Does what a notice offers.
    pub(crate) fn take_offer(self, offer: Offer) {
        self.clear_notice();
        let Some(link) = self.link() else { return };
        match offer {
            Offer::Retry => link.retry(),
            Offer::Checkpoint if !link.take_last_good() => self.notify(Notice::new(
                Tone::Warning,
                "There is no checkpoint yet. Start over, or choose another seed.",
            )),
            Offer::Checkpoint => self.notify(Notice::new(
                Tone::Info,
                "The run is back at its last good checkpoint, and waits. “Run” goes on from there.",
            )),
        }
    }
}
