//! One story's rounds as a picture shows them: of each law the likeliest tokens only, so that a record stays small.

use gradus_core::generate::{Drawn, Proposal, Round, Verdict};
use serde::{Deserialize, Serialize};

/// Tokens that are shown of p and of q each.
const TOP: usize = 4;

/// A story written by one draft with one K at temperature 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    /// The draft: `1x16`.
    pub draft: String,
    /// Its trainable numbers.
    pub parameters: u64,
    /// K.
    pub proposals: usize,
    /// What was given, token ids.
    pub prompt: Vec<u32>,
    /// The rounds, in order.
    pub rounds: Vec<Seen>,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The draft's proposals.
    pub places: Vec<Place>,
    /// The token that the target added, if any.
    pub drawn: Option<Law>,
    /// What the round added to the text.
    pub added: Vec<u32>,
}

/// A proposal and what decided it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The token x.
    pub token: u32,
    /// p(x) of the target.
    pub p: f32,
    /// q(x) of the draft.
    pub q: f32,
    /// Σ min(p, q) over all tokens.
    pub overlap: f32,
    /// The coin in [0, 1): below min(1, p/q) the token is kept.
    pub coin: f32,
    /// What became of it.
    pub verdict: Verdict,
    /// The likeliest tokens of either law and x: token, p, q; by falling p.
    pub top: Vec<(u32, f32, f32)>,
}

/// The token that the target added, and what it was drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// The token.
    pub token: u32,
    /// True after K acceptances: drawn from p. False after a rejection: from max(0, p − q), scaled to sum to 1.
    pub bonus: bool,
    /// The sum by which it was scaled: the chance of a rejection at this place, 1 for a bonus.
    pub mass: f32,
    /// The uniform number of the draw.
    pub uniform: f32,
    /// The likeliest tokens, the drawn one among them.
    pub top: Vec<(u32, f32)>,
}

impl From<&Round> for Seen {
    fn from(round: &Round) -> Self {
        let rejected = round.proposals.iter().find(|p| p.verdict == Verdict::Rejected);
        let mass = rejected.map_or(1.0, |p| 1.0 - p.overlap);
        Self {
            places: round.proposals.iter().map(Place::from).collect(),
            drawn: round.drawn.as_ref().map(|d| Law::of(d, mass)),
            added: round.added.clone(),
        }
    }
}

impl From<&Proposal> for Place {
    fn from(at: &Proposal) -> Self {
        let mut shown = likeliest(&at.p, TOP);
        shown.extend(likeliest(&at.q, TOP));
        shown.push(at.token as usize);
        shown.sort_by(|a, b| at.p[*b].total_cmp(&at.p[*a]).then(a.cmp(b)));
        shown.dedup();
        let x = at.token as usize;
        Self {
            token: at.token,
            p: at.p[x],
            q: at.q[x],
            overlap: at.overlap,
            coin: at.coin,
            verdict: at.verdict,
            top: shown.into_iter().map(|t| (t as u32, at.p[t], at.q[t])).collect(),
        }
    }
}

impl Law {
    fn of(drawn: &Drawn, mass: f32) -> Self {
        let mut shown = likeliest(&drawn.law, TOP + 1);
        if !shown.contains(&(drawn.token as usize)) {
            shown.push(drawn.token as usize);
        }
        Self {
            token: drawn.token,
            bonus: drawn.bonus,
            mass: if drawn.bonus { 1.0 } else { mass },
            uniform: drawn.uniform,
            top: shown.into_iter().map(|t| (t as u32, drawn.law[t])).collect(),
        }
    }
}

/// Indices of the `n` largest, falling; those that are 0 left out.
fn likeliest(law: &[f32], n: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..law.len()).filter(|i| law[*i] > 0.0).collect();
    all.sort_by(|a, b| law[*b].total_cmp(&law[*a]).then(a.cmp(b)));
    all.truncate(n);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_cut_to_what_decides_it() {
        let law = |likely: usize| {
            let mut law = vec![0.01_f32; 12];
            law[likely] = 0.89;
            law
        };
        let proposal = |token, verdict| Proposal {
            token,
            q: law(token as usize),
            p: law(3),
            acceptance: 0.1,
            overlap: 0.12,
            coin: 0.5,
            verdict,
        };
        let round = Round {
            index: 5,
            proposals: vec![proposal(3, Verdict::Accepted), proposal(11, Verdict::Rejected)],
            drawn: Some(Drawn { token: 3, bonus: false, law: law(3), uniform: 0.2 }),
            added: vec![3, 3],
            seconds: [0.0; 3],
        };
        let seen = Seen::from(&round);
        assert_eq!(seen.places[0].p, seen.places[0].q);
        let place = &seen.places[1];
        assert_eq!((place.p, place.q), (0.01, 0.89));
        // The likeliest of either law and the token itself, each once, by falling p.
        assert_eq!(place.top[0], (3, 0.89, 0.01));
        assert!(place.top.iter().any(|t| t.0 == 11) && place.top.len() <= 2 * TOP + 1);
        assert!(place.top.windows(2).all(|w| w[0].1 >= w[1].1 && w[0].0 != w[1].0));
        let drawn = seen.drawn.expect("a replacement");
        assert!((drawn.mass - 0.88).abs() < 1e-6);
        assert_eq!(drawn.top[0], (3, 0.89));
    }
}
