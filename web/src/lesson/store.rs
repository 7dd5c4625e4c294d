//! The signals of a lesson's page, and all that may touch them.

mod hearing;
mod models;
mod outbox;

use outbox::Outbox;

use super::ask::Asks;
use super::choices::Choices;
use super::keep::{self, Made};
use super::knob::Knob;
use super::labels::{joined, without_labels};
use super::pictures;
use super::present::Present;
use super::progress::Plan;
use super::state::{Phase, Shown, State};
use super::wire::{Request, ToCourse};
use super::worker::Worker;
use crate::browser;
use gradus_lessons::check::Check;
use gradus_lessons::recipe::record::Record;
use gradus_lessons::recipe::{Lesson, Role};
use js_sys::Uint8Array;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A model of the course, as far as the page shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    /// How it was made; `None` for the one that came with the page.
    pub(crate) made: Option<Made>,
    /// Bytes of its folder as a zip.
    pub(crate) bytes: u64,
}

/// The state of a lesson's page. Cheap to copy; every component may hold one.
#[derive(Clone, Copy)]
pub(crate) struct LessonStore {
    /// Which lesson.
    pub(crate) lesson: Lesson,
    /// Its knobs.
    pub(crate) knobs: &'static [Knob],
    /// The run on the screen. It changes many times a second: what hangs on less of it reads one of the next three.
    pub(crate) state: RwSignal<State>,
    /// Where the run stands.
    pub(crate) phase: Memo<Phase>,
    /// Whether a run is under way, paused or not.
    pub(crate) busy: Memo<bool>,
    /// Whose numbers are on the screen.
    pub(crate) shown: Memo<Shown>,
    /// Measured beside expected, of the run on the screen; of the last one until a new one ends.
    pub(crate) checks: RwSignal<Vec<Check>>,
    /// The figures of the run on the screen. Pictures read them by [`figures`](Self::figures).
    values: RwSignal<Option<Arc<Value>>>,
    /// What is chosen for the next run.
    pub(crate) choices: RwSignal<Choices>,
    /// What else of the settings is changed for the next run, which no link holds: labels made by hand. Null for nothing.
    pub(crate) by_hand: RwSignal<Value>,
    /// What the run on the screen was made with.
    pub(crate) ran: RwSignal<Option<Choices>>,
    /// Steps a second at most; 0 for no limit.
    pub(crate) pace: RwSignal<f64>,
    /// The learner's models, and those that came with the page.
    pub(crate) models: RwSignal<BTreeMap<Role, Model>>,
    /// Roles for which the model that came with the page is taken, though the learner has one.
    pub(crate) shipped_first: RwSignal<BTreeSet<Role>>,
    /// What an earlier run of this lesson tells of its parts.
    pub(crate) plan: RwSignal<Plan>,
    /// For teachers.
    pub(crate) present: Present,
    /// What could not be done, or a link asked in vain.
    pub(crate) notice: RwSignal<Option<String>>,
    inner: StoredValue<Inner, LocalStorage>,
}

/// What comes with the site: names of models and of lessons with a recorded run.
#[derive(Default, Deserialize)]
struct ShippedList {
    models: Vec<String>,
    runs: Vec<String>,
}

struct Inner {
    root: String,
    worker: Option<Worker>,
    zips: BTreeMap<Role, Uint8Array>,
    /// Those that came with the page, where the learner's own stands in `zips`.
    shipped: BTreeMap<Role, Uint8Array>,
    /// What the run was asked with.
    asked: Choices,
    /// The settings that it changed.
    patch: Value,
    /// How many runs were begun or called off.
    runs: u64,
    /// What is said to the run and waits for its models.
    outbox: Outbox,
    /// Questions that the worker has not answered.
    asks: Asks,
    /// When the page last heard of moments, and whether it is about to.
    told: f64,
    telling: bool,
}

impl LessonStore {
    /// The page of this lesson; `root` is the way to the site's root. [`begin`](Self::begin) wakes it.
    pub(crate) fn new(lesson: Lesson, root: &str) -> Self {
        let knobs = pictures::knobs(lesson);
        let (choices, complaints) = Choices::parse(&browser::query(), knobs);
        let asked = choices.clone();
        let inner = Inner {
            root: root.into(),
            worker: None,
            zips: BTreeMap::new(),
            shipped: BTreeMap::new(),
            asked,
            patch: Value::Null,
            runs: 0,
            outbox: Outbox::default(),
            asks: Asks::default(),
            told: 0.0,
            telling: false,
        };
        let state = RwSignal::new(State::default());
        Self {
            lesson,
            knobs,
            state,
            phase: Memo::new(move |_| state.with(|s| s.phase)),
            busy: Memo::new(move |_| state.with(State::busy)),
            shown: Memo::new(move |_| state.with(|s| s.shown)),
            checks: RwSignal::new(Vec::new()),
            values: RwSignal::new(None),
            choices: RwSignal::new(choices),
            by_hand: RwSignal::new(Value::Null),
            ran: RwSignal::new(None),
            pace: RwSignal::new(0.0),
            models: RwSignal::new(BTreeMap::new()),
            shipped_first: RwSignal::new(BTreeSet::new()),
            plan: RwSignal::new(Plan::default()),
            present: Present::new(),
            notice: RwSignal::new((!complaints.is_empty()).then(|| complaints.join(" "))),
            inner: StoredValue::new_local(inner),
        }
    }

    /// Shows the learner's last run, or the one that came with the page, and gathers the models.
    pub(crate) fn begin(self) {
        let worker = {
            let root = self.inner.with_value(|i| i.root.clone());
            Worker::new(&root, move |message, zips| self.hear(message, zips))
        };
        self.inner.update_value(|i| i.worker = Some(worker));
        self.gather();
        Effect::new(move |_| {
            let query = self.choices.with(|c| c.query(self.knobs));
            browser::show_query(&query);
        });
        spawn_local(async move {
            let kept = keep::record(self.lesson).await;
            // A link that names choices wants them run anew unless they are those of the kept run.
            let fits = |r: &Record| {
                self.choices.with_untracked(|c| {
                    *c == Choices::default()
                        || (c.seed == r.seed
                            && c.size == r.size
                            && c.patch(self.knobs) == without_labels(r.patch.clone()))
                })
            };
            if let Some(record) = &kept {
                self.plan.set(Plan::of(record));
            }
            match kept.filter(fits) {
                Some(record) => self.show(record, Shown::Kept),
                None => self.show_shipped().await,
            }
        });
    }

    /// The address of a file that comes with the site.
    fn shipped(self, file: &str) -> String {
        self.inner.with_value(|i| format!("{}shipped/{file}", i.root))
    }

    /// What comes with the site.
    async fn shipped_list(self) -> ShippedList {
        let list = browser::fetch_text(&self.shipped("list.json")).await;
        list.and_then(|l| serde_json::from_str(&l).ok()).unwrap_or_default()
    }

    async fn show_shipped(self) {
        let slug = self.lesson.slug();
        if self.shipped_list().await.runs.iter().any(|r| r == slug)
            && let Some(text) = browser::fetch_text(&self.shipped(&format!("runs/{slug}.json"))).await
            && let Ok(record) = serde_json::from_str(&text)
        {
            if self.plan.with_untracked(Plan::is_empty) {
                self.plan.set(Plan::of(&record));
            }
            self.show(record, Shown::Shipped);
        }
    }

    /// The last run of another lesson that this browser keeps (true), or the one that came with the page (false).
    pub(crate) async fn record_of(self, lesson: Lesson) -> Option<(Record, bool)> {
        if let Some(record) = keep::record(lesson).await {
            return Some((record, true));
        }
        // Asked of the list first: a browser reports what is not there as an error.
        self.shipped_list().await.runs.iter().find(|r| *r == lesson.slug())?;
        let text = browser::fetch_text(&self.shipped(&format!("runs/{}.json", lesson.slug()))).await?;
        Some((serde_json::from_str(&text).ok()?, false))
    }

    /// Shows an earlier run, unless one was started while it was on its way.
    fn show(self, record: Record, shown: Shown) {
        if self.state.with_untracked(|s| s.shown != Shown::Nothing) {
            return;
        }
        self.ran.set(Some(Choices::recorded(record.seed, record.size, &record.patch, self.knobs)));
        self.state.set(State::recorded(&record, shown));
        self.checks.set(record.checks);
        self.values.set(Some(Arc::new(record.figures)));
    }

    /// The recipe's figures, once there are any; `None` too where they are of another version of the recipe.
    pub(crate) fn figures<F>(self) -> Memo<Option<Arc<F>>>
    where
        F: DeserializeOwned + PartialEq + Send + Sync + 'static,
    {
        let figures = Memo::new(move |_| {
            let values = self.values.get()?;
            match F::deserialize(&*values) {
                Ok(figures) => Some(Arc::new(figures)),
                Err(error) => {
                    leptos::logging::error!("the figures cannot be read: {error}");
                    None
                }
            }
        });
        Effect::new(move |_| {
            if figures.with(Option::is_none) && self.values.with(Option::is_some) {
                self.notice.set(Some(
                    "The pictures of this run cannot be drawn: it was kept by another version of the page, or its \
                     numbers are not finite. Run it again, with the lesson’s usual settings and models."
                        .into(),
                ));
            }
        });
        figures
    }

    /// Whether pictures of figures show the run before the one on the screen.
    pub(crate) fn stale(self) -> bool {
        let unfinished = self.shown.get() == Shown::Live && self.phase.get() != Phase::Done;
        unfinished && self.values.with(Option::is_some)
    }

    /// The figures as they are, for a file; null where there are none.
    pub(crate) fn raw_figures(self) -> Value {
        self.values.get_untracked().map_or(Value::Null, |v| (*v).clone())
    }

    /// The questions that the worker has not answered.
    pub(super) fn with_asks<R>(self, of: impl FnOnce(&mut Asks) -> R) -> Option<R> {
        self.inner.try_update_value(|i| of(&mut i.asks))
    }

    pub(super) fn send(self, message: ToCourse, zips: Vec<Uint8Array>) {
        if let Some(worker) = self.inner.with_value(|i| i.worker.clone()) {
            worker.send(message, zips);
        }
    }

    /// Starts a run with the choices as they stand.
    pub(crate) fn run(self) {
        let choices = self.choices.get_untracked();
        // Another length makes other checks: they are known when it is done.
        if self.state.with_untracked(|s| s.size != choices.size) {
            self.checks.set(Vec::new());
        }
        self.ran.set(Some(choices.clone()));
        self.state.set(State::begun(choices.seed, choices.size));
        self.notice.set(None);
        self.present.conceal();
        let patch = joined(choices.patch(self.knobs), self.by_hand.get_untracked());
        let request = Request {
            lesson: self.lesson,
            seed: choices.seed,
            size: choices.size,
            device: choices.device,
            patch: patch.clone(),
            roles: Vec::new(),
        };
        self.inner.update_value(|i| {
            i.asked = choices;
            i.patch = patch;
            i.runs += 1;
        });
        self.say(ToCourse::Pace(self.pace.get_untracked()));
        self.say(ToCourse::Run(Box::new(request)));
    }

    /// Says it to the run, which may still wait for its models.
    fn say(self, letter: ToCourse) {
        self.inner.update_value(|i| i.outbox.put(letter));
        self.post();
    }

    /// Sends what no longer has to wait; a run takes the models along that there are now.
    fn post(self) {
        let needs = pictures::needs(self.lesson);
        for letter in self.inner.try_update_value(|i| i.outbox.take(needs)).unwrap_or_default() {
            match letter {
                ToCourse::Run(mut request) => {
                    let (roles, zips) = self.begins_from(needs);
                    request.roles = roles;
                    self.send(ToCourse::Run(request), zips);
                }
                letter => self.send(letter, Vec::new()),
            }
        }
    }

    /// Runs, or goes on.
    pub(crate) fn run_or_resume(self) {
        match self.state.with_untracked(|s| s.phase) {
            Phase::Running => {}
            Phase::Paused => self.say(ToCourse::Resume),
            _ => self.run(),
        }
    }

    /// Waits after the next step.
    pub(crate) fn pause(self) {
        self.say(ToCourse::Pause);
    }

    /// One step, from the start too.
    pub(crate) fn step(self) {
        if !self.state.with_untracked(State::busy) {
            self.run();
        }
        if self.state.with_untracked(|s| s.phase != Phase::Paused) {
            self.pause();
        }
        self.say(ToCourse::Step);
    }

    /// Ends the run, or clears the screen of the last one; what came with the page is shown again.
    pub(crate) fn reset(self) {
        if let Some(worker) = self.inner.with_value(|i| i.worker.clone()) {
            worker.kill();
        }
        self.inner.update_value(|i| {
            i.runs += 1;
            i.outbox.clear();
        });
        self.with_asks(Asks::forget);
        self.ran.set(None);
        self.state.set(State::default());
        self.checks.set(Vec::new());
        self.values.set(None);
        self.notice.set(None);
        spawn_local(self.show_shipped());
    }

    /// Sets how fast it may go.
    pub(crate) fn set_pace(self, pace: f64) {
        self.pace.set(pace);
        if self.state.with_untracked(State::busy) {
            self.say(ToCourse::Pace(pace));
        }
    }
}
