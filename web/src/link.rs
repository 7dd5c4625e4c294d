//! The only owner of the worker: spawns it, shakes hands, sends commands, and replaces it when it falls.

use crate::connection::{CANNOT_START, Connection, of_another_build, said};
use crate::supervise::{Letter, Revival, Supervisor};
use crate::wire::{self, BUILD, FromWorker};
use gradus_core::protocol::{Command, Event};
use js_sys::Uint8Array;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::JsValue;

/// What the link tells the page.
#[derive(Debug)]
pub(crate) enum News {
    /// The session said something; its zip stays outside this memory.
    Event(Event, Option<Uint8Array>),
    /// A new worker took the run over.
    Restarted {
        /// Why the last one fell; `None` where a person asked for a new one.
        cause: Option<String>,
        /// The step that was taken up.
        step: u64,
        /// Whether the run goes on by itself.
        running: bool,
    },
    /// There is no worker any more; the page must say so. The next command that needs one brings another up.
    Dead(String),
}

/// A handle to the one worker of the page.
#[derive(Clone)]
pub(crate) struct Link(Rc<RefCell<Inner>>);

struct Inner {
    /// `None` where it was given up.
    worker: Option<Listener>,
    /// Which worker is meant: messages of earlier ones are ignored.
    generation: u32,
    supervisor: Supervisor<Uint8Array>,
    tell: Rc<dyn Fn(News)>,
}

/// The worker of now, and what it is to be told.
struct Listener {
    connection: Connection,
    /// Whether it has said that it listens.
    ready: bool,
    /// What waits for that.
    queue: Vec<Letter<Uint8Array>>,
}

/// Where the worker's loader lies, seen from the page.
const WORKER: &str = "./worker_loader.js";

const CANNOT_LOAD: &str = "The engine could not be loaded. Check the connection and reload the page, or try again. \
                           A run that was kept is taken up.";

impl Link {
    /// Spawns the worker. `tell` hears all that happens.
    pub(crate) fn new(tell: impl Fn(News) + 'static) -> Self {
        let link = Self(Rc::new(RefCell::new(Inner {
            worker: None,
            generation: 0,
            supervisor: Supervisor::default(),
            tell: Rc::new(tell),
        })));
        link.spawn(Vec::new());
        link
    }

    /// Sends a command, and the zip that belongs to it, now or when the worker is ready. Where there is none, one is
    /// brought up for it.
    pub(crate) fn send_with(&self, command: Command, blob: Option<Uint8Array>) {
        let mut inner = self.0.borrow_mut();
        inner.supervisor.sent(&command, blob.as_ref());
        if let Some(worker) = &mut inner.worker {
            return worker.deliver((command, blob));
        }
        let revival = inner.supervisor.wake(&command, blob.as_ref());
        drop(inner);
        // A run of its own is not the one that was in hand: nothing is taken up.
        let own = matches!(command, Command::Start(_) | Command::Restore { .. });
        match revival {
            Some(Revival::Restart { letters, .. }) if own => {
                self.spawn(letters);
            }
            Some(revival) => self.revive(revival, None),
            None => {}
        }
    }

    /// Takes the run back to its last checkpoint. Returns false where there is none.
    pub(crate) fn take_last_good(&self) -> bool {
        let letter = self.0.borrow().supervisor.last_good();
        letter.map(|(command, blob)| self.send_with(command, blob)).is_some()
    }

    /// Whether a start is under way, or will be as soon as there is a worker.
    pub(crate) fn starting(&self) -> bool {
        self.0.borrow().supervisor.starting()
    }

    /// Brings a worker up where there is none.
    pub(crate) fn wake(&self) {
        if self.0.borrow().worker.is_none() {
            self.retry();
        }
    }

    /// A new try with a new worker, asked for by a person.
    pub(crate) fn retry(&self) {
        let revival = self.0.borrow_mut().supervisor.retry();
        self.revive(revival, None);
    }

    /// Starts a worker in place of the last one and tells it these. Where the browser starts none, it says so and
    /// returns false.
    fn spawn(&self, queue: Vec<Letter<Uint8Array>>) -> bool {
        let generation = self.0.borrow().generation + 1;
        let (link, other) = (self.clone(), self.clone());
        let heard = move |message: &JsValue| {
            if link.0.borrow().generation == generation
                && let Some(message) = wire::from_worker(message)
            {
                link.hear(message);
            }
        };
        let failed = move || {
            let ready = match &other.0.borrow().worker {
                Some(worker) if other.0.borrow().generation == generation => worker.ready,
                _ => return,
            };
            // Before it listens there is nothing of its own that could fail: what did is a download.
            if ready {
                other.fell("it stopped unexpectedly.");
            } else {
                other.give_up(CANNOT_LOAD.into());
            }
        };
        let Some(connection) = Connection::open(WORKER, heard, failed) else {
            self.give_up(CANNOT_START.into());
            return false;
        };
        let mut inner = self.0.borrow_mut();
        inner.generation = generation;
        inner.worker = Some(Listener { connection, ready: false, queue });
        true
    }

    fn hear(&self, message: FromWorker) {
        match message {
            FromWorker::Ready { build } if build == BUILD => {
                if let Some(worker) = &mut self.0.borrow_mut().worker {
                    worker.ready = true;
                    for letter in std::mem::take(&mut worker.queue) {
                        worker.deliver(letter);
                    }
                }
            }
            FromWorker::Ready { build } => self.give_up(of_another_build(&build)),
            FromWorker::Panicked { message } => {
                self.fell(&format!("it hit a fault of its own ({}).", said(&message)));
            }
            FromWorker::Event(event, blob) => {
                let replace = self.0.borrow_mut().supervisor.heard(&event, blob.as_ref());
                let cause = match (&event, replace) {
                    (Event::Failed { message, .. }, true) => Some(message.clone()),
                    _ => None,
                };
                self.tell(News::Event(event, blob));
                if let Some(cause) = cause {
                    self.fell(&cause);
                }
            }
        }
    }

    /// Replaces the worker and brings the new one to where the last one was.
    fn fell(&self, cause: &str) {
        let revival = self.0.borrow_mut().supervisor.fell();
        self.revive(revival, Some(cause.into()));
    }

    fn revive(&self, revival: Revival<Uint8Array>, cause: Option<String>) {
        match revival {
            Revival::Restart { letters, step, running } => {
                if self.spawn(letters) {
                    self.tell(News::Restarted { cause, step, running });
                }
            }
            Revival::GiveUp => self.give_up(format!(
                "The engine stopped several times in a row; the last time: {} Choose a smaller preset or the other \
                 device, or try again.",
                cause.unwrap_or_default()
            )),
        }
    }

    /// Does without a worker until a command needs one, and says why.
    fn give_up(&self, why: String) {
        let mut inner = self.0.borrow_mut();
        inner.generation += 1;
        inner.worker = None;
        drop(inner);
        self.tell(News::Dead(why));
    }

    fn tell(&self, news: News) {
        // Cloned first: the listener may send, which borrows.
        let tell = self.0.borrow().tell.clone();
        tell(news);
    }
}

impl Listener {
    fn deliver(&mut self, letter: Letter<Uint8Array>) {
        if !self.ready {
            self.queue.push(letter);
        } else if let Ok(message) = wire::command_to_js(&letter.0, letter.1.as_ref()) {
            self.connection.post(&message);
        }
    }
}
