//! Two persons, one thing: who goes where, who has it, and questions about both.
//!
//! "tom reed is in the mill . anna hill is in the barn . tom has the drum . tom puts the drum in the box .
//! he goes to the park . where is the drum ? in the box ."

use gradus_core::rng::Rng;

use super::{full_name, person, person_cost, pronoun};
use crate::world::document::Document;
use crate::world::law::{Cost, Pick, chance, coin, entropy, weighted};
use crate::world::tables::Tables;
use crate::world::vocabulary::word::*;
use crate::world::vocabulary::{FAMILY, FIRST};

/// A story has at most this many events, and a question after the last.
const EVENTS: usize = 4;
/// How often a question follows an earlier event.
const ASK: f64 = 0.45;
/// How often the question is where a person is.
const ASK_PERSON: f64 = 0.3;
/// How often the story ends after a question.
const STOP_ASKING: f64 = 0.6;
/// How often whoever acted last is called "he" or "she".
const PRONOUN: f64 = 0.5;
/// How often a name is given in full.
const FULL: f64 = 0.25;

/// What happens. Discriminants index the weights.
#[derive(Clone, Copy)]
enum Event {
    Goes,
    Acts,
    Puts,
    Sends,
    Takes,
}

impl Event {
    const ALL: [Self; 5] = [Self::Goes, Self::Acts, Self::Puts, Self::Sends, Self::Takes];

    /// Weights of the events that are possible when `actor` acts and `holder` has the thing.
    fn weights(actor: usize, holder: Option<usize>) -> [f64; 5] {
        match holder {
            None => [0.4, 0.2, 0.0, 0.0, 0.4],
            Some(h) if h == actor => [0.4, 0.2, 0.25, 0.15, 0.0],
            Some(_) => [0.4, 0.2, 0.0, 0.0, 0.0],
        }
    }

    /// Who has the thing afterwards.
    fn holder(self, actor: usize, before: Option<usize>) -> Option<usize> {
        match self {
            Self::Goes | Self::Acts => before,
            Self::Puts => None,
            Self::Sends => Some(1 - actor),
            Self::Takes => Some(actor),
        }
    }
}

/// The state of a story: what its questions are about.
struct Scene {
    persons: [(usize, usize); 2],
    places: [Pick; 2],
    /// The thing, as index and token.
    thing: Pick,
    holder: Option<usize>,
    /// Where the thing is while nobody has it.
    container: u32,
    last: usize,
}

impl Scene {
    fn first(&self, who: usize) -> u32 {
        FIRST.token(self.persons[who].0)
    }
}

pub(super) fn write(tables: &Tables, rng: &mut Rng, document: &mut Document) {
    let mut scene = open(tables, rng, document);
    for n in 1..=EVENTS {
        // `before` is the probability of an event here, given the words so far.
        let mut before = 1.0;
        if n > 1 {
            before = 1.0 - ASK;
            if chance(ASK, rng) {
                ask(&scene, ASK, rng, document);
                if chance(STOP_ASKING, rng) {
                    return document.end(STOP_ASKING);
                }
                before = 1.0 - STOP_ASKING;
            }
        }
        happen(&mut scene, before, tables, rng, document);
    }
    document.say(&[WHERE, IS]);
    ask_person(&scene, 1.0, rng, document);
    document.end(1.0);
}

fn open(tables: &Tables, rng: &mut Rng, document: &mut Document) -> Scene {
    let a = person(tables, rng, document);
    let at = place(a.0, tables, rng, document);
    let first = tables.first.draw_except(0, a.0, rng); // names are ranked in the order of their list
    let family = tables.family_of_first.draw(first.index, rng);
    document.pick(first);
    document.pick(family);
    let b = (first.index, family.index);
    let bt = place(b.0, tables, rng, document);
    let holder = rng.below(2) as usize;
    let owner = [a, b][holder].0;
    document.push(FIRST.token(owner), 0.5);
    document.say(&[HAS, THE]);
    let thing = tables.object_of_first.draw(owner, rng);
    document.pick(thing);
    document.say(&[STOP]);
    Scene { persons: [a, b], places: [at, bt], thing, holder: Some(holder), container: 0, last: holder }
}

/// "is in the mill ."
fn place(first: usize, tables: &Tables, rng: &mut Rng, document: &mut Document) -> Pick {
    document.say(&[IS, IN, THE]);
    let place = tables.place_of_first.draw(first, rng);
    document.pick(place);
    document.say(&[STOP]);
    place
}

/// A question, asked with probability `p`, and its answer.
fn ask(scene: &Scene, p: f64, rng: &mut Rng, document: &mut Document) {
    let about_person = chance(ASK_PERSON, rng);
    match scene.holder {
        // Nobody has the thing: both questions begin with "where is".
        None => {
            document.push(WHERE, p);
            document.say(&[IS]);
            if about_person {
                ask_person(scene, ASK_PERSON, rng, document);
            } else {
                document.push(THE, 1.0 - ASK_PERSON);
                document.say(&[scene.thing.token, QUESTION, IN, THE, scene.container, STOP]);
            }
        }
        Some(_) if about_person => {
            document.push(WHERE, p * ASK_PERSON);
            document.say(&[IS]);
            ask_person(scene, 1.0, rng, document);
        }
        Some(holder) => {
            document.push(WHO, p * (1.0 - ASK_PERSON));
            document.say(&[HAS, THE, scene.thing.token, QUESTION, scene.first(holder), STOP]);
        }
    }
}

/// "tom ? in the mill ."
fn ask_person(scene: &Scene, p: f64, rng: &mut Rng, document: &mut Document) {
    let who = rng.below(2) as usize;
    document.push(scene.first(who), p * 0.5);
    document.say(&[QUESTION, IN, THE, scene.places[who].token, STOP]);
}

/// One event, which begins here with probability `before`.
fn happen(scene: &mut Scene, before: f64, tables: &Tables, rng: &mut Rng, document: &mut Document) {
    let actor = rng.below(2) as usize;
    let (first, family) = scene.persons[actor];
    let called = if actor == scene.last { PRONOUN } else { 0.0 };
    let mut verb = 1.0; // probability that the verb comes next, and not a family name
    if chance(called, rng) {
        document.push(pronoun(first), before * 0.5 * called);
    } else {
        document.push(full_name(first, family)[0], before * 0.5 * (1.0 - called));
        if chance(FULL, rng) {
            document.push(FAMILY.token(family), FULL);
        } else {
            verb = 1.0 - FULL;
        }
    }
    let (drawn, p) = weighted(&Event::weights(actor, scene.holder), rng);
    let (event, p, thing) = (Event::ALL[drawn], p * verb, scene.thing.token);
    match event {
        Event::Goes => {
            document.push(GOES, p);
            document.say(&[TO, THE]);
            let place = tables.place_of_first.draw_except(first, scene.places[actor].rank, rng);
            document.pick(place);
            scene.places[actor] = place;
        }
        Event::Acts => {
            // A person has the habits of the animal of the same number.
            let habit = tables.verb_of_animal.draw(first, rng);
            document.push(habit.token, p * habit.p);
        }
        Event::Puts => {
            document.push(PUTS, p);
            document.say(&[THE, thing, IN, THE]);
            let container = tables.container_of_object.draw(scene.thing.index, rng);
            document.pick(container);
            scene.container = container.token;
        }
        Event::Sends => {
            document.push(SENDS, p);
            document.say(&[THE, thing, TO, scene.first(1 - actor)]);
        }
        Event::Takes => {
            document.push(TAKES, p);
            document.say(&[THE, thing]);
        }
    }
    document.say(&[STOP]);
    scene.holder = event.holder(actor, scene.holder);
    scene.last = actor;
}

pub(super) fn cost(tables: &Tables) -> Cost {
    let name = tables.first.law();
    let place = tables.place_of_first.law();
    let (second_name, _) = name.without(name.probabilities());
    let opening = person_cost(tables)
        + Cost::new(second_name + tables.family_of_first.law().entropy(), 2.0)
        + 2.0 * Cost::new(place.entropy(), 5.0)
        + Cost::new(coin(0.5) + tables.object_of_first.law().entropy(), 5.0);
    // Entropy of a person's move number m: it may not lead to where they are.
    let mut at = place.probabilities().to_vec();
    let moves = [(); EVENTS].map(|()| {
        let (nats, next) = place.without(&at);
        at = next;
        nats
    });
    let costs = Costs {
        moves,
        habit: tables.verb_of_animal.law().entropy(),
        container: tables.container_of_object.law().entropy(),
    };
    // Which of the two has the thing first makes no difference to what follows.
    opening + costs.onward(1, Some(0), 0, [0, 0])
}

/// Entropies of what an event draws.
struct Costs {
    moves: [f64; EVENTS],
    habit: f64,
    container: f64,
}

impl Costs {
    /// The story from event `n` on, when `moved` says how often each person has moved.
    fn onward(&self, n: usize, holder: Option<usize>, last: usize, moved: [usize; 2]) -> Cost {
        if n > EVENTS {
            return Cost::new(coin(0.5), 8.0 + 1.0); // "where is tom ? in the mill . <eos>"
        }
        let mut asked = Cost::default();
        let mut goes_on = 1.0;
        if n > 1 {
            let thing = if holder.is_some() { 7.0 } else { 9.0 }; // "who has the …", "where is the …"
            let question =
                ASK_PERSON * Cost::new(coin(0.5), 8.0) + (1.0 - ASK_PERSON) * Cost::new(0.0, thing);
            let ending = Cost::new(coin(ASK_PERSON) + coin(STOP_ASKING), STOP_ASKING);
            asked = Cost::new(coin(ASK), 0.0) + ASK * (question + ending);
            goes_on = 1.0 - ASK * STOP_ASKING;
        }
        let mut event = Cost::new(coin(0.5), 0.0);
        for actor in 0..2 {
            let called = if actor == last { PRONOUN } else { 0.0 };
            let subject = Cost::new(coin(called), 1.0) + (1.0 - called) * Cost::new(coin(FULL), FULL);
            event = event + 0.5 * (subject + self.act(n, actor, holder, moved));
        }
        asked + goes_on * event
    }

    /// What `actor` does in event `n`, and the story after it.
    fn act(&self, n: usize, actor: usize, holder: Option<usize>, moved: [usize; 2]) -> Cost {
        let weights = Event::weights(actor, holder);
        let total: f64 = weights.iter().sum();
        let mut cost = Cost::new(entropy(&weights), 0.0);
        for (event, w) in Event::ALL.into_iter().zip(weights).filter(|(_, w)| *w > 0.0) {
            let mut moved = moved;
            let words = match event {
                Event::Goes => {
                    moved[actor] += 1;
                    Cost::new(self.moves[moved[actor] - 1], 5.0)
                }
                Event::Acts => Cost::new(self.habit, 2.0),
                Event::Puts => Cost::new(self.container, 7.0),
                Event::Sends => Cost::new(0.0, 6.0),
                Event::Takes => Cost::new(0.0, 4.0),
            };
            let after = event.holder(actor, holder);
            cost = cost + (w / total) * (words + self.onward(n + 1, after, actor, moved));
        }
        cost
    }
}
