//! What is true of animals: "the crow is black . the fox lives in the barn ."

use gradus_core::rng::Rng;

use crate::world::document::Document;
use crate::world::law::{Cost, Ending, chance};
use crate::world::tables::{Tables, Trait};
use crate::world::vocabulary::word::*;

const ENDING: Ending = Ending { stop: 0.3, most: 4 };

pub(super) fn write(tables: &Tables, rng: &mut Rng, document: &mut Document) {
    let mut before = 1.0;
    for n in 1.. {
        let animal = tables.animal.draw(0, rng);
        let of = Trait::ALL[rng.below(4) as usize];
        document.push(THE, before);
        document.pick(animal);
        let value = tables.animal_trait(animal.index, of);
        match of {
            // "is" leaves open which of the two it will be; the value tells.
            Trait::Colour | Trait::Adjective => {
                document.push(IS, 0.5);
                document.push(value, 0.5);
            }
            Trait::Food => {
                document.push(LIKES, 0.25);
                document.say(&[value]);
            }
            Trait::Place => {
                document.push(LIVES, 0.25);
                document.say(&[IN, THE, value]);
            }
        }
        document.say(&[STOP]);
        let stop = ENDING.hazard(n);
        if chance(stop, rng) {
            return document.end(stop);
        }
        before = 1.0 - stop;
    }
}

pub(super) fn cost(tables: &Tables) -> Cost {
    let (sentences, endings) = ENDING.cost();
    // Five words, and two more in one sentence of four.
    sentences * Cost::new(tables.animal.law().entropy() + 4f64.ln(), 5.5) + Cost::new(endings, 1.0)
}
