//! A canvas of the page, drawn when it is asked for: at most once a frame, and one canvas after another, so that a page
//! of charts never keeps the browser waiting for all of them at once.

use super::canvas::Measured;
use crate::browser;
use leptos::{html, prelude::*};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{HtmlCanvasElement, ResizeObserver};

/// How long the drawings of one frame may take together, in milliseconds; one is always made.
const BUDGET: f64 = 8.0;
/// Sides in CSS pixels below which nothing is drawn.
const LEAST: f64 = 60.0;

/// What a canvas is drawn with.
pub(crate) struct Sheet<'a> {
    pub(crate) canvas: &'a HtmlCanvasElement,
    /// Width and height in CSS pixels.
    pub(crate) size: (f64, f64),
    /// Device pixels to a CSS pixel.
    pub(crate) scale: f64,
    pub(crate) measured: &'a Measured,
}

/// Draws on this canvas with `paint` whenever what is returned is called, its size changes, or the page's colours do.
pub(crate) fn on_demand(
    canvas: NodeRef<html::Canvas>,
    paint: impl Fn(&Sheet<'_>) + 'static,
) -> Rc<impl Fn() + 'static> {
    let measured = Measured::default();
    let size = Rc::new(Cell::new((0.0, 0.0)));
    let known = size.clone();
    let draw = move || {
        let (width, height) = known.get();
        if let Some(Some(canvas)) = canvas.try_get_untracked()
            && width >= LEAST
            && height >= LEAST
        {
            let scale = window().device_pixel_ratio().clamp(1.0, 4.0);
            paint(&Sheet { canvas: &canvas, size: (width, height), scale, measured: &measured });
        }
    };
    let waits = Rc::new(Cell::new(false));
    let begun = waits.clone();
    let drawing: Drawing = Rc::new(move || {
        begun.set(false);
        draw();
    });
    let redraw = Rc::new(move || {
        if !waits.replace(true) {
            in_turn(drawing.clone());
        }
    });
    let changed = redraw.clone();
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            follow(&canvas, size.clone(), changed.clone());
        }
    });
    redraw
}

/// Calls `changed` whenever the canvas changes its size, which is noted, or the page its colours.
fn follow(canvas: &HtmlCanvasElement, size: Rc<Cell<(f64, f64)>>, changed: Rc<impl Fn() + 'static>) {
    let colours = changed.clone();
    let of = canvas.clone();
    // Asked for here, where the browser has just laid out the page, and not before each drawing, where it would have to.
    let resized = Closure::<dyn FnMut()>::new(move || {
        size.set((of.client_width().into(), of.client_height().into()));
        changed();
    });
    if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
        observer.observe(canvas);
    }
    resized.forget();
    if let Ok(Some(query)) = window().match_media("(prefers-color-scheme: dark)") {
        let changed = Closure::<dyn FnMut()>::new(move || colours());
        let _ = query.add_event_listener_with_callback("change", changed.as_ref().unchecked_ref());
        changed.forget();
    }
}

type Drawing = Rc<dyn Fn()>;

thread_local! {
    static WAITING: RefCell<VecDeque<Drawing>> = const { RefCell::new(VecDeque::new()) };
}

/// Makes the drawing in the next frame that has time for it.
fn in_turn(drawing: Drawing) {
    let first = WAITING.with_borrow_mut(|w| {
        w.push_back(drawing);
        w.len() == 1
    });
    if first {
        request_animation_frame(frame);
    }
}

fn frame() {
    let start = browser::now();
    // Those that are asked for meanwhile have the next frame.
    let mut due = WAITING.take();
    while let Some(drawing) = due.pop_front() {
        drawing();
        if browser::now() - start > BUDGET {
            break;
        }
    }
    let more = WAITING.with_borrow_mut(|w| {
        let asked_meanwhile = !w.is_empty();
        due.append(w);
        *w = due;
        // Who found it empty has asked for a frame already.
        !asked_meanwhile && !w.is_empty()
    });
    if more {
        request_animation_frame(frame);
    }
}
