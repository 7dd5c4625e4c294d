//! A hidden rule about animals, shown by examples only: "fox red ; crow black ; goat white".

use gradus_core::rng::Rng;

use super::LIST;
use crate::world::document::Document;
use crate::world::law::{Cost, chance};
use crate::world::tables::{Tables, Trait};
use crate::world::vocabulary::word::SEMICOLON;

pub(super) fn write(tables: &Tables, rng: &mut Rng, document: &mut Document) {
    let of = Trait::ALL[rng.below(4) as usize];
    let mut hidden = 0.25; // probability of the rule, given the words so far
    for n in 1.. {
        let animal = tables.animal.draw(0, rng);
        document.pick(animal);
        document.push(tables.animal_trait(animal.index, of), hidden);
        hidden = 1.0; // the four kinds of value share no word, so one line gives the rule away
        let stop = LIST.hazard(n);
        if chance(stop, rng) {
            return document.end(stop);
        }
        document.push(SEMICOLON, 1.0 - stop);
    }
}

pub(super) fn cost(tables: &Tables) -> Cost {
    LIST.mean() * Cost::new(tables.animal.law().entropy(), 3.0) + Cost::new(LIST.entropy() + 4f64.ln(), 0.0)
}
