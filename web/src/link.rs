//! The only owner of the worker: spawns it, shakes hands, sends commands, and replaces it when it falls.

use crate::supervise::{Letter, Revival, Supervisor};
use crate::wire::{self, BUILD, FromWorker};
use gradus_core::protocol::{Command, Event};
use js_sys::Uint8Array;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{ErrorEvent, MessageEvent, Worker};

/// What the link tells the page.
#[derive(Debug)]
pub(crate) enum News {
    /// The session said something; its zip stays outside this memory.
    Event(Event, Option<Uint8Array>),
    /// The worker fell and a new one took over.
    Restarted {
        /// Why it fell.
        cause: String,
        /// The step that was taken up.
        step: u64,
        /// Whether the run goes on by itself.
        running: bool,
    },
    /// No worker can be had; the page must say so.
    Dead(String),
}

/// A handle to the one worker of the page.
#[derive(Clone)]
pub(crate) struct Link(Rc<RefCell<Inner>>);

struct Inner {
    worker: Option<Connection>,
    /// Which worker is meant: messages of earlier ones are ignored.
    generation: u32,
    ready: bool,
    /// What waits for the worker to be ready.
    queue: Vec<Letter<Uint8Array>>,
    supervisor: Supervisor<Uint8Array>,
    tell: Rc<dyn Fn(News)>,
}

/// A worker and the callbacks that it holds.
struct Connection {
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        // Also the way to give its memory back: wasm memory never shrinks.
        self.worker.terminate();
    }
}

/// Where the worker's loader lies, seen from the page.
const WORKER: &str = "./worker_loader.js";

impl Link {
    /// Spawns the worker. `tell` hears all that happens.
    pub(crate) fn new(tell: impl Fn(News) + 'static) -> Self {
        let link = Self(Rc::new(RefCell::new(Inner {
            worker: None,
            generation: 0,
            ready: false,
            queue: Vec::new(),
            supervisor: Supervisor::default(),
            tell: Rc::new(tell),
        })));
        link.spawn();
        link
    }

    /// Sends a command, and the zip that belongs to it, now or when the worker is ready.
    pub(crate) fn send_with(&self, command: Command, blob: Option<Uint8Array>) {
        let mut inner = self.0.borrow_mut();
        inner.supervisor.sent(&command, blob.as_ref());
        inner.deliver((command, blob));
    }

    /// Takes the run back to its last checkpoint. Returns false where there is none.
    pub(crate) fn take_last_good(&self) -> bool {
        let letter = self.0.borrow().supervisor.last_good();
        letter.map(|(command, blob)| self.send_with(command, blob)).is_some()
    }

    /// A new try with a new worker, asked for by a person.
    pub(crate) fn retry(&self) {
        self.0.borrow_mut().supervisor.forgive();
        self.fell("you asked for it.");
    }

    fn spawn(&self) {
        let mut inner = self.0.borrow_mut();
        inner.generation += 1;
        inner.ready = false;
        inner.worker = None;
        let generation = inner.generation;

        let worker = match Worker::new(WORKER) {
            Ok(worker) => worker,
            Err(_) => {
                let tell = inner.tell.clone();
                drop(inner);
                tell(News::Dead(
                    "This browser would not start the engine's worker. Allow workers for this site, or \
                     use a recent Chrome, Edge, Firefox or Safari."
                        .into(),
                ));
                return;
            }
        };
        let link = self.clone();
        let on_message = Closure::new(move |message: MessageEvent| {
            if link.0.borrow().generation == generation
                && let Some(message) = wire::from_worker(&message.data())
            {
                link.hear(message);
            }
        });
        let link = self.clone();
        let on_error = Closure::new(move |error: ErrorEvent| {
            error.prevent_default();
            if link.0.borrow().generation == generation {
                link.fell("it stopped unexpectedly.");
            }
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        inner.worker = Some(Connection { worker, _on_message: on_message, _on_error: on_error });
    }

    fn hear(&self, message: FromWorker) {
        match message {
            FromWorker::Ready { build } if build == BUILD => {
                let mut inner = self.0.borrow_mut();
                inner.ready = true;
                for letter in std::mem::take(&mut inner.queue) {
                    inner.deliver(letter);
                }
            }
            FromWorker::Ready { build } => {
                let tell = {
                    let mut inner = self.0.borrow_mut();
                    inner.generation += 1;
                    inner.tell.clone()
                };
                tell(News::Dead(format!(
                    "The page and its engine are of different builds ({BUILD} and {build}): the browser \
                     kept an old copy of one. Reload the page, holding Shift."
                )));
            }
            FromWorker::Panicked { message } => {
                self.fell(&format!("it hit a fault of its own ({}).", said(&message)));
            }
            FromWorker::Event(event, blob) => {
                let (replace, tell) = {
                    let mut inner = self.0.borrow_mut();
                    (inner.supervisor.heard(&event, blob.as_ref()), inner.tell.clone())
                };
                let cause = match (&event, replace) {
                    (Event::Failed { message, .. }, true) => Some(message.clone()),
                    _ => None,
                };
                tell(News::Event(event, blob));
                if let Some(cause) = cause {
                    self.fell(&cause);
                }
            }
        }
    }

    /// Replaces the worker and brings the new one to where the last one was.
    fn fell(&self, cause: &str) {
        let revival = self.0.borrow_mut().supervisor.fell();
        let tell = self.0.borrow().tell.clone();
        match revival {
            Revival::Restart { letters, step, running } => {
                self.spawn();
                let mut inner = self.0.borrow_mut();
                inner.queue = letters;
                drop(inner);
                tell(News::Restarted { cause: cause.into(), step, running });
            }
            Revival::GiveUp => {
                let mut inner = self.0.borrow_mut();
                inner.generation += 1;
                inner.worker = None;
                drop(inner);
                tell(News::Dead(format!(
                    "The engine stopped several times in a row; the last time: {cause} Choose a smaller \
                     preset or the other device, then try again."
                )));
            }
        }
    }
}

impl Inner {
    fn deliver(&mut self, letter: Letter<Uint8Array>) {
        if !self.ready {
            self.queue.push(letter);
        } else if let Some(connection) = &self.worker
            && let Ok(message) = wire::command_to_js(&letter.0, letter.1.as_ref())
        {
            // Fails only for what cannot be cloned; bytes can.
            let _ = connection.worker.post_message(&message);
        }
    }
}

/// What a panic says, without the place in the source: `panicked at FILE:LINE:\nWHAT`.
fn said(panic: &str) -> &str {
    panic.split_once('\n').map_or(panic, |(_, what)| what).trim()
}
