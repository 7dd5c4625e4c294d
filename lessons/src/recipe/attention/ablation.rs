//! Heads cut out one by one, and what each was worth.

use crate::instruments::{Lens, Repeated, without_head};
use crate::material::WorldRows;
use crate::recipe::Course;
use crate::world::{Kind, Mix};
use gradus_core::Result;
use gradus_core::train::Trainer;
use serde::{Deserialize, Serialize};

/// What cutting out one head costs, in nats a token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    /// Its layer.
    pub layer: usize,
    /// Its number in the layer.
    pub head: usize,
    /// On all held-out tokens.
    pub cost: f64,
    /// On the words of songs that have been sung before.
    pub cost_of_repeats: f64,
    /// On the meanings that dictionaries give for the second time, on the rows that heads are measured on. Runs
    /// kept by earlier versions lack it.
    #[serde(default)]
    pub cost_of_meanings: f64,
}

/// Cuts out each head in turn, and puts the weights back.
pub(super) async fn ablate(
    course: &mut Course<'_>,
    trainer: &mut Trainer,
    lens: &Lens,
    weights: &[f32],
    repeated: &Repeated,
    rows: u64,
) -> Result<Vec<Ablation>> {
    let world = WorldRows::held_out(Mix::FULL, course.seed, lens.model().n_positions);
    let rows: Vec<_> = (0..rows).map(|i| world.row(i)).collect();
    let tokens: Vec<Vec<u32>> = rows.iter().map(|r| r.tokens.clone()).collect();
    // Of all tokens, and of those that a song makes certain.
    let losses = |logp: Vec<Vec<f32>>| -> (f64, f64) {
        let (mut all, mut n, mut sung, mut m) = (0.0, 0.0, 0.0, 0.0);
        for (row, logp) in rows.iter().zip(logp) {
            for ((&kind, &surprisal), p) in row.kinds.iter().zip(&row.surprisal).zip(logp) {
                (all, n) = (all - f64::from(p), n + 1.0);
                if kind == Kind::Song && surprisal < 1e-6 {
                    (sung, m) = (sung - f64::from(p), m + 1.0);
                }
            }
        }
        (all / n, sung / f64::max(m, 1.0))
    };
    let whole = losses(lens.score(&mut *trainer.device, &tokens).await?);
    let known = repeated.loss_of_repeats(&lens.score(&mut *trainer.device, &repeated.rows).await?);
    let (layers, heads) = (lens.model().n_layer, lens.model().n_head);
    let mut out = Vec::with_capacity(layers * heads);
    for (layer, head) in (0..layers).flat_map(|l| (0..heads).map(move |h| (l, h))) {
        lens.load(&mut *trainer.device, &without_head(weights, lens.params(), lens.model(), layer, head))?;
        let cut = losses(lens.score(&mut *trainer.device, &tokens).await?);
        let asked = repeated.loss_of_repeats(&lens.score(&mut *trainer.device, &repeated.rows).await?);
        out.push(Ablation {
            layer,
            head,
            cost: cut.0 - whole.0,
            cost_of_repeats: cut.1 - whole.1,
            cost_of_meanings: asked - known,
        });
        course.progress(out.len() as u64, (layers * heads) as u64).await?;
    }
    lens.load(&mut *trainer.device, weights)?;
    Ok(out)
}
