//! What is true in Little Vale: who likes what, and which word follows which how often.
//!
//! Every table is drawn once from a fixed seed, each from its own sub-stream, so that changing one leaves
//! the others alone. Building them all takes about 350,000 random numbers, a few milliseconds.

use gradus_core::rng::{Rng, Stream};

use super::law::Ranked;
use super::vocabulary::{
    ADJECTIVE, ANIMAL, COLOUR, CONTAINER, Class, FAMILY, FIRST, FOOD, JOB, OBJECT, PLACE, VERB,
};

/// The seed of the tables. Another seed is another world, in which nothing learnt here holds.
const SEED: u32 = 1;

/// What can be said of a person. Discriminants index the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// "likes plums".
    Likes,
    /// "lives in the mill".
    Lives,
    /// "works as a baker".
    Works,
    /// "keeps a fox".
    Keeps,
    /// "wears red".
    Wears,
    /// "has a drum".
    Has,
}

impl Relation {
    /// All relations.
    pub const ALL: [Self; 6] = [Self::Likes, Self::Lives, Self::Works, Self::Keeps, Self::Wears, Self::Has];

    /// How often each is told or asked.
    pub(crate) const SHARES: [f64; 6] = [0.30, 0.22, 0.16, 0.13, 0.10, 0.09];

    const CLASSES: [Class; 6] = [FOOD, PLACE, JOB, ANIMAL, COLOUR, OBJECT];
}

/// What can be said of a person and an animal together. Discriminants index the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PetRelation {
    /// "like soup".
    Like,
    /// "live in the mill".
    Live,
    /// "wear red".
    Wear,
}

impl PetRelation {
    /// All relations.
    pub const ALL: [Self; 3] = [Self::Like, Self::Live, Self::Wear];

    const CLASSES: [Class; 3] = [FOOD, PLACE, COLOUR];
}

/// What can be said of an animal. Discriminants index the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait {
    /// "is black".
    Colour,
    /// "likes corn".
    Food,
    /// "lives in the barn".
    Place,
    /// "is shy".
    Adjective,
}

impl Trait {
    /// All traits.
    pub const ALL: [Self; 4] = [Self::Colour, Self::Food, Self::Place, Self::Adjective];

    const CLASSES: [Class; 4] = [COLOUR, FOOD, PLACE, ADJECTIVE];
}

/// The tables. Persons, animals, adjectives and so on are named by their index in their class.
#[derive(Clone, Debug)]
pub struct Tables {
    pub(crate) first: Ranked,
    pub(crate) family_of_first: Ranked,
    pub(crate) adjective: Ranked,
    pub(crate) animal: Ranked,
    pub(crate) animal_of_adjective: Ranked,
    pub(crate) verb_of_animal: Ranked,
    food_of_scene: Ranked,
    place_of_scene: Ranked,
    pub(crate) place_of_first: Ranked,
    pub(crate) object_of_first: Ranked,
    pub(crate) container_of_object: Ranked,
    pub(crate) pet_of_first: Ranked,
    /// first × family × relation.
    facts: Vec<u8>,
    /// first × family × animal × relation.
    pet_facts: Vec<u8>,
    /// animal × trait.
    traits: Vec<u8>,
}

/// Facts drawn evenly: for each of `subjects`, one value for each of `classes`.
fn uniform(subjects: usize, classes: &[Class], rng: &mut Rng) -> Vec<u8> {
    (0..subjects).flat_map(|_| classes).map(|class| rng.below(class.len() as u32) as u8).collect()
}

impl Tables {
    pub(crate) fn new() -> Self {
        const S: f64 = 1.2;
        let mut sub = 0;
        let mut stream = || {
            sub += 1;
            Rng::at(SEED, Stream::Tables, sub)
        };
        let persons = FIRST.len() * FAMILY.len();
        let pairs = ADJECTIVE.len() * ANIMAL.len();
        Self {
            first: Ranked::listed(FIRST, S),
            adjective: Ranked::listed(ADJECTIVE, 0.8),
            animal: Ranked::listed(ANIMAL, 0.6),
            family_of_first: Ranked::shuffled(FAMILY, S, FIRST.len(), &mut stream()),
            animal_of_adjective: Ranked::shuffled(ANIMAL, S, ADJECTIVE.len(), &mut stream()),
            verb_of_animal: Ranked::shuffled(VERB, S, ANIMAL.len(), &mut stream()),
            food_of_scene: Ranked::shuffled(FOOD, S, pairs, &mut stream()),
            place_of_scene: Ranked::shuffled(PLACE, S, pairs * VERB.len(), &mut stream()),
            place_of_first: Ranked::shuffled(PLACE, S, FIRST.len(), &mut stream()),
            object_of_first: Ranked::shuffled(OBJECT, S, FIRST.len(), &mut stream()),
            container_of_object: Ranked::shuffled(CONTAINER, S, OBJECT.len(), &mut stream()),
            pet_of_first: Ranked::shuffled(ANIMAL, S, FIRST.len(), &mut stream()),
            facts: uniform(persons, &Relation::CLASSES, &mut stream()),
            pet_facts: uniform(persons * ANIMAL.len(), &PetRelation::CLASSES, &mut stream()),
            traits: uniform(ANIMAL.len(), &Trait::CLASSES, &mut stream()),
        }
    }

    /// The one word that is true of person (`first`, `family`): indices in those classes.
    pub fn fact(&self, first: usize, family: usize, relation: Relation) -> u32 {
        let r = relation as usize;
        let value = self.facts[(first * FAMILY.len() + family) * Relation::ALL.len() + r];
        Relation::CLASSES[r].token(usize::from(value))
    }

    /// The one word that is true of person (`first`, `family`) and `animal` together.
    pub fn pet_fact(&self, first: usize, family: usize, animal: usize, relation: PetRelation) -> u32 {
        let r = relation as usize;
        let subject = (first * FAMILY.len() + family) * ANIMAL.len() + animal;
        PetRelation::CLASSES[r].token(usize::from(self.pet_facts[subject * PetRelation::ALL.len() + r]))
    }

    /// The one word that is true of `animal`.
    pub fn animal_trait(&self, animal: usize, of: Trait) -> u32 {
        let value = self.traits[animal * Trait::ALL.len() + of as usize];
        Trait::CLASSES[of as usize].token(usize::from(value))
    }

    /// What an animal of a scene eats: the table and the context to draw with.
    pub(crate) fn food_of(&self, adjective: usize, animal: usize) -> (&Ranked, usize) {
        (&self.food_of_scene, adjective * ANIMAL.len() + animal)
    }

    /// Where an animal of a scene is: the table and the context to draw with.
    pub(crate) fn place_of(&self, adjective: usize, animal: usize, verb: usize) -> (&Ranked, usize) {
        (&self.place_of_scene, (adjective * ANIMAL.len() + animal) * VERB.len() + verb)
    }
}
