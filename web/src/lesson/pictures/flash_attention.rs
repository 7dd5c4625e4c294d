//! The pictures of the lesson on flash attention: the tiles one by one, a calculator of traffic, counters, memory, time.

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Picture, Series, Stroke};
use super::parts::{Card, Number, Shown, Stepper, bar, or_waiting};
use crate::format::grouped;
use gradus_core::attention::steps::{Inputs, Step, forward};
use gradus_core::attention::{Problem, Tiles};
use gradus_core::rng::{Rng, Stream};
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::flash_attention::{Count, Figures};
use leptos::prelude::*;
use std::ops::Range;

/// What a learner can turn.
pub(super) const KNOBS: &[Knob] = &[
    Knob {
        id: "memory",
        label: "fast memory, numbers",
        paths: &["memory"],
        control: Control::Number(Numbers {
            min: 1_024.0,
            max: 16_384.0,
            whole: true,
            log: true,
            usual: [4_096.0, 4_096.0, 4_096.0],
            marks: &[("breaks it sooner", 1_024.0)],
        }),
        hint: "WebGPU promises 4096 numbers of 4 bytes.",
    },
    Knob {
        id: "repeats",
        label: "repetitions of each time",
        paths: &["repetitions"],
        control: Control::Number(Numbers {
            min: 1.0,
            max: 25.0,
            whole: true,
            log: false,
            usual: [3.0, 5.0, 9.0],
            marks: &[],
        }),
        hint: "The clock shows medians.",
    },
];

/// What the recipe begins from.
pub(super) const NEEDS: &[Role] = &[];

/// All of them.
#[component]
pub(super) fn Pictures(store: LessonStore) -> impl IntoView {
    let figures = store.figures::<Figures>();
    view! {
        <TileByTile />
        <Calculator />
        <Counters figures />
        <Memory figures />
        <Times figures />
    }
}

/// What the stepper runs on: small enough to look at.
#[derive(Clone, PartialEq)]
struct Walk {
    problem: Problem,
    tiles: Tiles,
    steps: Vec<Step>,
}

/// All steps on random Q, K and V of variance 1.
fn walk(problem: Problem, tiles: Tiles) -> Walk {
    let mut rng = Rng::at(1, Stream::Sample, 7);
    let mut draw = || (0..problem.n * problem.d).map(|_| rng.normal()).collect::<Vec<_>>();
    let (q, k, v) = (draw(), draw(), draw());
    let inputs = Inputs { problem, q: &q, k: &k, v: &v };
    let steps = forward(inputs, tiles).map(Iterator::collect).unwrap_or_default();
    Walk { problem, tiles, steps }
}

/// The forward pass, one tile at a time.
#[component]
fn TileByTile() -> impl IntoView {
    let n = RwSignal::new(64_usize);
    let d = RwSignal::new(8_usize);
    let (queries, keys) = (RwSignal::new(16_usize), RwSignal::new(16_usize));
    let walk = Memo::new(move |_| {
        let problem = Problem { n: n.get(), d: d.get(), causal: true };
        walk(problem, Tiles { queries: queries.get().min(n.get()), keys: keys.get().min(n.get()) })
    });
    let index = RwSignal::new(0_usize);
    let count = Signal::derive(move || walk.with(|w| w.steps.len()));
    view! {
        <Card title="The same answer, a tile at a time" aside=Signal::derive(move || format!("causal, N {}, d {}, tiles {} × {}", n.get(), d.get(), queries.get(), keys.get()))>
            <div class="two">
                {move || walk.with(|w| grid(w, index.get()))}
                <div>{move || walk.with(|w| beside(w, index.get()))}</div>
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
    let now = walk.steps.get(index);
    let block = |r: &Range<usize>, size: usize| r.start / size.max(1);
    let squares = walk.steps.iter().enumerate().map(|(i, step)| {
        let (row, column) = (block(&step.queries, walk.tiles.queries), block(&step.keys, walk.tiles.keys));
        let class = match (step.tile.is_some(), i.cmp(&index)) {
            (false, _) => "tile skipped",
            (_, std::cmp::Ordering::Equal) => "tile now",
            (_, std::cmp::Ordering::Less) => "tile done",
            _ => "tile",
        };
        view! { <rect class=class x=34.0 + column as f64 * cell + 1.0 y=34.0 + row as f64 * cell + 1.0 width=cell - 2.0 height=cell - 2.0 rx="2"></rect> }
    }).collect_view();
    let (row, column) =
        now.map_or((0, 0), |s| (block(&s.queries, walk.tiles.queries), block(&s.keys, walk.tiles.keys)));
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
    let label = format!(
        "Tiles of {rows} blocks of queries by {columns} blocks of keys; now block {} meets block {}",
        row + 1,
        column + 1
    );
    view! {
        <svg class="picture tiles" viewBox="0 0 340 340" role="img" aria-label=label>
            <text x="14" y="22" class="faint">"Q"</text>
            <text x="34" y="8" class="faint">"K, V"</text>
            {strip(rows, row, false)}{strip(columns, column, true)}{squares}
        </svg>
    }
}

/// What is in the fast memory, and what the tile did to one row.
fn beside(walk: &Walk, index: usize) -> impl IntoView + use<> {
    let index = index.min(walk.steps.len().saturating_sub(1));
    let (d, tiles) = (walk.problem.d, walk.tiles);
    let staged = tiles.key_bytes(d);
    let memory = view! {
        <h3>"In workgroup memory"</h3>
        <ul class="bars">{bar("K and V tile".into(), staged as f64 / 16_384.0, 2, format!("{} B", grouped(staged as u64)))}</ul>
        <p class="note">"of 16,384 bytes that every WebGPU device has. A row of Q and of O stays with its thread."</p>
    };
    let Some(step) = walk.steps.get(index) else { return memory.into_any() };
    let row = step.queries.len() - 1;
    let first = step.keys.start == 0;
    let before = if first { None } else { walk.steps.get(index.wrapping_sub(1)) };
    let show = |v: Option<f64>| v.map_or("–".to_owned(), |v| format!("{v:.3}"));
    let old = |of: fn(&Step, usize) -> Option<f64>| show(before.and_then(|s| of(s, row)));
    let (m, l) = (|s: &Step, r: usize| s.m[r], |s: &Step, r: usize| Some(s.l[r]));
    let rescale = step.tile.as_ref().map(|t| t.rescale[row]);
    let said = match (&step.tile, &step.written) {
        (None, Some(_)) => "Skipped: the mask forbids it. The block is finished: O/ℓ is written.",
        (None, None) => "Skipped: the mask forbids this tile. Nothing is loaded.",
        (Some(_), Some(_)) => "The block’s last tile: O/ℓ and m + ln ℓ are written.",
        _ => "Scores of the tile, then m, ℓ and O are corrected and added to.",
    };
    let o = step.o[row * d..][..d]
        .iter()
        .zip(&[step.l[row]; 1].repeat(d))
        .map(|(o, l)| if *l > 0.0 { o / l } else { 0.0 })
        .collect::<Vec<_>>();
    let width = 300.0 / d as f64;
    let bars = o.iter().enumerate().map(|(i, v)| {
        let height = (v.abs() * 22.0).min(30.0);
        view! { <rect class="obar" x=i as f64 * width + 1.0 y=if *v < 0.0 { 32.0 } else { 32.0 - height } width=width - 2.0 height=height></rect> }
    }).collect_view();
    view! {
        {memory}
        <h3>{format!("Row {} of the block, before and after", step.queries.start + row)}</h3>
        <table class="mono">
            <tbody>
                <tr><th scope="row">"m, largest score so far"</th><td>{old(m)}</td><td><b>{show(m(step, row))}</b></td></tr>
                <tr><th scope="row">"ℓ, sum of weights so far"</th><td>{old(l)}</td><td><b>{show(l(step, row))}</b></td></tr>
                <tr><th scope="row">"factor e^(m − m′) on the old"</th><td></td><td><b>{show(rescale)}</b></td></tr>
            </tbody>
        </table>
        <p class="note">"O/ℓ, the answer if the text ended here:"</p>
        <svg class="picture" viewBox="0 0 300 64" role="img" aria-label=format!("{d} numbers of the answer so far")><line class="axis" x1="0" x2="300" y1="32" y2="32"></line>{bars}</svg>
        <p class="note">{said}</p>
    }.into_any()
}

/// Traffic by formula, at any size: find where tiles lose.
#[component]
fn Calculator() -> impl IntoView {
    let n = RwSignal::new(1024_usize);
    let d = RwSignal::new(32_usize);
    let memory = RwSignal::new(4096_usize);
    let rows = move || {
        let problem = Problem { n: n.get(), d: d.get(), causal: false };
        let tiles = Tiles::algorithm_1(memory.get(), d.get());
        let naive = problem.ideal_naive_forward().total();
        let all = [
            ("plain, ideal caches", naive, 6),
            ("algorithm 1 (2022)", problem.algorithm_1(memory.get()).total(), 2),
            ("our order (2023)", problem.flash_forward(tiles).total(), 1),
        ];
        let most = all.iter().map(|a| a.1).max().unwrap_or(1) as f64;
        let ratio = |count: u64| {
            let r = naive as f64 / count as f64;
            if r < 1.0 { format!("loses {:.2}×", 1.0 / r) } else { format!("saves {r:.2}×") }
        };
        let verdict = format!(
            "B_r {}, B_c {}. Algorithm 1 {}, our order {}.",
            tiles.queries,
            tiles.keys,
            ratio(all[1].1),
            ratio(all[2].1)
        );
        let bars = all
            .into_iter()
            .map(|(name, count, color)| bar(name.into(), count as f64 / most, color, grouped(count)))
            .collect_view();
        (bars, verdict)
    };
    view! {
        <Card title="Where does it lose?" aside="numbers moved, forward, full attention, by formula">
            <Number label="N, tokens" value=n choices=&[64, 128, 256, 512, 1024, 2048, 4096, 16_384] />
            <Number label="d, numbers a head" value=d choices=&[8, 16, 24, 32, 48, 64, 96, 128, 256] />
            <Number label="M, fast memory, numbers" value=memory choices=&[512, 1024, 2048, 4096, 8192, 16_384, 25_000, 57_000] />
            {move || {
                let (bars, verdict) = rows();
                view! { <ul class="bars wide-value">{bars}</ul><p class="note" aria-live="polite">{verdict}</p> }
            }}
        </Card>
    }
}

/// Counted beside formula, to the last number.
#[component]
fn Counters(figures: Shown<Figures>) -> impl IntoView {
    view! {
        <Card title="Counted in the kernels" aside="numbers loaded and stored, f32">
            {or_waiting(figures, "After the run: what every kernel counted, beside what its formula says.", |f| {
                let row = |c: &Count| {
                    let p = c.shape.problem;
                    let same = c.counted == c.formula;
                    let shape = format!("N {}, d {}, {}", p.n, p.d, if p.causal { "causal" } else { "full" });
                    view! {
                        <tr><th scope="row">{kernel(c)}<small>{shape}</small></th><td>{grouped(c.counted.total())}</td><td>{grouped(c.formula.total())}</td><td><span class="verdict" data-verdict=if same { "right" } else { "wrong" }>{if same { "equal" } else { "differs" }}</span></td></tr>
                    }
                };
                let all: Vec<_> = f.counts.iter().map(row).collect();
                view! {
                    <div class="wide scroll" tabindex="0" role="group" aria-label="Counters">
                        <table>
                            <thead><tr><th scope="col">"kernel"</th><th scope="col">"counted"</th><th scope="col">"formula"</th><th scope="col">"verdict"</th></tr></thead>
                            <tbody>{all}</tbody>
                        </table>
                    </div>
                }
            })}
        </Card>
    }
}

/// A kernel's name as a learner reads it: `flash forward`.
fn kernel(count: &Count) -> String {
    let name = serde_json::to_value(count.kernel).ok();
    name.and_then(|n| n.as_str().map(|n| n.replace('_', " "))).unwrap_or_default()
}

/// Planned memory against N.
#[component]
fn Memory(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let line = |name: &str, color, of: fn(u64, u64) -> u64| Series {
            name: name.into(),
            points: f
                .planned
                .iter()
                .map(|p| (p.n as f64, of(p.naive.slots, p.flash.slots) as f64 / 1024.0))
                .collect(),
            stroke: Stroke::Joined,
            color,
        };
        Picture {
            series: vec![line("with the table", 2, |naive, _| naive), line("tiled", 1, |_, flash| flash)],
            levels: Vec::new(),
        }
    });
    view! {
        <Card title="Memory: a square against a line" aside="planned by the engine, beside inputs and results">
            <LineChart title="Memory: a square against a line" picture
                empty="After the run: the bytes that both plans need."
                axes=Axes { x: "N, tokens", y: "memory, KiB", log_x: true, log_y: true } />
        </Card>
    }
}

/// The clock: shown, not judged.
#[component]
fn Times(figures: Shown<Figures>) -> impl IntoView {
    let picture = Signal::derive(move || {
        let Some(f) = figures.get() else { return Picture::default() };
        let naive =
            f.times.iter().filter_map(|t| Some((t.n as f64, t.naive.as_ref()?.seconds * 1e3))).collect();
        let flash =
            f.times.iter().filter_map(|t| Some((t.n as f64, t.flash.as_ref()?.seconds * 1e3))).collect();
        Picture {
            series: vec![
                Series { name: "plain".into(), points: naive, stroke: Stroke::Joined, color: 2 },
                Series { name: "tiled".into(), points: flash, stroke: Stroke::Joined, color: 1 },
            ],
            levels: Vec::new(),
        }
    });
    view! {
        <Card title="Time on this run’s device" aside="medians, forward">
            <LineChart title="Time on this run’s device" picture
                empty="After the run: how long both took on this device."
                axes=Axes { x: "N, tokens", y: "time, ms", log_x: true, log_y: true } />
        </Card>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_visits_every_tile_and_ends_at_the_plain_answer() {
        let walk = walk(Problem { n: 20, d: 4, causal: true }, Tiles { queries: 8, keys: 8 });
        assert_eq!(walk.steps.len(), 9);
        // Above the diagonal nothing is brought.
        assert_eq!(walk.steps.iter().filter(|s| s.tile.is_none()).count(), 3);
        assert!(walk.steps.last().is_some_and(|s| s.written.is_some()));
    }
}
