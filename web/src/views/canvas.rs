//! Our plotters backend: `CanvasBackend` on a canvas as fine as the screen, its text measured by the
//! canvas itself. (The crate's own way appends an element to the page for every label and asks for its
//! size, which lays the page out again each time.)

use super::sheet::Sheet;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use plotters_canvas::CanvasBackend;
use std::{cell::RefCell, collections::HashMap, rc::Rc};
use wasm_bindgen::JsCast;
use web_sys::CanvasRenderingContext2d;

/// Widths of labels already measured, by font and text.
pub(crate) type Measured = Rc<RefCell<HashMap<(String, String), u32>>>;

/// A canvas to draw on, in device pixels.
pub(crate) struct Canvas {
    inner: CanvasBackend,
    context: CanvasRenderingContext2d,
    measured: Measured,
}

impl Canvas {
    /// Fits the canvas's pixels to the screen's and clears it. `None` where the browser has no 2D canvas.
    pub(crate) fn new(sheet: &Sheet<'_>) -> Option<Self> {
        let Sheet { canvas, size, scale, measured } = *sheet;
        let (width, height) = ((size.0 * scale).round() as u32, (size.1 * scale).round() as u32);
        let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        if (canvas.width(), canvas.height()) == (width, height) {
            context.clear_rect(0.0, 0.0, width.into(), height.into());
        } else {
            // Also clears it, and takes new memory: only where the size changed.
            canvas.set_width(width);
            canvas.set_height(height);
        }
        // At the width of a curve nobody can tell it from a round one, which costs up to three times as much where there is no GPU.
        context.set_line_join("bevel");
        let inner = CanvasBackend::with_canvas_object(canvas.clone())?;
        Some(Self { inner, context, measured: measured.clone() })
    }

    /// What else a canvas can do.
    pub(crate) fn pen(&self) -> CanvasRenderingContext2d {
        self.context.clone()
    }
}

type Outcome<B> = Result<(), DrawingErrorKind<<B as DrawingBackend>::ErrorType>>;

impl DrawingBackend for Canvas {
    type ErrorType = <CanvasBackend as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.inner.get_size()
    }

    fn ensure_prepared(&mut self) -> Outcome<CanvasBackend> {
        self.inner.ensure_prepared()
    }

    fn present(&mut self) -> Outcome<CanvasBackend> {
        self.inner.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Outcome<CanvasBackend> {
        self.inner.draw_pixel(point, color)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Outcome<CanvasBackend> {
        self.inner.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Outcome<CanvasBackend> {
        self.inner.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Outcome<CanvasBackend> {
        self.inner.draw_path(path, style)
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Outcome<CanvasBackend> {
        self.inner.draw_circle(center, radius, style, fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Outcome<CanvasBackend> {
        self.inner.fill_polygon(corners, style)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        position: BackendCoord,
    ) -> Outcome<CanvasBackend> {
        self.inner.draw_text(text, style, position)
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        let font = format!("{} {}px {}", style.style().as_str(), style.size(), style.family().as_str());
        let width = *self.measured.borrow_mut().entry((font.clone(), text.to_owned())).or_insert_with(|| {
            self.context.set_font(&font);
            self.context.measure_text(text).map_or(0, |m| m.width().ceil() as u32)
        });
        Ok((width, style.size().ceil() as u32))
    }
}
