//! IsoFLOP profiles: for one bill, loss against size, the parabola through it, and where its lowest points lead.

use super::super::super::chart::LineChart;
use super::super::super::plot::{Axes, Picture, Series, Stroke};
use super::super::parts::{Card, Shown};
use crate::format::typeset;
use gradus_core::scaling::Parabola;
use gradus_lessons::recipe::scaling_laws::{Budget, Figures};
use leptos::prelude::*;

/// Bills whose profiles are drawn at once.
const SHOWN: usize = 4;
/// Points of a drawn parabola.
const POINTS: usize = 24;

/// Both pictures.
#[component]
pub(super) fn Budgets(
    figures: Shown<Figures>,
    /// Whether the model that is foretold may be shown.
    open: RwSignal<bool>,
) -> impl IntoView {
    let profiles = Signal::derive(move || {
        let hidden = |f: &Figures| if open.get() { None } else { f.held_out.first().map(|m| m.n) };
        figures.with(|f| f.as_ref().map(|f| profiles(&f.budgets, hidden(f))).unwrap_or_default())
    });
    let frontier = Signal::derive(move || {
        figures.with(|f| f.as_ref().map(|f| frontier(&f.budgets)).unwrap_or_default())
    });
    view! {
        <Card title="One bill, many sizes" aside="dots spend the same number of operations; dashed: the parabola fitted to them">
            <LineChart title="One bill, many sizes" picture=profiles
                empty="After the run: for each bill, the loss against the size of the model."
                axes=Axes { x: "parameters, N", y: "loss, nats a token", log_x: true, log_y: false } />
        </Card>
        <Card title="The frontier: the best use of each bill" aside="dots: lowest points of the parabolas; dashed: your law">
            <LineChart title="The frontier: the best use of each bill" picture=frontier
                empty="After the run: the best size and the best number of tokens for each bill."
                axes=Axes { x: "operations, C = 6ND", y: "parameters N; tokens D", log_x: true, log_y: true } />
            <p class="note">"A parabola counts where one fits and has its lowest point within a factor of 2 of the sizes tried; up to four of those bills are drawn above. “Law” is your least-squares fit. With few sizes a bill the lowest points scatter: the law, which sees all points, is steadier."</p>
        </Card>
    }
}

/// The parabola over these sizes, if its lowest point is near them.
fn trusted(budget: &Budget) -> Option<Parabola> {
    let low = budget.profile.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let high = budget.profile.iter().map(|p| p.0).fold(0.0, f64::max);
    budget.parabola.filter(|p| (low / 2.0..=high * 2.0).contains(&p.n))
}

/// Some of the profiles; without the model of `hidden` parameters.
fn profiles(budgets: &[Budget], hidden: Option<f64>) -> Picture {
    // Those with a parabola first: a bill that has none teaches less.
    let mut chosen: Vec<&Budget> = budgets.iter().filter(|b| trusted(b).is_some()).collect();
    if chosen.is_empty() {
        chosen = budgets.iter().collect();
    }
    let chosen: Vec<&Budget> = chosen.iter().step_by(chosen.len().div_ceil(SHOWN).max(1)).copied().collect();
    let mut series = Vec::new();
    for (i, budget) in chosen.into_iter().enumerate() {
        let color = i + 1;
        let points: Vec<_> = budget.profile.iter().copied().filter(|p| Some(p.0) != hidden).collect();
        series.push(Series {
            name: typeset(&format!("C {:.1e}", budget.c)),
            points: points.clone(),
            stroke: Stroke::Dots,
            color,
        });
        if let Some(parabola) = trusted(budget) {
            series.push(Series {
                name: format!("its parabola {color}"),
                points: drawn(&parabola, &points),
                stroke: Stroke::Dashed,
                color,
            });
        }
    }
    Picture { series, levels: Vec::new() }
}

/// The parabola's line over the sizes tried and its lowest point.
fn drawn(parabola: &Parabola, profile: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let low = profile.iter().map(|p| p.0).fold(parabola.n, f64::min).ln();
    let high = profile.iter().map(|p| p.0).fold(parabola.n, f64::max).ln();
    (0..=POINTS)
        .map(|i| {
            let x = low + (high - low) * i as f64 / POINTS as f64;
            (x.exp(), parabola.low + parabola.curvature * (x - parabola.n.ln()).powi(2))
        })
        .collect()
}

fn frontier(budgets: &[Budget]) -> Picture {
    let lowest: Vec<(f64, f64)> = budgets.iter().filter_map(|b| Some((b.c, trusted(b)?.n))).collect();
    let tokens = lowest.iter().map(|(c, n)| (*c, c / (6.0 * n))).collect();
    let law = |of: fn(&Budget) -> f64| budgets.iter().map(|b| (b.c, of(b))).collect::<Vec<_>>();
    let series = [
        ("N, parabolas", lowest, Stroke::Dots, 1),
        ("N, law", law(|b| b.optimum.n), Stroke::Dashed, 1),
        ("D, parabolas", tokens, Stroke::Dots, 2),
        ("D, law", law(|b| b.optimum.d), Stroke::Dashed, 2),
    ];
    let series = series.into_iter().map(|(name, points, stroke, color)| Series {
        name: name.into(),
        points,
        stroke,
        color,
    });
    Picture::begun(series)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_core::scaling::{HOFFMANN, parabola};

    fn budget(c: f64, profile: Vec<(f64, f64)>) -> Budget {
        Budget { c, parabola: parabola(&profile), profile, optimum: HOFFMANN.optimum(c) }
    }

    #[test]
    fn a_parabola_is_drawn_through_its_points_and_a_far_one_not_at_all() {
        let near: Vec<_> = [1e4, 2e4, 4e4].map(|n: f64| (n, 1.3 + 0.1 * (n / 2e4).ln().powi(2))).to_vec();
        let far: Vec<_> = [1e4, 2e4, 4e4].map(|n: f64| (n, 1.3 + 0.1 * (n / 9e5).ln().powi(2))).to_vec();
        let budgets = [budget(1e11, near.clone()), budget(2e11, far)];
        let line = drawn(&budgets[0].parabola.unwrap(), &near);
        assert!((line[0].0 - 1e4).abs() < 1.0 && (line[0].1 - near[0].1).abs() < 1e-9);
        assert!(trusted(&budgets[1]).is_none());
        assert_eq!(profiles(&budgets, None).series.len(), 2);
        assert_eq!(profiles(&budgets, Some(4e4)).series[0].points, near[..2]);
        let drawn = frontier(&budgets);
        assert_eq!((drawn.series[0].points.len(), drawn.series[1].points.len()), (1, 2));
        assert!((drawn.series[2].points[0].1 - 1e11 / 6.0 / 2e4).abs() < 1e3);
    }
}
