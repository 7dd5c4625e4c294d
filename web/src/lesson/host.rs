//! The worker's side of a lesson: runs one recipe after another and lets the browser have its turn.

use super::meter::{Gauge, Metered};
use super::wire::{self, FromCourse, Meter, Request, ToCourse};
use crate::host::{next_task, rest};
use crate::wire::BUILD;
use futures_channel::mpsc::{UnboundedReceiver, unbounded};
use futures_util::StreamExt;
use gradus_core::device::cpu::Cpu;
use gradus_core::model::ModelFolder;
use gradus_core::{Error, Result, session};
use gradus_lessons::ask::{self, Ask};
use gradus_lessons::recipe::record::{cut, thin};
use gradus_lessons::recipe::{Course, GoOn, Host, Models, Moment, Role, base, runner};
use js_sys::{Date, Uint8Array};
use serde::Serialize;
use std::rc::Rc;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

/// How long it computes before the browser has its turn, and how often the page hears of it, in milliseconds.
const TURN: f64 = 30.0;

type Letter = (ToCourse, Vec<Uint8Array>);

/// A question that waits, and its model.
type Waiting = (u32, Box<Ask>, Vec<Uint8Array>);

/// Serves lessons until the worker ends.
pub(crate) fn start(scope: DedicatedWorkerGlobalScope) {
    let panics = scope.clone();
    std::panic::set_hook(Box::new(move |info| {
        post(&panics, &FromCourse::Panicked { message: info.to_string() }, &[]);
    }));
    let (sender, letters) = unbounded();
    let reader = scope.clone();
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        match wire::from_js(&message.data()) {
            // The receiver lives as long as the worker.
            Ok(letter) => drop(sender.unbounded_send(letter)),
            Err(message) => post(&reader, &FromCourse::Failed { message }, &[]),
        }
    });
    scope.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    wasm_bindgen_futures::spawn_local(serve(Watch {
        scope: scope.clone(),
        letters,
        paused: false,
        steps: 0,
        pace: 0.0,
        heap: Vec::new(),
        told: Vec::new(),
        asks: Vec::new(),
        turned: Date::now(),
        stepped: 0.0,
        begun: 0.0,
        waited: 0.0,
        gauge: Rc::default(),
    }));
    post(&scope, &FromCourse::Ready { build: BUILD.into() }, &[]);
}

async fn serve(mut watch: Watch) {
    while let Some((letter, zips)) = watch.letters.next().await {
        match letter {
            ToCourse::Run(request) => {
                watch.paused = false;
                let (message, zips) = match run(&mut watch, &request, &zips).await {
                    Ok(done) => done,
                    Err(error) => (FromCourse::Failed { message: error.to_string() }, Vec::new()),
                };
                watch.flush();
                post(&watch.scope, &message, &zips);
                watch.answer().await;
            }
            ToCourse::Ask { id, ask } => {
                watch.asks.push((id, ask, zips));
                watch.answer().await;
            }
            ToCourse::Pace(pace) => watch.pace = pace,
            // Said to a run that has just ended.
            ToCourse::Pause | ToCourse::Resume | ToCourse::Step => {}
        }
    }
}

/// Asks a model. It is always the CPU that answers: a question is small, and a run may hold the GPU.
async fn answer(ask: &Ask, zips: &[Uint8Array]) -> Result<ask::Answer> {
    let zip = zips.first().ok_or_else(|| Error::Checkpoint("there is no model to ask: open one".into()))?;
    let model = ModelFolder::from_zip(&zip.to_vec())?;
    ask::ask(&mut Cpu::<f32>::new(), &model, ask).await
}

async fn run(
    watch: &mut Watch,
    request: &Request,
    zips: &[Uint8Array],
) -> Result<(FromCourse, Vec<Uint8Array>)> {
    let mut models = Models::default();
    for (&role, zip) in request.roles.iter().zip(zips) {
        models.set(role, ModelFolder::from_zip(&zip.to_vec())?);
    }
    let shape = base::Settings::of(request.size);
    let (device, report) = session::open_device(request.device, &shape.model, shape.train.batch).await?;
    post(&watch.scope, &FromCourse::Device(report), &[]);
    watch.gauge = Rc::default();
    let device = Box::new(Metered::new(device, watch.gauge.clone()));
    let start = Date::now();
    (watch.begun, watch.waited) = (start, 0.0);
    watch.told.clear();
    let mut course = Course::new(device, request.seed, request.size, models, &mut *watch);
    let outcome = runner::run(Some(request.lesson), &mut course, &request.patch).await?;
    let seconds = (Date::now() - start) / 1e3;
    let (mut roles, mut zips) = (Vec::<Role>::new(), Vec::new());
    for (role, model) in course.models.iter() {
        roles.push(role);
        zips.push(Uint8Array::from(model.to_zip()?.as_slice()));
    }
    drop(course);
    watch.flush();
    // Here and not on the page, which has to stay awake.
    let moments = thin(std::mem::take(&mut watch.told));
    let figures = cut(outcome.figures);
    Ok((FromCourse::Done { checks: outcome.checks, figures, moments, seconds, roles }, zips))
}

/// Tells the page what happens, and holds the recipe while it is paused.
struct Watch {
    scope: DedicatedWorkerGlobalScope,
    letters: UnboundedReceiver<Letter>,
    paused: bool,
    /// Steps that may be made while paused.
    steps: u32,
    /// Steps a second at most; 0 for no limit.
    pace: f64,
    /// What the page has not heard of.
    heap: Vec<Moment>,
    /// What it has heard of in this run.
    told: Vec<Moment>,
    /// Questions that wait for a turn.
    asks: Vec<Waiting>,
    /// When the browser last had its turn.
    turned: f64,
    /// When the last step was made.
    stepped: f64,
    /// When the run began, and for how long the learner let it wait, in milliseconds.
    begun: f64,
    waited: f64,
    /// What goes through the device.
    gauge: Rc<Gauge>,
}

impl Watch {
    fn flush(&mut self) {
        if !self.heap.is_empty() {
            let seconds = (Date::now() - self.begun - self.waited) / 1e3;
            let (tokens, bytes) = (self.gauge.tokens.get(), self.gauge.bytes.get());
            // Before the moments, so that the page knows when they were.
            post(&self.scope, &FromCourse::Meter(Meter { seconds, tokens, bytes }), &[]);
            let news = FromCourse::Moments(std::mem::take(&mut self.heap));
            post(&self.scope, &news, &[]);
            if let FromCourse::Moments(moments) = news {
                self.told.extend(moments);
            }
        }
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.steps = 0;
        post(&self.scope, &FromCourse::Paused(paused), &[]);
    }

    fn read(&mut self) {
        while let Ok((letter, zips)) = self.letters.try_recv() {
            match letter {
                ToCourse::Pause => self.pause(true),
                ToCourse::Resume => self.pause(false),
                ToCourse::Step => self.steps += 1,
                ToCourse::Pace(pace) => self.pace = pace,
                ToCourse::Ask { id, ask } => self.asks.push((id, ask, zips)),
                // The page ends this worker before it starts another run.
                ToCourse::Run(_) => {}
            }
        }
    }

    async fn take_in(&mut self, moment: Moment) {
        let step = matches!(moment, Moment::Metrics { .. });
        // Of a stage's progress only the last word counts.
        if matches!(moment, Moment::Progress { .. })
            && matches!(self.heap.last(), Some(Moment::Progress { .. }))
        {
            self.heap.pop();
        }
        self.heap.push(moment);
        if Date::now() - self.turned > TURN {
            self.turn().await;
        }
        if step && self.steps > 0 {
            self.steps -= 1;
        }
        while (self.paused && self.steps == 0) || (step && self.too_soon()) {
            let before = Date::now();
            self.turn().await;
            rest(&self.scope).await;
            self.waited += Date::now() - before;
        }
        if step {
            self.stepped = Date::now();
        }
    }

    fn too_soon(&self) -> bool {
        self.pace > 0.0 && Date::now() - self.stepped < 1e3 / self.pace
    }

    async fn turn(&mut self) {
        self.flush();
        next_task().await;
        self.read();
        self.answer().await;
        self.turned = Date::now();
    }

    /// Answers the questions that wait.
    async fn answer(&mut self) {
        for (id, ask, zips) in std::mem::take(&mut self.asks) {
            let answer = answer(&ask, &zips).await.map(Box::new).map_err(|e| e.to_string());
            post(&self.scope, &FromCourse::Answered { id, answer }, &[]);
        }
    }
}

impl Host for Watch {
    fn moment(&mut self, moment: Moment) -> GoOn<'_> {
        Box::pin(async move {
            self.take_in(moment).await;
            // Who stops a run ends the worker.
            Ok(())
        })
    }
}

fn post(scope: &DedicatedWorkerGlobalScope, message: &impl Serialize, zips: &[Uint8Array]) {
    let (message, transfer) = wire::to_js(message, zips);
    // Fails only for what cannot be cloned; text and bytes can.
    let _ = scope.post_message_with_transfer(&message, &transfer);
}
