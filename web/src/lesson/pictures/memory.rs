//! The bytes of models: a square for each copy of the weights.

use crate::format::bytes;
use gradus_core::train::ModelBytes;
use leptos::prelude::*;

/// One row a model: a square for its weights, and where it learns one each for gradient, first and second moment.
pub(super) fn models(models: &[ModelBytes]) -> impl IntoView + use<> {
    let rows = models.iter().enumerate().map(|(i, m)| {
        let y = 8.0 + i as f64 * 34.0;
        let parts = 1 + if m.weights > 0 { m.training.div_ceil(m.weights) } else { 0 };
        let color = if m.training > 0 { ["--s1", "--s3"][i % 2] } else { "--soft" };
        let squares = (0..parts).map(|p| {
            let strength = if p == 0 { 100 } else { 40 };
            view! { <rect x=78.0 + p as f64 * 46.0 y=y width="42" height="24" rx="4" style=format!("fill: color-mix(in srgb, var({color}) {strength}%, var(--sunken))")></rect> }
        }).collect_view();
        let learns = if m.training > 0 { "learns" } else { "frozen" };
        view! {
            <text x="0" y=y + 11.0 font-weight="600">{m.name.clone()}</text>
            <text class="faint" x="0" y=y + 24.0>{learns}</text>
            {squares}
            <text x="338" y=y + 17.0 text-anchor="end">{bytes(m.weights + m.training)}</text>
        }
    }).collect_view();
    let said: Vec<_> =
        models.iter().map(|m| format!("{} {}", m.name, bytes(m.weights + m.training))).collect();
    let height = 8.0 + models.len() as f64 * 34.0;
    (!models.is_empty()).then(|| view! {
        <svg class="picture memory" viewBox=format!("0 0 340 {height}") role="img" tabindex="0" aria-label=format!("Bytes of the models: {}", said.join(", "))>{rows}</svg>
    })
}
