//! The page's signals, and all that may touch them. Views read; controls call the methods here.

use crate::format::sentence;
use crate::link::{Link, News};
use crate::settings::{Settings, parse_seed, too_large};
use crate::state::{Notice, Offer, RunState, Tone};
use crate::url::{self, Address};
use crate::{browser, persist};
use gradus_core::model::MAX_ZIP_BYTES;
use gradus_core::protocol::{Command, DeviceChoice, Event, Fault, Phase, RunConfig, SampleConfig, Source};
use js_sys::Uint8Array;
use leptos::prelude::*;
use std::time::Duration;

/// The state of the page. Cheap to copy; every component may hold one.
#[derive(Clone, Copy)]
pub(crate) struct Store {
    /// The run.
    pub(crate) run: RwSignal<RunState>,
    /// The choices in the controls.
    pub(crate) settings: RwSignal<Settings>,
    /// What is wrong with the seed as typed.
    pub(crate) seed_error: RwSignal<Option<String>>,
    /// The dialog for the user's own text.
    pub(crate) own_text: RwSignal<OwnText>,
    /// True while the run waits for this tab to be seen again.
    pub(crate) hidden: RwSignal<bool>,
    /// True until the model folder that was asked for has arrived.
    pub(crate) exporting: RwSignal<bool>,
    link: StoredValue<Option<Link>, LocalStorage>,
    inner: StoredValue<Inner, LocalStorage>,
}

/// The dialog for the user's own text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnText {
    /// Whether it is on screen.
    pub(crate) open: bool,
    /// Whether a text was handed over and is being prepared.
    pub(crate) waiting: bool,
    /// What is wrong with the text.
    pub(crate) error: Option<String>,
}

/// What no view shows.
#[derive(Default)]
struct Inner {
    faults: bool,
    /// Run as soon as the run that was asked for is ready.
    run_when_ready: bool,
    /// A restore from this browser's store is on its way.
    restoring: bool,
    /// A sample was asked for and has not come.
    sampling: bool,
    /// When a checkpoint was last kept, in milliseconds.
    kept_at: f64,
    kept_step: u64,
    told_unkept: bool,
    /// Name of the file that is being opened.
    opening: Option<String>,
    /// The choice of device that the engine has carried out.
    settled_device: DeviceChoice,
}

/// How often a running model writes a text.
const SAMPLE_EVERY: Duration = Duration::from_millis(1500);

impl Store {
    /// An empty page; [`Store::begin`] wakes it.
    pub(crate) fn new() -> Self {
        Self {
            run: RwSignal::new(RunState::default()),
            settings: RwSignal::new(Settings::default()),
            seed_error: RwSignal::new(None),
            own_text: RwSignal::new(OwnText::default()),
            hidden: RwSignal::new(false),
            exporting: RwSignal::new(false),
            link: StoredValue::new_local(None),
            inner: StoredValue::new_local(Inner::default()),
        }
    }

    /// Spawns the engine and begins: the run kept in this browser if it is the one asked for, else a new
    /// one on the world's language.
    pub(crate) fn begin(self) {
        let address = url::parse(&browser::query());
        self.settings.set(address.settings.clone());
        self.inner.update_value(|i| i.faults = address.faults);
        if let Some(complaint) = address.complaints.first() {
            self.notify(Notice::new(Tone::Warning, complaint.clone()));
        }
        self.link.set_value(Some(Link::new(move |news| self.hear(news))));
        if address.faults {
            browser::expose_faults(move |name| self.fault(name));
        }
        browser::on_visibility(move |hidden| self.visibility(hidden));
        set_interval(move || self.sample(), SAMPLE_EVERY);
        wasm_bindgen_futures::spawn_local(async move {
            let kept = persist::load().await;
            self.open(address, kept);
        });
    }

    fn open(self, address: Address, kept: Option<(persist::Memo, Uint8Array)>) {
        let wanted = |memo: &persist::Memo| !address.explicit || memo.settings == address.settings;
        match kept.filter(|(memo, _)| wanted(memo)) {
            Some((memo, zip)) => {
                let restored = self.run.try_update(|run| {
                    for &(step, loss) in &memo.losses {
                        run.push_loss(step, loss);
                    }
                    run.validation = memo.validation;
                });
                if restored.is_none() {
                    return;
                }
                self.inner.update_value(|i| {
                    i.restoring = true;
                    i.run_when_ready = memo.running && !address.paused;
                });
                self.send_with(Command::Restore { zip: Vec::new() }, Some(zip));
            }
            None => self.start(address.settings.world(), !address.paused),
        }
    }

    // What the controls call.

    /// Train on.
    pub(crate) fn go(self) {
        self.clear_notice();
        if self.run.with_untracked(|r| r.started.is_none() && r.phase == Phase::Idle) {
            self.start(self.settings.get_untracked().world(), true);
        } else {
            self.send(Command::Run);
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
        let source = self.run.with_untracked(|r| r.started.as_ref().map(|s| s.config.source.clone()));
        let settings = self.settings.get_untracked();
        let source = source.unwrap_or(Source::World { seed: settings.seed });
        let running = self.run.with_untracked(|r| r.phase == Phase::Running);
        self.start(settings.run(source), running);
    }

    /// Another device for the run in hand.
    pub(crate) fn choose_device(self, choice: DeviceChoice) {
        self.settings.update(|s| s.device = choice);
        if self.run.with_untracked(|r| r.started.is_some()) {
            self.send(Command::Device(choice));
            self.show_address();
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
        let link = self.link.with_value(Clone::clone);
        let Some(link) = link else { return };
        match offer {
            Offer::Retry => link.retry(),
            Offer::Checkpoint if !link.take_last_good() => self.notify(Notice::new(
                Tone::Warning,
                "There is no checkpoint yet. Start over, or choose another seed.",
            )),
            Offer::Checkpoint => {}
        }
    }

    /// Puts a notice away.
    pub(crate) fn clear_notice(self) {
        if self.run.try_with_untracked(|r| r.notice.is_some()) == Some(true) {
            self.run.try_update(|r| r.notice = None);
        }
    }

    /// Shows a notice.
    pub(crate) fn notify(self, notice: Notice) {
        self.run.try_update(|r| r.notice = Some(notice));
    }

    // What happens by itself.

    fn start(self, config: RunConfig, run: bool) {
        self.clear_notice();
        self.inner.update_value(|i| i.run_when_ready = run);
        self.send(Command::Start(Box::new(config)));
    }

    fn send(self, command: Command) {
        self.send_with(command, None);
    }

    fn send_with(self, command: Command, blob: Option<Uint8Array>) {
        if let Some(Some(link)) = self.link.try_with_value(Clone::clone) {
            link.send_with(command, blob);
        }
    }

    fn hear(self, news: News) {
        match news {
            News::Event(event, blob) => self.event(&event, blob),
            News::Restarted { cause, step, running } => {
                let from = match step {
                    0 => "The run begins again".into(),
                    step => format!("The run was taken up at its last checkpoint, step {step}"),
                };
                let goes = if running { ", and goes on." } else { ", and waits." };
                self.inner.try_update_value(|i| i.sampling = false);
                self.exporting.try_update(|e| *e = false);
                self.notify(Notice::new(
                    Tone::Info,
                    format!("The engine was restarted: {} {from}{goes}", cause.trim()),
                ));
            }
            News::Dead(message) => {
                self.run.try_update(|r| {
                    r.phase = Phase::Failed;
                    r.preparing = None;
                    r.notice =
                        Some(Notice { offer: Some(Offer::Retry), ..Notice::new(Tone::Error, message) });
                });
            }
        }
    }

    fn event(self, event: &Event, blob: Option<Uint8Array>) {
        match event {
            // Said in the dialog, beside the text that it is about.
            Event::Refused { message, .. }
                if self.own_text.try_with_untracked(|o| o.waiting) == Some(true) =>
            {
                let message = sentence(message);
                self.own_text.try_update(|o| (o.waiting, o.error) = (false, Some(message)));
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
            Event::Device(_) => {
                let choice = self.settings.try_with_untracked(|s| s.device).unwrap_or_default();
                self.inner.try_update_value(|i| i.settled_device = choice);
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
                i.settled_device = config.device;
                (std::mem::take(&mut i.restoring), std::mem::take(&mut i.run_when_ready), i.opening.take())
            })
            .unwrap_or_default();
        if restored {
            self.notify(Notice::new(
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
        let config = self.run.try_with_untracked(|r| r.started.as_ref().map(|s| Settings::of(&s.config)));
        if let Some(Some(settings)) = config {
            let device = self.inner.try_update_value(|i| i.settled_device).unwrap_or_default();
            self.settings.try_update(|s| *s = Settings { device, ..settings });
        }
    }

    fn sample(self) {
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
            let config = &r.started.as_ref()?.config;
            Some(persist::Memo {
                step,
                settings: Settings::of(config),
                own_text: matches!(config.source, Source::Text { .. }),
                running: r.phase == Phase::Running || self.hidden.get_untracked(),
                losses: r.losses.iter().copied().filter(|l| l.0 <= step).collect(),
                validation: r.validation.iter().copied().filter(|v| v.0 <= step).collect(),
            })
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

    fn forget(self) {
        wasm_bindgen_futures::spawn_local(persist::clear());
    }

    /// The address reproduces what is on screen; a text of one's own cannot be put into a link.
    fn show_address(self) {
        let faults = self.inner.with_value(|i| i.faults);
        let own = self.run.with_untracked(|r| {
            r.started.as_ref().is_some_and(|s| matches!(s.config.source, Source::Text { .. }))
        });
        let settings = if own { Settings::default() } else { self.settings.get_untracked() };
        browser::show_query(&url::query(&settings, faults));
    }

    /// A hidden tab gets almost no time: better to hold the run and say so.
    fn visibility(self, hidden: bool) {
        let running = self.run.try_with_untracked(|r| r.phase == Phase::Running) == Some(true);
        if hidden && running {
            self.hidden.try_update(|h| *h = true);
            self.send(Command::Pause);
        } else if !hidden && self.hidden.try_update(std::mem::take) == Some(true) {
            self.send(Command::Run);
        }
    }

    fn fault(self, name: &str) {
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
