//! The page's handle on the worker that runs recipes. A worker that falls is replaced when it is next needed.

use super::wire::{self, FromCourse, ToCourse};
use crate::connection::{CANNOT_START, Connection, of_another_build, said};
use crate::wire::BUILD;
use js_sys::Uint8Array;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::JsValue;

/// Hears what the worker says, and the zips that came with it.
type Tell = Rc<dyn Fn(FromCourse, Vec<Uint8Array>)>;

/// The one worker of a lesson's page.
#[derive(Clone)]
pub(crate) struct Worker(Rc<RefCell<Inner>>);

struct Inner {
    address: String,
    tell: Tell,
    connection: Option<Connection>,
    ready: bool,
    queue: Vec<(ToCourse, Vec<Uint8Array>)>,
}

const CANNOT_LOAD: &str = "The engine could not be loaded. Check the connection and run it again.";

impl Worker {
    /// A worker whose program lies at `root`; started with the first message.
    pub(crate) fn new(root: &str, tell: impl Fn(FromCourse, Vec<Uint8Array>) + 'static) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            address: format!("{root}worker_loader.js#lesson"),
            tell: Rc::new(tell),
            connection: None,
            ready: false,
            queue: Vec::new(),
        })))
    }

    /// Says it now, or as soon as the worker listens.
    pub(crate) fn send(&self, message: ToCourse, zips: Vec<Uint8Array>) {
        if self.0.borrow().connection.is_none() {
            self.spawn();
        }
        let mut inner = self.0.borrow_mut();
        inner.queue.push((message, zips));
        inner.deliver();
    }

    /// Ends the worker and with it whatever it does.
    pub(crate) fn kill(&self) {
        let mut inner = self.0.borrow_mut();
        inner.connection = None;
        inner.ready = false;
        inner.queue.clear();
    }

    fn spawn(&self) {
        let address = self.0.borrow().address.clone();
        let (this, other) = (self.clone(), self.clone());
        let heard = move |message: &JsValue| match wire::from_js(message) {
            Ok((message, zips)) => this.hear(message, zips),
            Err(why) => this.fall(why),
        };
        let failed = move || {
            // Before it listens there is nothing of its own that could fail: what did is a download.
            if other.0.borrow().ready {
                other.hear(FromCourse::Panicked { message: "it stopped unexpectedly".into() }, Vec::new());
            } else {
                other.fall(CANNOT_LOAD.into());
            }
        };
        let Some(connection) = Connection::open(&address, heard, failed) else {
            return self.fall(CANNOT_START.into());
        };
        let mut inner = self.0.borrow_mut();
        inner.ready = false;
        inner.connection = Some(connection);
    }

    fn hear(&self, message: FromCourse, zips: Vec<Uint8Array>) {
        match message {
            FromCourse::Ready { build } if build == BUILD => {
                let mut inner = self.0.borrow_mut();
                inner.ready = true;
                inner.deliver();
            }
            FromCourse::Ready { build } => self.fall(of_another_build(&build)),
            FromCourse::Panicked { message } => {
                leptos::logging::error!("the worker fell: {message}");
                self.fall(format!(
                    "The engine hit a fault of its own ({}). Choose the other device or a quicker run, and run it \
                     again; finished runs and models are kept.",
                    said(&message),
                ));
            }
            message => self.tell(message, zips),
        }
    }

    /// Gives the worker up and says why.
    fn fall(&self, message: String) {
        self.kill();
        self.tell(FromCourse::Failed { message }, Vec::new());
    }

    fn tell(&self, message: FromCourse, zips: Vec<Uint8Array>) {
        // Cloned first: the listener may send, which borrows.
        let tell = self.0.borrow().tell.clone();
        tell(message, zips);
    }
}

impl Inner {
    fn deliver(&mut self) {
        let (true, Some(connection)) = (self.ready, &self.connection) else { return };
        for (message, zips) in self.queue.drain(..) {
            let (message, _) = wire::to_js(&message, &zips);
            connection.post(&message);
        }
    }
}
