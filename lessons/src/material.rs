//! What a session trains on and is measured on, in the shape it asks for: rows by number.

use crate::world::{Floor, Mix, Row, World};

/// Added to the seed of held-out rows, so that they share no stream with the training rows.
const HELD_OUT: u32 = 0x5eed_0f0f;

/// Endless rows of the world: row `i` is a function of the mix, the seed and `i` alone.
#[derive(Clone, Copy, Debug)]
pub struct WorldRows {
    mix: Mix,
    seed: u32,
    context: usize,
}

impl WorldRows {
    /// Training rows of `context` predicted tokens (T).
    pub const fn training(mix: Mix, seed: u32, context: usize) -> Self {
        Self { mix, seed, context }
    }

    /// Held-out rows of the same text, disjoint from the training rows of every small seed.
    pub const fn held_out(mix: Mix, seed: u32, context: usize) -> Self {
        Self { mix, seed: seed ^ HELD_OUT, context }
    }

    /// T, the number of predicted tokens in a row.
    pub const fn context(&self) -> usize {
        self.context
    }

    /// Writes row `row` into `out`, which holds T + 1 tokens (or fewer: the row's beginning; or more: its
    /// continuation). Rows repeat after 2³² of them.
    pub fn fill(&self, row: u64, out: &mut [u32]) {
        World::shared().fill_row(&self.mix, self.seed, row as u32, out);
    }

    /// Row `row` with the exact surprisal and the kind of every token.
    pub fn row(&self, row: u64) -> Row {
        World::shared().row(&self.mix, self.seed, row as u32, self.context)
    }

    /// The loss in nats a token below which no model gets.
    pub fn floor(&self) -> Floor {
        World::shared().floor(&self.mix, self.context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_out_rows_are_others() {
        let training = WorldRows::training(Mix::FULL, 1, 64);
        let held_out = WorldRows::held_out(Mix::FULL, 1, 64);
        let (mut a, mut b) = ([0; 65], [0; 65]);
        training.fill(0, &mut a);
        held_out.fill(0, &mut b);
        assert_eq!(a.to_vec(), training.row(0).tokens);
        assert_eq!(b.to_vec(), held_out.row(0).tokens);
        assert_ne!(a, b);
        // More room only shows more of the same row.
        let mut long = [0; 200];
        training.fill(0, &mut long);
        assert_eq!(long[..65], a);
    }
}
