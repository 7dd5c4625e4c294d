//! A table of figures. On a phone each row becomes a block of its own: its name, and below it the cells, each with its
//! column's name (`.stacked` in lesson.css).

use leptos::prelude::*;

/// The table, whose rows begin with their names. `label` is for those who do not see it; `class` is the table's.
pub(super) fn table(
    label: &'static str,
    class: &'static str,
    columns: &[&'static str],
    rows: Vec<Vec<AnyView>>,
) -> impl IntoView + use<> {
    let heads = columns.iter().map(|c| view! { <th scope="col">{*c}</th> }).collect_view();
    let row = |cells: Vec<AnyView>| {
        let mut cells = cells.into_iter();
        let name = cells.next();
        let rest = cells.zip(&columns[1..]).map(|(cell, head)| view! { <td data-head=*head>{cell}</td> });
        view! { <tr><th scope="row">{name}</th>{rest.collect_view()}</tr> }
    };
    let rows = rows.into_iter().map(row).collect_view();
    view! {
        <div class="wide" tabindex="0" role="group" aria-label=label>
            <table class=format!("stacked {class}")><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>
        </div>
    }
}

/// A row of plain text.
pub(super) fn texts<const N: usize>(cells: [String; N]) -> Vec<AnyView> {
    cells.into_iter().map(IntoAny::into_any).collect()
}
