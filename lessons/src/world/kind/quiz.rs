//! Questions without answers: "where does tom reed live ? what pet does anna hill keep ?"

use gradus_core::rng::Rng;

use super::{person, person_cost};
use crate::world::document::Document;
use crate::world::law::{Cost, Lines, chance, entropy, weighted};
use crate::world::tables::{Relation, Tables};
use crate::world::vocabulary::word::*;

const QUESTIONS: Lines = Lines { least: 2, most: 5 };

/// The words before and after the name, without the question mark.
pub(in crate::world) const fn template(relation: Relation) -> (&'static [u32], u32) {
    match relation {
        Relation::Likes => (&[WHAT, DOES], LIKE),
        Relation::Lives => (&[WHERE, DOES], LIVE),
        Relation::Works => (&[WHAT, JOB, DOES], HAVE),
        Relation::Keeps => (&[WHAT, PET, DOES], KEEP),
        Relation::Wears => (&[WHAT, COLOUR, DOES], WEAR),
        Relation::Has => (&[WHAT, DOES], HAVE),
    }
}

/// How often a question starts with `words`.
fn share(words: &[u32]) -> f64 {
    let starts = |r: &Relation| template(*r).0.starts_with(words);
    Relation::ALL.iter().zip(Relation::SHARES).filter(|(r, _)| starts(r)).map(|(_, share)| share).sum()
}

pub(super) fn write(tables: &Tables, rng: &mut Rng, document: &mut Document) {
    let mut before = 1.0;
    for n in 1.. {
        let (i, p) = weighted(&Relation::SHARES, rng);
        let (opening, verb) = template(Relation::ALL[i]);
        // Each word narrows down which question it can be; the verb settles it.
        let question = share(&opening[..1]);
        let subject = share(&opening[..2]);
        document.push(opening[0], before * question);
        document.push(opening[1], subject / question);
        document.say(&opening[2..]);
        person(tables, rng, document);
        document.push(verb, p / subject);
        document.say(&[QUESTION]);
        let stop = QUESTIONS.hazard(n);
        if chance(stop, rng) {
            return document.end(stop);
        }
        before = 1.0 - stop;
    }
}

pub(super) fn cost(tables: &Tables) -> Cost {
    let words: f64 =
        Relation::ALL.iter().zip(Relation::SHARES).map(|(r, p)| p * template(*r).0.len() as f64).sum();
    let question = person_cost(tables) + Cost::new(entropy(&Relation::SHARES), words + 2.0);
    QUESTIONS.mean() * question + Cost::new(QUESTIONS.entropy(), 1.0)
}
