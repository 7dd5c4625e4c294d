//! The page's signals, and all that may touch them. Views read; controls call the methods here.

mod controls;
mod events;

use crate::link::Link;
use crate::settings::Settings;
use crate::state::{Notice, RunState, Tone};
use crate::url::{self, Address};
use crate::{browser, persist};
use gradus_core::protocol::{Command, RunConfig};
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
        match kept.filter(|(memo, _)| memo.answers(&address)) {
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
                self.send_with(Command::Restore { zip: Vec::new(), device: None }, Some(zip));
            }
            None => self.start(address.settings.world(), !address.paused),
        }
        if !address.complaints.is_empty() {
            self.remark(Notice::new(Tone::Warning, address.complaints.join(" ")));
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

    /// Shows a notice that can wait, unless something graver is being said.
    fn remark(self, notice: Notice) {
        self.run.try_update(|r| r.remark(notice));
    }

    /// Whether a start is under way, or will be as soon as the engine is there.
    pub(crate) fn starting(self) -> bool {
        self.link().is_some_and(|link| link.starting())
    }

    fn start(self, config: RunConfig, run: bool) {
        self.clear_notice();
        self.inner.update_value(|i| (i.run_when_ready, i.restoring) = (run, false));
        self.send(Command::Start(Box::new(config)));
    }

    fn send(self, command: Command) {
        self.send_with(command, None);
    }

    fn send_with(self, command: Command, blob: Option<Uint8Array>) {
        if let Some(link) = self.link() {
            link.send_with(command, blob);
        }
    }

    fn link(self) -> Option<Link> {
        self.link.try_with_value(Clone::clone).flatten()
    }

    fn forget(self) {
        wasm_bindgen_futures::spawn_local(persist::clear());
    }

    /// The address reproduces the run that is on screen.
    fn show_address(self) {
        let faults = self.inner.with_value(|i| i.faults);
        let query = self.run.with_untracked(|r| r.started.as_ref().map(|s| url::query_of(&s.config, faults)));
        if let Some(query) = query {
            browser::show_query(&query);
        }
    }
}
