//! A dictionary made up on the spot: "zup red ; bim goat ; zup red". Repeated words keep their meaning.

use gradus_core::rng::Rng;

use super::LIST;
use crate::world::document::Document;
use crate::world::law::{Cost, chance, coin};
use crate::world::vocabulary::word::SEMICOLON;
use crate::world::vocabulary::{ANIMAL, COLOUR, Class, FOOD, MADE_UP};

/// How often a line repeats a word, once there is one.
const REPEAT: f64 = 0.5;
/// What a made-up word can mean.
const MEANINGS: [Class; 3] = [ANIMAL, COLOUR, FOOD];
const MEANING_COUNT: usize = ANIMAL.len() + COLOUR.len() + FOOD.len();

fn meaning(mut index: usize) -> u32 {
    for class in MEANINGS {
        if index < class.len() {
            return class.token(index);
        }
        index -= class.len();
    }
    unreachable!("a meaning is drawn below MEANING_COUNT")
}

pub(super) fn write(rng: &mut Rng, document: &mut Document) {
    let mut words = [(0, 0); LIST.most]; // (word, meaning)
    let mut known = 0;
    for n in 1.. {
        let repeat = if known == 0 { 0.0 } else { REPEAT };
        if chance(repeat, rng) {
            let (word, meaning) = words[rng.below(known as u32) as usize];
            document.push(word, repeat / known as f64);
            document.say(&[meaning]);
        } else {
            let word = loop {
                let word = MADE_UP.token(rng.below(MADE_UP.len() as u32) as usize);
                if words[..known].iter().all(|(w, _)| *w != word) {
                    break word;
                }
            };
            let meaning = meaning(rng.below(MEANING_COUNT as u32) as usize);
            document.push(word, (1.0 - repeat) / (MADE_UP.len() - known) as f64);
            document.push(meaning, 1.0 / MEANING_COUNT as f64);
            words[known] = (word, meaning);
            known += 1;
        }
        let stop = LIST.hazard(n);
        if chance(stop, rng) {
            return document.end(stop);
        }
        document.push(SEMICOLON, 1.0 - stop);
    }
}

pub(super) fn cost() -> Cost {
    let mut nats = LIST.entropy();
    // Distribution of how many words are known before the line.
    let mut known = vec![0.0; LIST.most + 1];
    known[0] = 1.0;
    for n in 1..=LIST.most {
        let mut after = vec![0.0; LIST.most + 1];
        for (c, &p) in known.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            let repeat = if c == 0 { 0.0 } else { REPEAT };
            let new = ((MADE_UP.len() - c) as f64).ln() + (MEANING_COUNT as f64).ln();
            let old = if c == 0 { 0.0 } else { (c as f64).ln() };
            nats += LIST.reaches(n) * p * (coin(repeat) + (1.0 - repeat) * new + repeat * old);
            after[c] += p * repeat;
            if c < LIST.most {
                after[c + 1] += p * (1.0 - repeat);
            }
        }
        known = after;
    }
    Cost::new(nats, 3.0 * LIST.mean())
}
