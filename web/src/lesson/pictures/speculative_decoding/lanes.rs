//! The calls of one story as lanes on one scale: the target alone, and with its draft.

use gradus_lessons::recipe::speculative_decoding::Walk;
use leptos::prelude::*;

/// A call on a lane: where it begins, how long it is, whether it is the draft's, and which round it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Call {
    from: f64,
    length: f64,
    draft: bool,
    round: usize,
}

/// The calls of the first `rounds` rounds: K of the draft at `cost` each, then one of the target, which counts 1. And
/// the tokens that they wrote.
fn calls(walk: &Walk, rounds: usize, cost: f64) -> (Vec<Call>, usize) {
    let (mut at, mut all, mut tokens) = (0.0, Vec::new(), 0);
    for (round, seen) in walk.rounds.iter().take(rounds).enumerate() {
        let drafts = seen.places.iter().map(|_| (cost, true)).chain([(1.0, false)]);
        for (length, draft) in drafts {
            all.push(Call { from: at, length, draft, round });
            at += length;
        }
        tokens += seen.added.len();
    }
    (all, tokens)
}

/// Share of the target's numbers that the draft has: what its call costs where time goes by numbers read.
fn cost(walk: &Walk, target: u64) -> f64 {
    walk.parameters as f64 / target.max(1) as f64
}

/// Both lanes, up to this round; it counts once it is `done`.
pub(super) fn lanes(walk: &Walk, target: u64, round: usize, done: bool, room: f64) -> impl IntoView + use<> {
    let cost = cost(walk, target);
    let (every, all_tokens) = calls(walk, walk.rounds.len(), cost);
    let (now, tokens) = calls(walk, round + usize::from(done), cost);
    let end = |calls: &[Call]| calls.last().map_or(0.0, |c| c.from + c.length);
    let left = 72.0;
    let scale = (room - left - 4.0) / end(&every).max(all_tokens as f64).max(1.0);
    let block = |x: f64, y: f64, length: f64, color: &str, lit: bool| {
        let strength = if lit { 100 } else { 18 };
        view! { <rect x=left + x * scale + 0.75 y=y width=(length * scale - 1.5).max(1.0) height="18" rx="2" style=format!("fill: color-mix(in srgb, var({color}) {strength}%, var(--raised))")></rect> }
    };
    let alone = (0..all_tokens).map(|i| block(i as f64, 4.0, 1.0, "--s1", i < tokens)).collect_view();
    let drafted = every
        .iter()
        .map(|c| {
            block(
                c.from,
                34.0,
                c.length,
                if c.draft { "--s2" } else { "--s1" },
                c.round < round + usize::from(done),
            )
        })
        .collect_view();
    let (alone_end, own_end) = (tokens as f64, end(&now));
    let targets = now.iter().filter(|c| !c.draft).count();
    let label = format!(
        "{tokens} tokens: {tokens} calls of the target alone; with the draft {targets} calls of the target and {} of the draft",
        now.len() - targets
    );
    let saved = if own_end > 0.0 {
        format!(" Counted by numbers read, {:.2} times as fast.", alone_end / own_end)
    } else {
        String::new()
    };
    view! {
        <h3>"Calls so far"</h3>
        <svg class="picture lanes" viewBox=format!("0 0 {room} 58") role="img" tabindex="0" aria-label=label.clone()>
            <text x="0" y="17">"alone"</text><text x="0" y="47">"with draft"</text>
            {alone}{drafted}
            <line class="axis" x1=left + own_end * scale x2=left + own_end * scale y1="0" y2="56" stroke-dasharray="3 3"></line>
        </svg>
        <p class="note">{format!("{label}. Blue: the target; orange: the draft; pale: still to come. A draft’s call is as long as its share of the numbers, c = {cost:.2}.{saved} The measured clock stands below.")}</p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_core::generate::Verdict;
    use gradus_lessons::recipe::speculative_decoding::{Place, Seen};

    #[test]
    fn calls_follow_one_another() {
        let place = Place {
            token: 1,
            p: 0.5,
            q: 0.5,
            overlap: 1.0,
            coin: 0.1,
            verdict: Verdict::Accepted,
            top: vec![],
        };
        let seen = |n: usize| Seen { places: vec![place.clone(); n], drawn: None, added: vec![1; n] };
        let walk = Walk { parameters: 10, proposals: 2, rounds: vec![seen(2), seen(1)], ..Walk::default() };
        let (all, tokens) = calls(&walk, 2, cost(&walk, 100));
        assert_eq!((all.len(), tokens), (5, 3));
        assert!(all.windows(2).all(|w| (w[0].from + w[0].length - w[1].from).abs() < 1e-12));
        assert!((all[4].from + all[4].length - 2.3).abs() < 1e-9);
        assert_eq!(calls(&walk, 1, 0.1).1, 2);
        assert_eq!(calls(&walk, 0, 0.1), (vec![], 0));
    }
}
