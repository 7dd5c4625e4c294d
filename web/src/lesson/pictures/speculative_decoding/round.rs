//! A round of speculative decoding, step by step: the proposals, both models' opinions, the coins, the replacement.

use super::super::parts::{Card, Shown, Stepper, bar, in_turn, word, words};
use super::lanes::lanes;
use crate::lesson::picture_file::room;
use gradus_core::generate::Verdict;
use gradus_lessons::recipe::speculative_decoding::{Figures, Law, Place, Seen, Walk};
use leptos::prelude::*;
use std::collections::BTreeSet;

/// Where the stepping stands within a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// The draft has made all its proposals.
    Proposed,
    /// The target has said what it thinks of them, in one pass.
    Checked,
    /// The coin of this place has been tossed.
    Coin(usize),
    /// The target has added its token.
    Added,
}

/// Every stop of every round.
fn stops(rounds: &[Seen]) -> Vec<(usize, Stop)> {
    let mut all = Vec::new();
    for (i, round) in rounds.iter().enumerate() {
        all.extend([(i, Stop::Proposed), (i, Stop::Checked)]);
        let reached = round.places.iter().take_while(|p| p.verdict != Verdict::NotReached).count();
        all.extend((0..reached).map(|place| (i, Stop::Coin(place))));
        if round.drawn.is_some() {
            all.push((i, Stop::Added));
        }
    }
    all
}

/// One story, by the draft and the K that are chosen.
#[component]
pub(super) fn Rounds(figures: Shown<Figures>) -> impl IntoView {
    let figures = in_turn(figures);
    let draft = RwSignal::new(None::<String>);
    let k = RwSignal::new(4_usize);
    let step = RwSignal::new(0_usize);
    let room = room();
    let drafts = Memo::new(move |_| {
        figures.with(|f| {
            f.as_ref().map_or_else(BTreeSet::new, |f| {
                f.walks.iter().map(|w| (w.parameters, w.draft.clone())).collect()
            })
        })
    });
    let ks = Memo::new(move |_| {
        figures.with(|f| {
            f.as_ref()
                .map_or_else(BTreeSet::new, |f| f.walks.iter().map(|w| w.proposals).collect::<BTreeSet<_>>())
        })
    });
    let walk = Memo::new(move |_| {
        figures.with(|f| {
            let walks = &f.as_ref()?.walks;
            let name = draft.get();
            let own: Vec<_> = walks.iter().filter(|w| name.as_ref().is_none_or(|n| *n == w.draft)).collect();
            // The chosen K, or the nearest that was run.
            own.into_iter().min_by_key(|w| w.proposals.abs_diff(k.get())).cloned()
        })
    });
    let target = move || figures.with(|f| f.as_ref().map_or(1, |f| f.target_parameters));
    let all = Memo::new(move |_| walk.with(|w| w.as_ref().map_or_else(Vec::new, |w| stops(&w.rounds))));
    let count = Signal::derive(move || all.with(Vec::len));
    let now = move || all.with(|a| a.get(step.get().min(a.len().saturating_sub(1))).copied());
    // The last stop of the next round, or of this one if it is not yet there.
    let next_round = move |_| {
        let at = step.get_untracked();
        all.with_untracked(|a| {
            let (Some((round, _)), last) = (a.get(at), a.len().saturating_sub(1)) else { return };
            let end = |r: usize| a.iter().rposition(|(i, _)| *i == r);
            let this = end(*round).unwrap_or(last);
            step.set(if at < this { this } else { end(round + 1).unwrap_or(last) });
        });
    };
    let at_end = move || step.get() + 1 >= count.get();
    view! {
        <Card title="Guess, check, keep" aside="one story at temperature 1, every number that decided it" svg=true>
            <div class="tabs" data-testid="walk">
                <span role="group" aria-label="Draft">
                    {move || drafts.get().into_iter().map(|(parameters, name)| {
                        let (shown, set) = (name.clone(), name.clone());
                        view! {
                            <button type="button" aria-pressed=move || walk.with(|w| w.as_ref().is_some_and(|w| w.draft == shown)).to_string()
                                on:click=move |_| { draft.set(Some(set.clone())); step.set(0); }>{format!("draft {name}, {} numbers", crate::format::grouped(parameters))}</button>
                        }
                    }).collect_view()}
                </span>
                <span role="group" aria-label="Guesses a round">
                    {move || ks.get().into_iter().map(|n| view! {
                        <button type="button" aria-pressed=move || walk.with(|w| w.as_ref().is_some_and(|w| w.proposals == n)).to_string()
                            on:click=move |_| { k.set(n); step.set(0); }>{format!("K = {n}")}</button>
                    }).collect_view()}
                </span>
            </div>
            <Show when=move || walk.with(Option::is_some)
                fallback=|| view! { <p class="empty">"After the run: the draft’s guesses, the target’s opinion of each, and the coin."</p> }>
                {move || walk.with(|w| {
                    let (walk, (i, stop)) = (w.as_ref()?, now()?);
                    let round = walk.rounds.get(i)?;
                    Some(view! {
                        <p class="said" data-testid="walk-text">{text(walk, i, stop)}</p>
                        {lane(round, stop, room.get())}
                        <p class="note" aria-live="polite" data-testid="walk-said">{said(round, stop)}</p>
                        {opinions(round, stop)}
                        {lanes(walk, target(), i, is_last(round, stop), room.get())}
                    })
                })}
            </Show>
            <Stepper what="step" index=step count />
            <div class="stepper"><button type="button" data-testid="next-round" disabled=at_end on:click=next_round>"Next round"</button></div>
        </Card>
    }
}

/// Whether nothing comes after this stop in its round.
fn is_last(round: &Seen, stop: Stop) -> bool {
    stops(std::slice::from_ref(round)).last().is_some_and(|(_, last)| *last == stop)
}

/// The text so far: what was given, what earlier rounds added, what of this round is certain.
fn text(walk: &Walk, round: usize, stop: Stop) -> impl IntoView + use<> {
    let before: Vec<u32> = walk.rounds[..round].iter().flat_map(|r| r.added.iter().copied()).collect();
    let kept = match stop {
        Stop::Proposed | Stop::Checked => 0,
        Stop::Coin(place) => {
            place + usize::from(walk.rounds[round].places[place].verdict == Verdict::Accepted)
        }
        Stop::Added => walk.rounds[round].added.len(),
    };
    let fresh = words(&walk.rounds[round].added[..kept.min(walk.rounds[round].added.len())]);
    view! { <span class="faint">{format!("{} {} ", words(&walk.prompt), words(&before))}</span><b>{fresh}</b> }
}

/// What just happened, in a sentence.
fn said(round: &Seen, stop: Stop) -> String {
    let names = |places: &[Place]| places.iter().map(|p| word(p.token)).collect::<Vec<_>>().join(" ");
    match stop {
        Stop::Proposed => format!(
            "The draft writes {} tokens, one call each: {}.",
            round.places.len(),
            names(&round.places)
        ),
        Stop::Checked => format!(
            "One call of the target gives p at all {} places, and at the one after them.",
            round.places.len()
        ),
        Stop::Coin(i) => {
            let p = &round.places[i];
            let keep = ratio(p);
            let (sign, fate) =
                if p.verdict == Verdict::Accepted { ("<", "kept") } else { ("≥", "rejected") };
            format!(
                "“{}”: min(1, p/q) = min(1, {:.3}/{:.3}) = {keep:.3}. The coin shows {:.3} {sign} {keep:.3}: {fate}. Overlap of the two laws here, Σ min(p, q): {:.3}.",
                word(p.token),
                p.p,
                p.q,
                p.coin,
                p.overlap
            )
        }
        Stop::Added => round.drawn.as_ref().map_or_else(String::new, |d| {
            let from = if d.bonus {
                "All were kept, so the target’s pass has one law left over: a bonus token from p".to_owned()
            } else {
                format!("A replacement from max(0, p − q), which sums to {:.3} and is scaled to 1", d.mass)
            };
            format!(
                "{from}: “{}”. The round added {} token{}.",
                word(d.token),
                round.added.len(),
                if round.added.len() == 1 { "" } else { "s" }
            )
        }),
    }
}

/// min(1, p/q).
fn ratio(place: &Place) -> f32 {
    if place.q > 0.0 { (place.p / place.q).min(1.0) } else { 1.0 }
}

/// The proposals as columns: token, q, p, the coin, the verdict.
fn lane(round: &Seen, stop: Stop, room: f64) -> impl IntoView + use<> {
    const HEIGHT: f64 = 136.0;
    let n = round.places.len().max(1) as f64;
    let width = (room / n).clamp(76.0, 124.0);
    let a_line = (room / width).floor().max(1.0) as usize;
    let checked = stop != Stop::Proposed;
    let tossed = match stop {
        Stop::Proposed | Stop::Checked => 0,
        Stop::Coin(i) => i + 1,
        Stop::Added => round.places.len(),
    };
    let columns = round.places.iter().enumerate().map(|(i, place)| {
        let (x, y) = ((i % a_line) as f64 * width, (i / a_line) as f64 * HEIGHT);
        let inner = width - 8.0;
        let known = i < tossed && place.verdict != Verdict::NotReached;
        let (class, fate) = match (known, place.verdict) {
            (true, Verdict::Accepted) => ("guess kept", "kept"),
            (true, Verdict::Rejected) => ("guess rejected", "rejected"),
            (_, Verdict::NotReached) if stop == Stop::Added => ("guess unreached", "not reached"),
            _ => ("guess", ""),
        };
        let track = inner - 48.0;
        let law = |name: &'static str, value: f32, at: f64, color: &'static str| view! {
            <text class="faint" x=x y=y + at + 9.0>{name}</text>
            <rect class="track" x=x + 11.0 y=y + at width=track height="10" rx="3"></rect>
            <rect x=x + 11.0 y=y + at width=track * f64::from(value).clamp(0.0, 1.0) height="10" rx="3" style=format!("fill: var({color})")></rect>
            <text x=x + inner y=y + at + 9.0 text-anchor="end">{format!("{value:.2}")}</text>
        };
        view! {
            <g class=class>
                <rect class="chip" x=x + 1.0 y=y + 1.0 width=inner - 2.0 height="32" rx="7"></rect>
                <text class="word" x=x + inner / 2.0 y=y + 22.0 text-anchor="middle">{word(place.token)}</text>
                {law("q", place.q, 44.0, "--s2")}
                {checked.then(|| law("p", place.p, 60.0, "--s1"))}
                {checked.then(|| view! { <text class="faint" x=x y=y + 87.0>{format!("keep if < {:.2}", ratio(place))}</text> })}
                {known.then(|| view! { <text x=x y=y + 102.0>{format!("coin {:.2}", place.coin)}</text> })}
                <text class="fate" x=x y=y + 118.0>{fate}</text>
            </g>
        }
    }).collect_view();
    let height = round.places.len().div_ceil(a_line) as f64 * HEIGHT - 12.0;
    view! {
        <svg class="picture round" viewBox=format!("0 0 {room} {}", height.max(20.0)) role="img" tabindex="0" aria-label=described(round, stop)>{columns}</svg>
    }
}

/// The columns in words.
fn described(round: &Seen, stop: Stop) -> String {
    let tossed = match stop {
        Stop::Proposed | Stop::Checked => 0,
        Stop::Coin(i) => i + 1,
        Stop::Added => round.places.len(),
    };
    let column = |(i, p): (usize, &Place)| {
        let fate = match p.verdict {
            _ if i >= tossed => "not yet decided",
            Verdict::Accepted => "kept",
            Verdict::Rejected => "rejected",
            Verdict::NotReached => "not reached",
        };
        if stop == Stop::Proposed {
            format!("{} with q {:.2}", word(p.token), p.q)
        } else {
            format!("{} with q {:.2} and p {:.2}, {fate}", word(p.token), p.q, p.p)
        }
    };
    let all: Vec<_> = round.places.iter().enumerate().map(column).collect();
    format!("The draft’s guesses: {}", all.join("; "))
}

/// The two laws at the place in question, or the law of the token that was added.
fn opinions(round: &Seen, stop: Stop) -> impl IntoView + use<> {
    match stop {
        Stop::Coin(i) => round.places.get(i).map(|p| two_laws(p).into_any()),
        Stop::Added => round.drawn.as_ref().map(|d| law(d).into_any()),
        _ => None,
    }
}

fn two_laws(place: &Place) -> impl IntoView + use<> {
    let rows = place.top.iter().map(|(t, p, q)| {
        let name = if *t == place.token { format!("{} ←", word(*t)) } else { word(*t) };
        let over = (p - q).max(0.0);
        view! { <tr><th scope="row">{name}</th><td>{format!("{q:.3}")}</td><td>{format!("{p:.3}")}</td><td>{format!("{:.3}", p.min(*q))}</td><td>{format!("{over:.3}")}</td></tr> }
    }).collect_view();
    view! {
        <div class="wide" tabindex="0" role="group" aria-label="The two laws at this place">
            <table class="mono"><thead><tr><th scope="col">"likeliest tokens"</th><th scope="col">"q"</th><th scope="col">"p"</th><th scope="col">"min(p, q)"</th><th scope="col">"max(0, p − q)"</th></tr></thead><tbody>{rows}</tbody></table>
        </div>
    }
}

fn law(drawn: &Law) -> impl IntoView + use<> {
    let title = if drawn.bonus {
        "Drawn from p, the target’s law"
    } else {
        "Drawn instead, from max(0, p − q) scaled to 1"
    };
    let highest = drawn.top.iter().map(|t| t.1).fold(1e-9_f32, f32::max);
    let rows = drawn
        .top
        .iter()
        .map(|(t, v)| {
            bar(
                word(*t),
                f64::from(v / highest),
                3,
                format!("{v:.3}{}", if *t == drawn.token { " ← drawn" } else { "" }),
            )
        })
        .collect_view();
    view! { <h3>{title}</h3><ul class="bars">{rows}</ul> }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(verdict: Verdict) -> Place {
        Place { token: 5, p: 0.2, q: 0.5, overlap: 0.6, coin: 0.3, verdict, top: vec![(5, 0.2, 0.5)] }
    }

    #[test]
    fn a_round_is_walked_to_its_last_token() {
        let drawn = Law { token: 6, bonus: false, mass: 0.4, uniform: 0.1, top: vec![(6, 1.0)] };
        let rejected = Seen {
            places: vec![place(Verdict::Accepted), place(Verdict::Rejected), place(Verdict::NotReached)],
            drawn: Some(drawn),
            added: vec![5, 6],
        };
        let ended = Seen { places: vec![place(Verdict::Accepted)], drawn: None, added: vec![5] };
        let all = stops(&[rejected.clone(), ended.clone()]);
        assert_eq!(
            all,
            [
                (0, Stop::Proposed),
                (0, Stop::Checked),
                (0, Stop::Coin(0)),
                (0, Stop::Coin(1)),
                (0, Stop::Added),
                (1, Stop::Proposed),
                (1, Stop::Checked),
                (1, Stop::Coin(0)),
            ]
        );
        assert!(is_last(&rejected, Stop::Added) && !is_last(&rejected, Stop::Coin(1)));
        assert!(is_last(&ended, Stop::Coin(0)));
        assert!((ratio(&rejected.places[1]) - 0.4).abs() < 1e-6);
        assert!(said(&rejected, Stop::Coin(1)).contains("0.400"));
        assert!(described(&rejected, Stop::Coin(0)).contains("not yet decided"));
        assert!(said(&rejected, Stop::Added).contains("sums to 0.400"));
    }
}
