//! A refrain of made-up words, sung two or three times: "la zup bim dax ! la zup bim dax !"

use gradus_core::rng::Rng;

use crate::world::document::Document;
use crate::world::law::{Cost, Lines, chance, coin};
use crate::world::vocabulary::MADE_UP;
use crate::world::vocabulary::word::{LA, REFRAIN};

/// Words of the refrain.
const WORDS: Lines = Lines { least: 3, most: 7 };
/// How often it is sung a third time.
const ENCORE: f64 = 0.5;

pub(super) fn write(rng: &mut Rng, document: &mut Document) {
    let mut line = [0; WORDS.most];
    let mut n = 0;
    document.say(&[LA]);
    loop {
        let stop = WORDS.hazard(n);
        if chance(stop, rng) {
            document.push(REFRAIN, stop);
            break;
        }
        line[n] = MADE_UP.token(rng.below(MADE_UP.len() as u32) as usize);
        document.push(line[n], (1.0 - stop) / MADE_UP.len() as f64);
        n += 1;
    }
    document.say(&[LA]);
    document.say(&line[..n]);
    document.say(&[REFRAIN]);
    if chance(ENCORE, rng) {
        document.push(LA, ENCORE);
        document.say(&line[..n]);
        document.say(&[REFRAIN]);
        document.end(1.0);
    } else {
        document.end(1.0 - ENCORE);
    }
}

pub(super) fn cost() -> Cost {
    let words = WORDS.mean() * (MADE_UP.len() as f64).ln();
    Cost::new(WORDS.entropy() + words + coin(ENCORE), (WORDS.mean() + 2.0) * (2.0 + ENCORE) + 1.0)
}
