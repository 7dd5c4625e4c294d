//! The pictures of the lesson on flash attention: the tiles one by one, a calculator of traffic, counters, memory, time.

mod calculator;
mod tiles;

use super::super::LessonStore;
use super::super::chart::LineChart;
use super::super::knob::{Control, Knob, Numbers};
use super::super::plot::{Axes, Picture, Series, Stroke};
use super::parts::{Card, Shown, or_waiting};
use super::table::table;
use crate::format::grouped;
use gradus_core::device::timer::Clock;
use gradus_lessons::recipe::Role;
use gradus_lessons::recipe::flash_attention::{Count, Figures};
use leptos::prelude::*;

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
        <tiles::TileByTile />
        <calculator::Calculator />
        <Counters figures />
        <Memory figures />
        <Times figures />
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
                    let (mark, said) = if same { ("right", "equal") } else { ("wrong", "differs") };
                    vec![
                        view! { {kernel(c)}<small>{shape}</small> }.into_any(),
                        grouped(c.counted.total()).into_any(),
                        grouped(c.formula.total()).into_any(),
                        view! { <span class="verdict" data-verdict=mark>{said}</span> }.into_any(),
                    ]
                };
                let columns = ["kernel", "counted", "formula", "verdict"];
                view! { <div class="scroll">{table("Counters", "", &columns, f.counts.iter().map(row).collect())}</div> }
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
        <Card title="Memory: a square against a line" aside="planned by the engine: results and what the algorithm keeps, without inputs">
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
    let clock = Signal::derive(move || {
        let clock = figures.with(|f| f.as_ref()?.times.iter().find_map(|t| t.flash.map(|t| t.clock)));
        match clock {
            Some(Clock::Timestamps) => "medians, forward and backward, by the GPU’s own timestamps",
            Some(Clock::Wall) => {
                "medians, forward and backward, by the clock on the wall: no timestamps here"
            }
            None => "medians, forward and backward",
        }
        .to_owned()
    });
    view! {
        <Card title="Time on this run’s device" aside=clock>
            <LineChart title="Time on this run’s device" picture
                empty="After the run: how long both took on this device."
                axes=Axes { x: "N, tokens", y: "time, ms", log_x: true, log_y: true } />
        </Card>
    }
}
