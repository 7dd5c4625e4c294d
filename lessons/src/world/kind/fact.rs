//! What is true of a person, alone ("tom reed likes plums . he works as a baker .") or together with an
//! animal ("tom reed and the goat like soup .").

use gradus_core::rng::Rng;

use super::{full_name, person, person_cost, pronoun};
use crate::world::document::Document;
use crate::world::law::{Cost, Ending, chance, coin, entropy, weighted};
use crate::world::tables::{PetRelation, Relation, Tables};
use crate::world::vocabulary::word::*;

const ENDING: Ending = Ending { stop: 0.4, most: 4 };
/// How often the document is about the person alone.
const ALONE: f64 = 0.5;
/// How often the next sentence about the person alone begins with a pronoun.
const PRONOUN: f64 = 0.7;

/// The words between "tom reed" and what is true, the verb first.
pub(in crate::world) const fn link(relation: Relation) -> &'static [u32] {
    match relation {
        Relation::Likes => &[LIKES],
        Relation::Lives => &[LIVES, IN, THE],
        Relation::Works => &[WORKS, AS, A],
        Relation::Keeps => &[KEEPS, A],
        Relation::Wears => &[WEARS],
        Relation::Has => &[HAS, A],
    }
}

/// The words between "the goat" and what is true, the verb first.
const fn pet_link(relation: PetRelation) -> &'static [u32] {
    match relation {
        PetRelation::Like => &[LIKE],
        PetRelation::Live => &[LIVE, IN, THE],
        PetRelation::Wear => &[WEAR],
    }
}

pub(super) fn write(tables: &Tables, rng: &mut Rng, document: &mut Document) {
    let person = person(tables, rng, document);
    if chance(ALONE, rng) {
        alone(tables, person, rng, document)
    } else {
        with_pet(tables, person, rng, document)
    }
}

fn alone(tables: &Tables, (first, family): (usize, usize), rng: &mut Rng, document: &mut Document) {
    let mut left = Relation::SHARES;
    let mut before = ALONE; // probability of being here, given the words so far
    for n in 1.. {
        let (i, p) = weighted(&left, rng);
        left[i] = 0.0; // nothing is told twice
        let relation = Relation::ALL[i];
        let words = link(relation);
        document.push(words[0], before * p);
        document.say(&words[1..]);
        document.say(&[tables.fact(first, family, relation), STOP]);
        let stop = ENDING.hazard(n);
        if chance(stop, rng) {
            return document.end(stop);
        }
        if chance(PRONOUN, rng) {
            document.push(pronoun(first), (1.0 - stop) * PRONOUN);
        } else {
            let [first, family] = full_name(first, family);
            document.push(first, (1.0 - stop) * (1.0 - PRONOUN));
            document.say(&[family]);
        }
        before = 1.0;
    }
}

fn with_pet(tables: &Tables, (first, family): (usize, usize), rng: &mut Rng, document: &mut Document) {
    let mut before = 1.0 - ALONE;
    for n in 1.. {
        document.push(AND, before);
        document.say(&[THE]);
        let animal = tables.pet_of_first.draw(first, rng);
        document.pick(animal);
        let relation = PetRelation::ALL[rng.below(3) as usize];
        let words = pet_link(relation);
        document.push(words[0], 1.0 / 3.0);
        document.say(&words[1..]);
        document.say(&[tables.pet_fact(first, family, animal.index, relation), STOP]);
        let stop = ENDING.hazard(n);
        if chance(stop, rng) {
            return document.end(stop);
        }
        let [first, family] = full_name(first, family);
        document.push(first, 1.0 - stop);
        document.say(&[family]);
        before = 1.0;
    }
}

pub(super) fn cost(tables: &Tables) -> Cost {
    let (sentences, endings) = ENDING.cost();
    let words = PetRelation::ALL.iter().map(|&r| pet_link(r).len() as f64).sum::<f64>() / 3.0;
    // "and the goat", its verb and link, the value and the stop; the name again before all but the first.
    let pet = sentences * Cost::new(tables.pet_of_first.law().entropy() + 3f64.ln(), 3.0 + words + 2.0)
        + Cost::new(endings, (sentences - 1.0) * 2.0);
    let opening = person_cost(tables) + Cost::new(coin(ALONE), 0.0);
    opening + ALONE * alone_cost(Relation::SHARES, 1) + (1.0 - ALONE) * pet + Cost::new(0.0, 1.0)
}

/// The sentences from number `n` on, with `left` still to be told.
fn alone_cost(left: [f64; 6], n: usize) -> Cost {
    let total: f64 = left.iter().sum();
    let stop = ENDING.hazard(n);
    let mut cost = Cost::new(entropy(&left) + coin(stop), 0.0);
    for (i, &share) in left.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let mut sentence = Cost::new(0.0, link(Relation::ALL[i]).len() as f64 + 2.0);
        if stop < 1.0 {
            let mut rest = left;
            rest[i] = 0.0;
            let subject = Cost::new(coin(PRONOUN), PRONOUN + (1.0 - PRONOUN) * 2.0);
            sentence = sentence + (1.0 - stop) * (subject + alone_cost(rest, n + 1));
        }
        cost = cost + (share / total) * sentence;
    }
    cost
}
