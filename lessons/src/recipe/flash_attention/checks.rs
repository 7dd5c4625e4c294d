//! The table of lesson 3.

use super::{Figures, Kernel, Settings};
use crate::check::{Check, Expected};
use gradus_core::attention::{Problem, Tiles};

/// f32 against f64, tiled and naive, three times the worst of 5 seeds: 8.8e-7 and 2.0e-6. The naive kernels add up whole
/// rows one number after the other, the tiled ones tile by tile, which rounds less.
const ERROR: [f64; 2] = [2.7e-6, 6.2e-6];

pub(super) fn checks(settings: &Settings, figures: &Figures) -> Vec<Check> {
    let mut checks = vec![counters(figures)];
    checks.extend(savings(figures));
    checks.extend(errors(figures));
    checks.extend(crossing(settings, figures));
    checks.extend(growth(figures));
    checks
}

/// Every counter is its formula.
fn counters(figures: &Figures) -> Check {
    let apart: u64 = figures
        .counts
        .iter()
        .map(|c| c.counted.reads.abs_diff(c.formula.reads) + c.counted.writes.abs_diff(c.formula.writes))
        .sum();
    // No counter at all must not pass for no difference.
    let apart = if figures.counts.is_empty() { f64::NAN } else { apart as f64 };
    let what = format!("difference between all {} counters and their formulas", figures.counts.len());
    let source = "sums over the tiles of each algorithm, tested by loops that count";
    Check::new("counts-equal-formulas", &what, apart, "elements", Expected::Exactly(0.0), source)
}

/// What the first shape saves, by its counters.
fn savings(figures: &Figures) -> Vec<Check> {
    let Some(first) = figures.counts.first() else { return Vec::new() };
    let shape = first.shape;
    let total = |kernels: &[Kernel]| -> f64 {
        let of = figures.counts.iter().filter(|c| c.shape == shape && kernels.contains(&c.kernel));
        of.map(|c| c.counted.total() as f64).sum()
    };
    let forward = shape.problem.ideal_naive_forward().total() as f64 / total(&[Kernel::FlashForward]);
    let backward = shape.problem.ideal_naive_backward().total() as f64
        / total(&[Kernel::FlashDelta, Kernel::FlashGradKv, Kernel::FlashGradQ]);
    let known = Problem { n: 256, d: 32, causal: true };
    if shape.problem != known || shape.tiles != Tiles::square(32) {
        return Vec::new();
    }
    let what = |pass| {
        format!(
            "traffic of naive attention, ideally cached, over that counted in ours, {pass}, N 256, d 32, tiles of 32"
        )
    };
    let near = |value| Expected::Near { value, tolerance: 0.05 };
    let source =
        "(4N² + 4Nd)/(2Nd + N + Nd(n+1)) and (7N² + 8Nd)/(9Nd + 3N + (2d+1)N(n+1)), n = N/32, to a decimal";
    vec![
        Check::new("forward-saving", &what("forward"), forward, "×", near(3.3), source),
        Check::new("backward-saving", &what("backward"), backward, "×", near(2.3), source),
    ]
}

/// The same mathematics.
fn errors(figures: &Figures) -> Vec<Check> {
    let worst = |pick: &dyn Fn(&super::Errors) -> f64| {
        let all = figures.errors.iter().map(pick);
        all.fold(if figures.errors.is_empty() { f64::NAN } else { 0.0 }, |a, b| {
            if b > a || b.is_nan() { b } else { a }
        })
    };
    let source = "f32 against f64 naive; the worst of 5 seeds, times three";
    let check = |name: &str, what, measured| {
        let bound = ERROR[usize::from(name.starts_with("naive"))];
        Check::new(name, what, measured, "", Expected::AtMost(bound), source)
    };
    vec![
        check(
            "flash-output-error",
            "largest error of O over the largest number in O, tiled",
            worst(&|e| e.output[0]),
        ),
        check(
            "flash-gradient-error",
            "largest error of dQ, dK and dV over the largest number in them, tiled",
            worst(&|e| e.gradients[0]),
        ),
        check(
            "naive-output-error",
            "largest error of O over the largest number in O, naive",
            worst(&|e| e.output[1]),
        ),
        check(
            "naive-gradient-error",
            "largest error of dQ, dK and dV over the largest number in them, naive",
            worst(&|e| e.gradients[1]),
        ),
    ]
}

/// Where flash loses.
fn crossing(settings: &Settings, figures: &Figures) -> Vec<Check> {
    let mut checks = Vec::new();
    for (d, saves) in [(16, 4.8), (32, 1.3), (64, 1.0 / 2.9)] {
        let problem = Problem { n: 1024, d, causal: false };
        let ratio = problem.ideal_naive_forward().total() as f64 / problem.algorithm_1(4096).total() as f64;
        let what =
            format!("what algorithm 1 saves at N 1024, d {d}, 4096 elements of memory, full attention");
        let source = "Dao et al. 2022, algorithm 1 with B_c = ⌈M/4d⌉, against 4N² + 4Nd; worked out by hand";
        let expected = Expected::Near { value: saves, tolerance: 0.02 * saves };
        checks.push(Check::new(&format!("algorithm-1-saving-d{d}"), &what, ratio, "×", expected, source));
    }
    let ratio = |c: &super::Crossing| c.ideal_naive as f64 / c.counted as f64;
    let by_d = |largest: bool| {
        let key = |c: &&super::Crossing| c.shape.problem.d;
        let all = figures.crossing.iter();
        if largest { all.max_by_key(key) } else { all.min_by_key(key) }
    };
    let source = "B_r < d/2 or so loses: 2dN²/B_r > 4N²";
    for (name, largest, expected) in [
        ("small-heads-save", false, Expected::AtLeast(1.0)),
        ("large-heads-lose", true, Expected::AtMost(1.0)),
    ] {
        let Some(row) = by_d(largest) else { continue };
        let Problem { n, d, .. } = row.shape.problem;
        let what =
            format!("what our kernel saves by its counter at N {n}, d {d}, {} elements", settings.memory);
        checks.push(Check::new(name, &what, ratio(row), "×", expected, source));
    }
    let points: Vec<_> = figures
        .curve
        .iter()
        .filter(|c| c.memory >= 256 && c.memory <= 8192)
        .map(|c| (c.memory as f64, c.algorithm_1 as f64))
        .collect();
    checks.push(Check::new(
        "traffic-against-memory",
        "exponent of M in algorithm 1's traffic",
        slope(&points),
        "",
        Expected::Near { value: -1.0, tolerance: 0.05 },
        "Dao et al. 2022, theorem 2: Θ(N²d²/M); the 2Nd that M cannot lower is the tolerance",
    ));
    checks
}

/// Quadratic against linear.
fn growth(figures: &Figures) -> Vec<Check> {
    let of = |pick: &dyn Fn(&super::Planned) -> u64| {
        slope(&figures.planned.iter().map(|p| (p.n as f64, pick(p) as f64)).collect::<Vec<_>>())
    };
    let naive = Expected::Near { value: 2.0, tolerance: 0.05 };
    vec![
        Check::new(
            "naive-memory-growth",
            "exponent of N in the naive plan's memory",
            of(&|p| p.naive.slots),
            "",
            naive,
            "2N² + 4Nd numbers: the linear part keeps it below 2",
        ),
        Check::new(
            "flash-memory-growth",
            "exponent of N in the tiled plan's memory",
            of(&|p| p.flash.slots),
            "",
            Expected::Near { value: 1.0, tolerance: 1e-9 },
            "4Nd + 2N numbers",
        ),
    ]
}

/// The slope of a straight line through (ln x, ln y), by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean = |pick: fn(&(f64, f64)) -> f64| logs.iter().map(pick).sum::<f64>() / n;
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    logs.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
        / logs.iter().map(|(x, _)| (x - mx).powi(2)).sum::<f64>()
}
