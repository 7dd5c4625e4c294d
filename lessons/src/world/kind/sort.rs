//! Words sorted under made-up labels: "fox zup ; plums bim ; goat zup". A class keeps its label.

use gradus_core::rng::Rng;

use super::LIST;
use crate::world::document::Document;
use crate::world::law::{Cost, chance, coin};
use crate::world::vocabulary::word::SEMICOLON;
use crate::world::vocabulary::{ANIMAL, COLOUR, Class, FOOD, JOB, MADE_UP, OBJECT, PLACE};

const CLASSES: [Class; 6] = [ANIMAL, COLOUR, FOOD, PLACE, OBJECT, JOB];
/// How often a line opens a new class, when 0, 1, 2 or 3 are known.
const NEW: [f64; 4] = [1.0, 0.5, 0.15, 0.0];

pub(super) fn write(rng: &mut Rng, document: &mut Document) {
    let mut seen = [(0, 0); NEW.len() - 1]; // (class, label)
    let mut known = 0;
    for n in 1.. {
        let new = NEW[known];
        let opens = chance(new, rng);
        let class = if opens {
            loop {
                let class = rng.below(CLASSES.len() as u32) as usize;
                if seen[..known].iter().all(|(c, _)| *c != class) {
                    break class;
                }
            }
        } else {
            seen[rng.below(known as u32) as usize].0
        };
        let size = CLASSES[class].len();
        let choices = if opens { CLASSES.len() - known } else { known };
        let p = if opens { new } else { 1.0 - new };
        let item = CLASSES[class].token(rng.below(size as u32) as usize);
        document.push(item, p / choices as f64 / size as f64);
        if let Some((_, label)) = seen[..known].iter().find(|(c, _)| *c == class) {
            document.say(&[*label]);
        } else {
            let label = loop {
                let label = MADE_UP.token(rng.below(MADE_UP.len() as u32) as usize);
                if seen[..known].iter().all(|(_, l)| *l != label) {
                    break label;
                }
            };
            document.push(label, 1.0 / (MADE_UP.len() - known) as f64);
            seen[known] = (class, label);
            known += 1;
        }
        let stop = LIST.hazard(n);
        if chance(stop, rng) {
            return document.end(stop);
        }
        document.push(SEMICOLON, 1.0 - stop);
    }
}

/// P(first token = `token`).
pub(super) fn opening(token: u32) -> f64 {
    let class = CLASSES.iter().find(|class| class.index(token).is_some());
    class.map_or(0.0, |class| 1.0 / (CLASSES.len() * class.len()) as f64)
}

pub(super) fn cost() -> Cost {
    // Every class is as likely as every other on every line.
    let item = CLASSES.iter().map(|c| (c.len() as f64).ln()).sum::<f64>() / CLASSES.len() as f64;
    let mut nats = LIST.entropy() + LIST.mean() * item;
    let mut known = [1.0, 0.0, 0.0, 0.0];
    for n in 1..=LIST.most {
        let mut after = [0.0; NEW.len()];
        for (c, &p) in known.iter().enumerate() {
            let opens = ((CLASSES.len() - c) as f64).ln() + ((MADE_UP.len() - c) as f64).ln();
            let stays = if c == 0 { 0.0 } else { (c as f64).ln() };
            nats += LIST.reaches(n) * p * (coin(NEW[c]) + NEW[c] * opens + (1.0 - NEW[c]) * stays);
            after[c] += p * (1.0 - NEW[c]);
            if c + 1 < NEW.len() {
                after[c + 1] += p * NEW[c];
            }
        }
        known = after;
    }
    Cost::new(nats, 3.0 * LIST.mean())
}
