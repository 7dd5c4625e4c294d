//! What animals do: "the shy crow sleeps in the barn . the big goat eats soup ."

use gradus_core::rng::Rng;

use crate::world::document::Document;
use crate::world::law::{Cost, Ending, chance, coin};
use crate::world::tables::Tables;
use crate::world::vocabulary::word::*;

const ENDING: Ending = Ending { stop: 0.3, most: 4 };
/// How often the animal eats.
const MEAL: f64 = 0.35;

pub(super) fn write(tables: &Tables, rng: &mut Rng, document: &mut Document) {
    let mut before = 1.0;
    for n in 1.. {
        document.push(THE, before);
        let adjective = tables.adjective.draw(0, rng);
        document.pick(adjective);
        let animal = tables.animal_of_adjective.draw(adjective.index, rng);
        document.pick(animal);
        if chance(MEAL, rng) {
            document.push(EATS, MEAL);
            let (food, context) = tables.food_of(adjective.index, animal.index);
            document.pick(food.draw(context, rng));
        } else {
            let verb = tables.verb_of_animal.draw(animal.index, rng);
            document.push(verb.token, (1.0 - MEAL) * verb.p);
            document.say(&[IN, THE]);
            let (place, context) = tables.place_of(adjective.index, animal.index, verb.index);
            document.pick(place.draw(context, rng));
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
    let subject = Cost::new(
        tables.adjective.law().entropy() + tables.animal_of_adjective.law().entropy() + coin(MEAL),
        3.0,
    );
    let meal = Cost::new(tables.food_of(0, 0).0.law().entropy(), 3.0);
    let act =
        Cost::new(tables.verb_of_animal.law().entropy() + tables.place_of(0, 0, 0).0.law().entropy(), 5.0);
    sentences * (subject + MEAL * meal + (1.0 - MEAL) * act) + Cost::new(endings, 1.0)
}
