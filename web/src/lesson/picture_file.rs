//! An SVG picture of the page as a file that stands alone: its styles written into it, in the light colours.

use crate::browser;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{
    CanvasRenderingContext2d, CssRule, CssStyleRule, CssStyleSheet, Element, HtmlCanvasElement,
    HtmlImageElement, SvgElement, XmlSerializer,
};

/// What of an element's computed style a picture shows.
const STYLES: [&str; 15] = [
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-dasharray",
    "stroke-linecap",
    "opacity",
    "visibility",
    "font-family",
    "font-size",
    "font-weight",
    "font-style",
    "text-anchor",
    "dominant-baseline",
    "text-decoration-line",
];
/// Pixels of a PNG for each unit of the picture.
const SCALE: f64 = 2.0;

/// The width that a picture may take, in CSS pixels, so that its letters keep their size on a phone.
pub(crate) fn room() -> RwSignal<f64> {
    let width = || {
        let inner = window().inner_width().ok().and_then(|w| w.as_f64()).unwrap_or(1024.0);
        (inner - 72.0).clamp(240.0, 620.0)
    };
    let room = RwSignal::new(width());
    let resized = window_event_listener(leptos::ev::resize, move |_| {
        if room.get_untracked() != width() {
            room.set(width());
        }
    });
    on_cleanup(move || resized.remove());
    room
}

/// Buttons that save the pictures of the card in which they stand.
#[component]
pub(crate) fn PictureFiles(
    /// Names the files.
    title: &'static str,
) -> impl IntoView {
    let save = move |event: leptos::ev::MouseEvent, png: bool| {
        let button: Option<Element> = event.target().and_then(|t| t.dyn_into().ok());
        let Some(card) = button.and_then(|b| b.closest("section").ok().flatten()) else { return };
        let Ok(pictures) = card.query_selector_all("svg.picture") else { return };
        for i in 0..pictures.length() {
            let Some(svg) = pictures.get(i).and_then(|n| n.dyn_into::<SvgElement>().ok()) else { continue };
            let number = if pictures.length() > 1 { format!("-{}", i + 1) } else { String::new() };
            let name = format!("gradus-{}{number}", file_name(title));
            let saved = if png { save_png(&svg, name) } else { save_svg(&svg, &name) };
            if let Err(error) = saved {
                leptos::logging::error!("the picture could not be saved: {error:?}");
            }
        }
    };
    view! {
        <span class="files-of" data-of="picture">
            <button type="button" class="quiet" data-export="svg" on:click=move |e| save(e, false)
                aria-label=format!("{title} as a picture, SVG")>"SVG"</button>
            <button type="button" class="quiet" data-export="png" on:click=move |e| save(e, true)
                aria-label=format!("{title} as a picture, PNG")>"PNG"</button>
        </span>
    }
}

/// Letters, digits and hyphens of a title.
fn file_name(title: &str) -> String {
    let plain = title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn save_svg(svg: &SvgElement, name: &str) -> Result<(), JsValue> {
    browser::save_text(&format!("{name}.svg"), &alone(svg)?.0);
    Ok(())
}

/// Draws the picture on a canvas as soon as the browser has read it.
fn save_png(svg: &SvgElement, name: String) -> Result<(), JsValue> {
    let (text, [width, height]) = alone(svg)?;
    let image = HtmlImageElement::new()?;
    let drawn = image.clone();
    let ready = Closure::once_into_js(move || {
        let draw = || -> Option<()> {
            let canvas: HtmlCanvasElement = document().create_element("canvas").ok()?.dyn_into().ok()?;
            canvas.set_width((width * SCALE).round() as u32);
            canvas.set_height((height * SCALE).round() as u32);
            let context: CanvasRenderingContext2d = canvas.get_context("2d").ok()??.dyn_into().ok()?;
            context.scale(SCALE, SCALE).ok()?;
            context.draw_image_with_html_image_element_and_dw_and_dh(&drawn, 0.0, 0.0, width, height).ok()?;
            browser::save_canvas(&format!("{name}.png"), &canvas);
            Some(())
        };
        if draw().is_none() {
            leptos::logging::error!("the picture could not be drawn");
        }
    });
    image.set_onload(Some(ready.unchecked_ref()));
    image.set_src(&format!(
        "data:image/svg+xml;charset=utf-8,{}",
        String::from(js_sys::encode_uri_component(&text))
    ));
    Ok(())
}

/// The picture as text that needs nothing of the page, and its width and height.
fn alone(svg: &SvgElement) -> Result<(String, [f64; 2]), JsValue> {
    // The light colours are set on the picture itself for as long as its styles are read: nothing is painted meanwhile.
    let own = svg.style();
    let light = light_colours();
    for (name, value) in &light {
        own.set_property(name, value)?;
    }
    let ground = light.iter().find(|(n, _)| n == "--raised").map_or("#fff", |(_, v)| v.as_str()).to_owned();
    let copied = copy(svg);
    for (name, _) in &light {
        own.remove_property(name)?;
    }
    let copy = copied?;
    let size = size(&svg.get_attribute("viewBox").unwrap_or_default()).unwrap_or([600.0, 300.0]);
    copy.set_attribute("xmlns", "http://www.w3.org/2000/svg")?;
    copy.set_attribute("width", &size[0].to_string())?;
    copy.set_attribute("height", &size[1].to_string())?;
    let namespace = Some("http://www.w3.org/2000/svg");
    let paper = document().create_element_ns(namespace, "rect")?;
    for (name, value) in [("width", "100%"), ("height", "100%"), ("fill", &ground)] {
        paper.set_attribute(name, value)?;
    }
    copy.insert_before(&paper, copy.first_child().as_ref())?;
    if let Some(label) = svg.get_attribute("aria-label") {
        let title = document().create_element_ns(namespace, "title")?;
        title.set_text_content(Some(&label));
        copy.insert_before(&title, copy.first_child().as_ref())?;
    }
    Ok((XmlSerializer::new()?.serialize_to_string(&copy)?, size))
}

/// A copy of the element with its computed styles written into each part.
fn copy(svg: &Element) -> Result<Element, JsValue> {
    let copy: Element = svg.clone_node_with_deep(true)?.unchecked_into();
    let (ours, theirs) = (svg.query_selector_all("*")?, copy.query_selector_all("*")?);
    let mut pairs = vec![(svg.clone(), copy.clone())];
    for i in 0..ours.length() {
        if let (Some(a), Some(b)) = (ours.get(i), theirs.get(i)) {
            pairs.push((a.unchecked_into(), b.unchecked_into()));
        }
    }
    for (from, to) in pairs {
        let Some(style) = window().get_computed_style(&from)? else { continue };
        let mut text = String::new();
        for name in STYLES {
            let value = style.get_property_value(name)?;
            if !value.is_empty() {
                text.push_str(&format!("{name}:{};", plain_colour(&value)));
            }
        }
        to.set_attribute("style", &text)?;
        for name in ["class", "tabindex", "role"] {
            to.remove_attribute(name)?;
        }
    }
    Ok(copy)
}

/// The custom properties of the page's first `:root` rule: those of the light colours.
fn light_colours() -> Vec<(String, String)> {
    let sheets = document().style_sheets();
    let mut found = Vec::new();
    for i in 0..sheets.length() {
        let sheet = sheets.get(i).and_then(|s| s.dyn_into::<CssStyleSheet>().ok());
        // A sheet of another origin cannot be read; there is none.
        let Some(rules) = sheet.and_then(|s| s.css_rules().ok()) else { continue };
        for j in 0..rules.length() {
            let rule = rules.get(j).and_then(|r: CssRule| r.dyn_into::<CssStyleRule>().ok());
            let Some(rule) = rule.filter(|r| r.selector_text() == ":root") else { continue };
            let style = rule.style();
            for k in 0..style.length() {
                let name = style.item(k);
                if name.starts_with("--") {
                    let value = style.get_property_value(&name).unwrap_or_default();
                    found.push((name, value.trim().to_owned()));
                }
            }
            return found;
        }
    }
    found
}

/// Width and height of a view box.
fn size(view_box: &str) -> Option<[f64; 2]> {
    let numbers: Vec<f64> = view_box.split([' ', ',']).filter_map(|n| n.parse().ok()).collect();
    let &[_, _, width, height] = numbers.as_slice() else { return None };
    (width > 0.0 && height > 0.0).then_some([width, height])
}

/// `color(srgb r g b)`, which mixed colours compute to, as `rgb(…)`: older programs know no other.
fn plain_colour(value: &str) -> String {
    let inner = value.strip_prefix("color(srgb ").and_then(|v| v.strip_suffix(')'));
    let Some(inner) = inner else { return value.to_owned() };
    let (colour, alpha) = inner.split_once('/').map_or((inner, None), |(c, a)| (c, Some(a.trim())));
    let parts: Vec<String> = colour
        .split_whitespace()
        .filter_map(|p| p.parse::<f64>().ok())
        .map(|p| (p * 255.0).round().clamp(0.0, 255.0).to_string())
        .collect();
    match (parts.len(), alpha) {
        (3, None) => format!("rgb({})", parts.join(",")),
        (3, Some(alpha)) => format!("rgba({},{alpha})", parts.join(",")),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_colours_become_plain_ones() {
        assert_eq!(plain_colour("color(srgb 1 0.5 0)"), "rgb(255,128,0)");
        assert_eq!(plain_colour("color(srgb 0 0 0 / 0.5)"), "rgba(0,0,0,0.5)");
        assert_eq!(plain_colour("rgb(1, 2, 3)"), "rgb(1, 2, 3)");
        assert_eq!(plain_colour("color(srgb none)"), "color(srgb none)");
    }

    #[test]
    fn names_and_sizes() {
        assert_eq!(file_name("An answer, token by token"), "an-answer-token-by-token");
        assert_eq!(size("0 0 310 294"), Some([310.0, 294.0]));
        assert_eq!(size("0 0 x"), None);
    }
}
