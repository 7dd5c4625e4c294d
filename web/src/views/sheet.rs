//! A canvas of the page, drawn when it is asked for and in sight: at most once a frame, and one canvas a frame, so that a
//! page of charts never keeps the browser waiting for all of them at once.

use super::canvas::Measured;
use crate::browser;
use leptos::{html, prelude::*};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use web_sys::HtmlCanvasElement;

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

/// Where a canvas is, and what it still has to show.
#[derive(Default)]
struct Place {
    /// Width and height in CSS pixels.
    size: Cell<(f64, f64)>,
    /// Whether it is in sight.
    seen: Cell<bool>,
    /// Whether it was to be drawn while it was not.
    due: Cell<bool>,
    /// Whether it waits for its turn.
    waits: Cell<bool>,
}

/// Draws on this canvas with `paint` whenever what is returned is called, its size changes, or the page's colours do;
/// while it is out of sight, not before it comes into sight or the page is printed.
pub(crate) fn on_demand(
    canvas: NodeRef<html::Canvas>,
    paint: impl Fn(&Sheet<'_>) + 'static,
) -> Rc<impl Fn() + 'static> {
    let measured = Measured::default();
    let place = Rc::new(Place::default());
    let of = place.clone();
    let drawing: Drawing = Rc::new(move || {
        of.waits.set(false);
        let (width, height) = of.size.get();
        if let Some(Some(canvas)) = canvas.try_get_untracked()
            && width >= LEAST
            && height >= LEAST
        {
            let scale = window().device_pixel_ratio().clamp(1.0, 4.0);
            paint(&Sheet { canvas: &canvas, size: (width, height), scale, measured: &measured });
        }
    });
    let (of, draw) = (place.clone(), drawing.clone());
    let redraw = Rc::new(move || {
        if !of.seen.get() {
            of.due.set(true);
        } else if !of.waits.replace(true) {
            in_turn(draw.clone());
        }
    });
    let changed = redraw.clone();
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            follow(&canvas, &place, &drawing, changed.clone());
        }
    });
    redraw
}

/// Notes the size of a canvas and whether it is in sight, until its owner is gone; calls `changed` where it has to be
/// drawn anew.
fn follow(
    canvas: &HtmlCanvasElement,
    place: &Rc<Place>,
    drawing: &Drawing,
    changed: Rc<impl Fn() + 'static>,
) {
    let (known, resized) = (place.clone(), changed.clone());
    browser::watch_size(canvas, move |size| {
        known.size.set(size);
        resized();
    });
    let (known, come) = (place.clone(), changed.clone());
    browser::watch_sight(canvas, move |seen| {
        known.seen.set(seen);
        if seen && known.due.take() {
            come();
        }
    });
    let (known, draw) = (place.clone(), drawing.clone());
    browser::on_event(&window(), "beforeprint", move || {
        if known.due.take() {
            draw();
        }
    });
    if let Ok(Some(query)) = window().match_media("(prefers-color-scheme: dark)") {
        browser::on_event(&query, "change", move || changed());
    }
}

type Drawing = Rc<dyn Fn()>;

thread_local! {
    static WAITING: RefCell<VecDeque<Drawing>> = const { RefCell::new(VecDeque::new()) };
}

/// Makes the drawing in a frame of its own.
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
    // Those that are asked for meanwhile have the next frame.
    let mut due = WAITING.take();
    if let Some(drawing) = due.pop_front() {
        drawing();
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
