//! Traffic and memory by formula, at any size: find where tiles lose.

use super::super::parts::{Card, Number, bar};
use crate::format::{bytes, grouped};
use gradus_core::attention::{Problem, Tiles};
use leptos::prelude::*;

/// The picture.
#[component]
pub(super) fn Calculator() -> impl IntoView {
    let (n, d, memory) = (RwSignal::new(1024_usize), RwSignal::new(32_usize), RwSignal::new(4096_usize));
    let (own, causal) = (RwSignal::new(false), RwSignal::new(false));
    let (queries, keys) = (RwSignal::new(32_usize), RwSignal::new(32_usize));
    let tiles = Memo::new(move |_| {
        if own.get() {
            Tiles { queries: queries.get(), keys: keys.get() }
        } else {
            Tiles::algorithm_1(memory.get(), d.get())
        }
    });
    // The fields show what is reckoned with.
    Effect::new(move |_| {
        if !own.get() {
            let tiles = tiles.get();
            queries.set(tiles.queries);
            keys.set(tiles.keys);
        }
    });
    let body = move || {
        let problem = Problem { n: n.get(), d: d.get(), causal: causal.get() };
        let tiles = tiles.get();
        let needs = needed(tiles, d.get());
        // What algorithm 1 asks for is rounded up, which its memory is taken to allow.
        let fits = !own.get() || needs <= memory.get();
        let forward = problem.flash_forward(tiles).total();
        let backward = problem.flash_backward(tiles).total();
        let naive = problem.ideal_naive_forward().total();
        let naive_backward = problem.ideal_naive_backward().total();
        let mut rows = vec![
            ("plain forward", naive, 6),
            ("tiled forward", forward, 1),
            ("plain backward", naive_backward, 6),
            ("tiled backward", backward, 1),
        ];
        // Algorithm 1 is stated for full attention and its own tiles.
        if !own.get() && !causal.get() {
            rows.insert(1, ("algorithm 1, 2022", problem.algorithm_1(memory.get()).total(), 2));
        }
        let most = rows.iter().map(|r| r.1).max().unwrap_or(1) as f64;
        let bars = rows
            .into_iter()
            .map(|(name, count, color)| bar(name.into(), count as f64 / most, color, grouped(count)));
        let verdict = format!(
            "B_r {}, B_c {}. Tiled in our order, forward {}, backward {}. Memory kept for the table: {} plain (two tables of N × N), {} tiled (two numbers a row).",
            tiles.queries,
            tiles.keys,
            ratio(naive, forward),
            ratio(naive_backward, backward),
            bytes(2 * 4 * (n.get() * n.get()) as u64),
            bytes(2 * 4 * n.get() as u64),
        );
        let room = if fits {
            format!(
                "The tiles need {} of {} numbers of fast memory.",
                grouped(needs as u64),
                grouped(memory.get() as u64)
            )
        } else {
            format!(
                "These tiles need {} numbers, and the fast memory holds {}: lower B_r or B_c, or raise M.",
                grouped(needs as u64),
                grouped(memory.get() as u64)
            )
        };
        view! {
            <ul class="bars wide-value">{bars.collect_view()}</ul>
            <p class="note" aria-live="polite" data-testid="verdict">{verdict}</p>
            <p class=if fits { "note" } else { "field-error" } data-testid="fits">{room}</p>
        }
    };
    view! {
        <Card title="Where does it lose?" lasting=true aside="numbers moved, f32, one head, by formula">
            <div class="two fields">
                <div>
                    <Number label="N, tokens" value=n choices=&[64, 128, 256, 512, 1024, 2048, 4096, 16_384] />
                    <Number label="d, numbers a head" value=d choices=&[8, 16, 24, 32, 48, 64, 96, 128, 256] />
                    <Number label="M, fast memory, numbers" value=memory choices=&[512, 1024, 2048, 4096, 8192, 16_384, 25_000, 57_000] />
                </div>
                <div>
                    <div class="ask-row">
                        <label class="inline check"><input type="checkbox" prop:checked=move || !own.get() on:change=move |e| own.set(!event_target_checked(&e)) />"tiles as algorithm 1 cuts them"</label>
                        <label class="inline check"><input type="checkbox" prop:checked=move || causal.get() on:change=move |e| causal.set(event_target_checked(&e)) />"causal mask"</label>
                    </div>
                    <Show when=move || own.get()>
                        <Number label="B_r, rows of Q" value=queries choices=&[1, 2, 4, 8, 16, 32, 64, 128, 256] />
                        <Number label="B_c, rows of K, V" value=keys choices=&[1, 2, 4, 8, 16, 32, 64, 128, 256] />
                    </Show>
                </div>
            </div>
            {body}
        </Card>
    }
}

/// Numbers of fast memory that algorithm 1 asks for: tiles of Q and O, and of K and V.
fn needed(tiles: Tiles, d: usize) -> usize {
    2 * d * (tiles.queries + tiles.keys)
}

/// How much the second saves of the first, or costs more.
fn ratio(plain: u64, tiled: u64) -> String {
    let r = plain as f64 / tiled.max(1) as f64;
    if r < 1.0 { format!("loses {:.2}×", 1.0 / r) } else { format!("saves {r:.2}×") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_and_losses_are_told_apart() {
        assert_eq!(ratio(300, 100), "saves 3.00×");
        assert_eq!(ratio(100, 300), "loses 3.00×");
    }

    #[test]
    fn algorithm_1_fills_its_memory_and_no_more_than_rounding() {
        for d in [8, 16, 32, 64] {
            let needs = needed(Tiles::algorithm_1(4096, d), d);
            assert!(needs <= 4096 + 4 * d, "{d}: {needs}");
        }
    }
}
