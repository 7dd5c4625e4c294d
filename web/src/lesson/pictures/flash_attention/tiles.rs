//! Flash attention tile by tile, forward and backward: what is in the workgroup's memory, what the tile did to one
//! row, and how many numbers have moved by then.

use super::super::parts::{Card, Number, Stepper, bar};
use crate::format::grouped;
use gradus_core::attention::grad_steps::{GradInputs, GradStep, backward};
use gradus_core::attention::steps::{Inputs, Kernel, Step, forward};
use gradus_core::attention::tiles::WORKGROUP_BYTES;
use gradus_core::attention::{Problem, Tiles, Traffic};
use gradus_core::rng::{Rng, Stream};
use leptos::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;

/// The kernels, as they are chosen.
const KERNELS: [(Kernel, &str); 3] =
    [(Kernel::Forward, "forward: O"), (Kernel::GradKv, "backward: dK, dV"), (Kernel::GradQ, "backward: dQ")];

/// What the stepper runs on: small enough to look at.
#[derive(Clone, PartialEq)]
struct Walk {
    kernel: Kernel,
    problem: Problem,
    tiles: Tiles,
    steps: Vec<Visit>,
}

/// One tile that meets a block, as the picture needs it.
#[derive(Clone, PartialEq)]
struct Visit {
    queries: Range<usize>,
    keys: Range<usize>,
    brought: bool,
    /// Numbers moved so far, this tile included.
    moved: u64,
    what: What,
}

/// What it did.
#[derive(Clone, PartialEq)]
enum What {
    Forward(Box<Step>),
    Backward(Box<GradStep>),
}

/// All steps on random Q, K, V and dO of variance 1.
fn walk(kernel: Kernel, problem: Problem, tiles: Tiles) -> Walk {
    let mut rng = Rng::at(1, Stream::Sample, 7);
    let mut draw = || (0..problem.n * problem.d).map(|_| rng.normal()).collect::<Vec<_>>();
    let (q, k, v, dout) = (draw(), draw(), draw(), draw());
    let inputs = Inputs { problem, q: &q, k: &k, v: &v };
    let passed: Vec<Step> = forward(inputs, tiles).map(Iterator::collect).unwrap_or_default();
    let steps: Vec<(Range<usize>, Range<usize>, bool, What)> = if kernel == Kernel::Forward {
        passed
            .into_iter()
            .map(|s| (s.queries.clone(), s.keys.clone(), s.tile.is_some(), What::Forward(Box::new(s))))
            .collect()
    } else {
        let written: Vec<_> = passed.into_iter().filter_map(|s| s.written).collect();
        let o: Vec<f64> = written.iter().flat_map(|w| w.o.clone()).collect();
        let lse: Vec<f64> = written.iter().flat_map(|w| w.lse.clone()).collect();
        let inputs = GradInputs { forward: inputs, o: &o, lse: &lse, dout: &dout };
        let steps = backward(kernel, inputs, tiles).unwrap_or_default();
        let sides = |s: &GradStep| {
            let (held, passing) = (s.held.clone(), s.passing.clone());
            if kernel == Kernel::GradKv { (passing, held) } else { (held, passing) }
        };
        steps
            .into_iter()
            .map(|s| (sides(&s), s))
            .map(|((q, k), s)| (q, k, s.tile.is_some(), What::Backward(Box::new(s))))
            .collect()
    };
    let mut moved = 0;
    let steps = steps.into_iter().map(|(queries, keys, brought, what)| {
        moved += traffic(kernel, problem.d as u64, &queries, &keys, brought, &what);
        Visit { queries, keys, brought, moved, what }
    });
    Walk { kernel, problem, tiles, steps: steps.collect() }
}

/// Numbers that one visit moves: the block at its first tile, the tile, and the results at its last.
fn traffic(
    kernel: Kernel,
    d: u64,
    queries: &Range<usize>,
    keys: &Range<usize>,
    brought: bool,
    what: &What,
) -> u64 {
    let (rows, columns) = (queries.len() as u64, keys.len() as u64);
    let (first, last) = match what {
        What::Forward(s) => (keys.start == 0, s.written.is_some()),
        What::Backward(s) => (s.passing.start == 0, s.written),
    };
    // In elements: what stays is read once, what passes each time, what is made is written once.
    let (held, passing, made) = match kernel {
        Kernel::Forward => (rows * d, 2 * columns * d, rows * (d + 1)),
        Kernel::GradKv => (2 * columns * d, rows * (2 * d + 2), 2 * columns * d),
        Kernel::GradQ => (rows * (2 * d + 2), 2 * columns * d, rows * d),
    };
    u64::from(first) * held + u64::from(brought) * passing + u64::from(last) * made
}

/// The same by formula.
fn formula(walk: &Walk) -> Traffic {
    match walk.kernel {
        Kernel::Forward => walk.problem.flash_forward(walk.tiles),
        Kernel::GradKv => walk.problem.flash_grad_kv(walk.tiles),
        Kernel::GradQ => walk.problem.flash_grad_q(walk.tiles),
    }
}

/// The picture.
#[component]
pub(super) fn TileByTile() -> impl IntoView {
    let kernel = RwSignal::new(Kernel::Forward);
    let (n, d) = (RwSignal::new(64_usize), RwSignal::new(8_usize));
    let (queries, keys) = (RwSignal::new(16_usize), RwSignal::new(16_usize));
    let walk = Memo::new(move |_| {
        let problem = Problem { n: n.get(), d: d.get(), causal: true };
        let tiles = Tiles { queries: queries.get().min(n.get()), keys: keys.get().min(n.get()) };
        walk(kernel.get(), problem, tiles)
    });
    let index = RwSignal::new(0_usize);
    let count = Signal::derive(move || walk.with(|w| w.steps.len()));
    let aside = Signal::derive(move || {
        format!("causal, N {}, d {}, tiles {} × {}", n.get(), d.get(), queries.get(), keys.get())
    });
    view! {
        <Card title="The same answer, a tile at a time" lasting=true aside svg=true>
            <div class="tabs" role="group" aria-label="Kernel">
                {KERNELS.map(|(k, name)| view! {
                    <button type="button" aria-pressed=move || (kernel.get() == k).to_string()
                        on:click=move |_| { kernel.set(k); index.set(0); }>{name}</button>
                }).collect_view()}
            </div>
            <div class="two">
                {move || walk.with(|w| grid(w, index.get()))}
                <div data-testid="tile">{move || walk.with(|w| beside(w, index.get()))}</div>
            </div>
            <Stepper what="tile" index count />
            <div class="two fields">
                <div><Number label="N, tokens" value=n choices=&[16, 32, 48, 64, 100, 128] /><Number label="d, numbers a head" value=d choices=&[4, 8, 16, 32] /></div>
                <div><Number label="B_r, rows of Q" value=queries choices=&[4, 8, 16, 32] /><Number label="B_c, rows of K, V" value=keys choices=&[4, 8, 16, 32] /></div>
            </div>
        </Card>
    }
}

/// All tiles, and which of them are done.
fn grid(walk: &Walk, index: usize) -> impl IntoView + use<> {
    let n = walk.problem.n;
    let (rows, columns) = (n.div_ceil(walk.tiles.queries), n.div_ceil(walk.tiles.keys));
    let cell = 300.0 / rows.max(columns) as f64;
    let index = index.min(walk.steps.len().saturating_sub(1));
    let place = |visit: &Visit| {
        (visit.queries.start / walk.tiles.queries.max(1), visit.keys.start / walk.tiles.keys.max(1))
    };
    let squares = walk.steps.iter().enumerate().map(|(i, visit)| {
        let (row, column) = place(visit);
        let class = match (visit.brought, i.cmp(&index)) {
            (false, _) => "tile skipped",
            (_, Ordering::Equal) => "tile now",
            (_, Ordering::Less) => "tile done",
            _ => "tile",
        };
        view! { <rect class=class x=34.0 + column as f64 * cell + 1.0 y=34.0 + row as f64 * cell + 1.0 width=cell - 2.0 height=cell - 2.0 rx="2"></rect> }
    }).collect_view();
    let now = walk.steps.get(index);
    let (row, column) = now.map_or((0, 0), place);
    let strip = |count: usize, at: usize, across: bool| {
        (0..count)
            .map(|i| {
                let along = 34.0 + i as f64 * cell + 1.0;
                let (x, y, w, h) =
                    if across { (along, 10.0, cell - 2.0, 16.0) } else { (10.0, along, 16.0, cell - 2.0) };
                let class = if i == at { if across { "kv now" } else { "q now" } } else { "tile" };
                view! { <rect class=class x=x y=y width=w height=h rx="2"></rect> }
            })
            .collect_view()
    };
    let stays =
        if walk.kernel == Kernel::GradKv { "Keys stay, queries pass" } else { "Queries stay, keys pass" };
    let label = format!(
        "Tiles of {rows} blocks of queries by {columns} blocks of keys. {stays}. Now block {} of queries meets block {} of keys{}",
        row + 1,
        column + 1,
        if now.is_some_and(|v| v.brought) { "" } else { ", which the mask skips" }
    );
    view! {
        <div>
            <svg class="picture tiles" viewBox="0 0 340 340" role="img" tabindex="0" aria-label=label>
                <text x="14" y="22" class="faint">"Q"</text>
                <text x="34" y="8" class="faint">"K, V"</text>
                {strip(rows, row, false)}{strip(columns, column, true)}{squares}
            </svg>
            <p class="note">{format!("{stays}. Full colour: now. Tinted: done. Pale: still to come. Dashed: skipped, the mask forbids it.")}</p>
        </div>
    }
}

/// A number to three digits after the point, or a dash.
fn show(v: Option<f64>) -> String {
    v.map_or("–".to_owned(), |v| format!("{v:.3}"))
}

/// Numbers as small bars above and below a line.
fn numbers(values: &[f64], label: String) -> impl IntoView + use<> {
    let width = 300.0 / values.len().max(1) as f64;
    let bars = values.iter().enumerate().map(|(i, v)| {
        let height = (v.abs() * 22.0).min(30.0);
        view! { <rect class="obar" x=i as f64 * width + 1.0 y=if *v < 0.0 { 32.0 } else { 32.0 - height } width=(width - 2.0).max(1.0) height=height></rect> }
    });
    view! {
        <svg class="picture" viewBox="0 0 300 64" role="img" aria-label=label>
            <line class="axis" x1="0" x2="300" y1="32" y2="32"></line>{bars.collect_view()}
        </svg>
    }
}

/// What is in the fast memory, what the tile did to one row, and what has moved.
fn beside(walk: &Walk, index: usize) -> impl IntoView + use<> {
    let index = index.min(walk.steps.len().saturating_sub(1));
    let (d, tiles) = (walk.problem.d, walk.tiles);
    let (name, staged) = if walk.kernel == Kernel::GradKv {
        ("Q and dO tile, sums", tiles.query_bytes(d))
    } else {
        ("K and V tile", tiles.key_bytes(d))
    };
    let share = staged as f64 / WORKGROUP_BYTES as f64;
    let Some(visit) = walk.steps.get(index) else { return ().into_any() };
    let (total, of) = (walk.steps.last().map_or(0, |v| v.moved), formula(walk).total());
    let ended = index + 1 == walk.steps.len();
    let verdict = ended.then(|| {
        let same = total == of;
        view! { " " <span class="verdict" data-verdict=if same { "right" } else { "wrong" }>{if same { "equal" } else { "differs" }}</span> }
    });
    let row = match &visit.what {
        What::Forward(step) => forward_row(walk, index, step).into_any(),
        What::Backward(step) => backward_row(walk, visit, step).into_any(),
    };
    view! {
        <h3>"In workgroup memory"</h3>
        <ul class="bars">{bar(name.into(), share, 2, format!("{} B", grouped(staged as u64)))}</ul>
        <p class="note">"of 16,384 bytes that every WebGPU device has. What stays is held by the threads, a row each."</p>
        {row}
        <p class="note" data-testid="moved">{format!("Numbers moved so far: {} of {} by formula.", grouped(visit.moved), grouped(of))}{verdict}</p>
    }
    .into_any()
}

/// The last row of the block, before and after a forward tile.
fn forward_row(walk: &Walk, index: usize, step: &Step) -> impl IntoView + use<> {
    let (d, row) = (walk.problem.d, step.queries.len() - 1);
    let before = match walk.steps.get(index.wrapping_sub(1)).map(|v| &v.what) {
        Some(What::Forward(before)) if step.keys.start > 0 => Some(before),
        _ => None,
    };
    let old = |of: fn(&Step, usize) -> Option<f64>| show(before.and_then(|s| of(s, row)));
    let (m, l) = (|s: &Step, r: usize| s.m[r], |s: &Step, r: usize| Some(s.l[r]));
    let rescale = step.tile.as_ref().map(|t| t.rescale[row]);
    let said = match (&step.tile, &step.written) {
        (None, Some(_)) => "Skipped: the mask forbids it. The block is finished: O/ℓ is written.",
        (None, None) => "Skipped: the mask forbids this tile. Nothing is loaded.",
        (Some(_), Some(_)) => "The block’s last tile: O/ℓ and m + ln ℓ are written.",
        _ => "Scores of the tile, then m, ℓ and O are corrected and added to.",
    };
    let sum = step.l[row];
    let o: Vec<f64> = step.o[row * d..][..d].iter().map(|o| if sum > 0.0 { o / sum } else { 0.0 }).collect();
    view! {
        <h3>{format!("Query {}, before and after", step.queries.start + row + 1)}</h3>
        <table class="mono">
            <tbody>
                <tr><th scope="row">"m, largest score so far"</th><td>{old(m)}</td><td><b>{show(m(step, row))}</b></td></tr>
                <tr><th scope="row">"ℓ, sum of weights so far"</th><td>{old(l)}</td><td><b>{show(l(step, row))}</b></td></tr>
                <tr><th scope="row">"factor e^(m − m′) on the old"</th><td></td><td><b>{show(rescale)}</b></td></tr>
            </tbody>
        </table>
        <p class="note">"O/ℓ, the answer if the text ended here:"</p>
        {numbers(&o, format!("{d} numbers of the answer so far"))}
        <p class="note">{said}</p>
    }
}

/// One row of the block, and what a backward tile added to its gradients.
fn backward_row(walk: &Walk, visit: &Visit, step: &GradStep) -> impl IntoView + use<> {
    let (d, keys) = (walk.problem.d, walk.kernel == Kernel::GradKv);
    // The row of the block that sees most: the first key, the last query.
    let row = if keys { 0 } else { step.held.len() - 1 };
    let wide = step.passing.len();
    let line = |of: &[Option<f64>]| of[row * wide..][..wide].iter().flatten().copied().collect::<Vec<f64>>();
    let tile = step.tile.as_ref().map(|t| (line(&t.shares), line(&t.scores)));
    let (share, grad) = tile.as_ref().map_or((None, None), |(p, ds)| {
        let largest = |x: &[f64]| x.iter().copied().reduce(|a, b| if b.abs() > a.abs() { b } else { a });
        (largest(p), largest(ds))
    });
    let names: &[&str] = if keys { &["dK", "dV"] } else { &["dQ"] };
    let sums = names.iter().zip(&step.sums).map(|(name, sum)| {
        let values = &sum[row * d..][..d];
        view! {
            <p class="note">{format!("{name} of this row so far:")}</p>
            {numbers(values, format!("{d} numbers of {name} so far"))}
        }
    });
    let said = match (visit.brought, step.written) {
        (false, true) => "Skipped: the mask forbids it. The block is finished and written.",
        (false, false) => "Skipped: the mask forbids this tile. Nothing is loaded.",
        (true, true) => {
            "The block’s last tile: its gradients are written, once. No other block adds to them."
        }
        (true, false) => {
            "The tile’s shares are computed again from the sums kept by the forward pass, then used."
        }
    };
    view! {
        <h3>{format!("{} {}, this tile", if keys { "Key" } else { "Query" }, step.held.start + row + 1)}</h3>
        <table class="mono">
            <tbody>
                <tr><th scope="row">"largest share, e^(s − m − ln ℓ)"</th><td><b>{show(share)}</b></td></tr>
                <tr><th scope="row">"largest gradient of a score: share × (dO · v − δ)"</th><td><b>{show(grad)}</b></td></tr>
            </tbody>
        </table>
        {sums.collect_view()}
        <p class="note">{said}</p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_visits_every_tile_and_ends_at_the_plain_answer() {
        let walk =
            walk(Kernel::Forward, Problem { n: 20, d: 4, causal: true }, Tiles { queries: 8, keys: 8 });
        assert_eq!(walk.steps.len(), 9);
        // Above the diagonal nothing is brought.
        assert_eq!(walk.steps.iter().filter(|s| !s.brought).count(), 3);
        assert!(matches!(&walk.steps.last().unwrap().what, What::Forward(s) if s.written.is_some()));
    }

    #[test]
    fn what_is_counted_on_the_way_is_the_formula_in_the_end() {
        for (n, queries, keys) in [(20, 8, 8), (64, 16, 8), (50, 7, 12), (16, 16, 16)] {
            for (kernel, _) in KERNELS {
                let walk = walk(kernel, Problem { n, d: 4, causal: true }, Tiles { queries, keys });
                let moved = walk.steps.last().map(|s| s.moved);
                assert_eq!(moved, Some(formula(&walk).total()), "{kernel:?} {n} {queries} {keys}");
            }
        }
    }
}
