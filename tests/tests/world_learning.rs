//! A model of the world, held against the entropy of the world.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::data::Loader;
use gradus_core::device::cpu::Cpu;
use gradus_core::generate::Scorer;
use gradus_core::protocol::{ModelConfig, Source, TrainConfig};
use gradus_core::train::Trainer;
use gradus_lessons::loader::CourseLoader;
use gradus_lessons::material::WorldRows;
use gradus_lessons::world::{Kind, Mix};
use pollster::block_on;

const ROWS: u64 = 384;

/// Per kind: mean excess of the model's −ln p over the exact surprisal, its standard error, and its size.
fn excess(trainer: &mut Trainer, context: usize) -> Vec<(Kind, f64, f64, usize)> {
    let rows: Vec<_> = (0..ROWS).map(|i| WorldRows::held_out(Mix::FULL, 9, context).row(i)).collect();
    let tokens: Vec<Vec<u32>> = rows.iter().map(|r| r.tokens.clone()).collect();
    let device = &mut *trainer.device;
    let scorer = Scorer::new(device, &trainer.model, &trainer.params, 16, context).expect("a scorer");
    let logp = block_on(scorer.score(device, &tokens)).expect("scores");
    scorer.release(device);
    Kind::ALL
        .into_iter()
        .map(|kind| {
            let mut excess = Vec::new();
            for (row, logp) in rows.iter().zip(&logp) {
                for ((&k, &s), &p) in row.kinds.iter().zip(&row.surprisal).zip(logp) {
                    if k == kind {
                        excess.push(-f64::from(p) - f64::from(s));
                    }
                }
            }
            let n = excess.len() as f64;
            let mean = excess.iter().sum::<f64>() / n;
            let variance = excess.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
            (kind, mean, (variance / n).sqrt(), excess.len())
        })
        .collect()
}

#[test]
fn no_kind_is_predicted_better_than_chance_allows() {
    let mut model = ModelConfig::preset("40k").expect("a preset");
    let context = model.n_positions;
    let material =
        CourseLoader.load(&Source::World { seed: 5 }, context, None, &mut |_, _| ()).expect("the world");
    model.vocab_size = material.tokenizer.vocab_size();
    let train = TrainConfig { steps: 400, batch: 16, lr: 0.012, warmup: 20, ..TrainConfig::default() };
    let mut trainer =
        Trainer::new(Box::new(Cpu::<f32>::new()), &model, &train, 5, material).expect("a trainer");
    trainer.init().expect("weights");
    let fresh = excess(&mut trainer, context);
    while trainer.step() < train.steps {
        trainer.submit((train.steps - trainer.step()).min(trainer.most_steps())).expect("steps");
    }
    let trained = excess(&mut trainer, context);
    for ((kind, before, ..), (_, after, se, n)) in fresh.into_iter().zip(trained) {
        println!(
            "{:>6}: excess {before:.3} → {after:.3} ± {se:.3} nats a token over {n} tokens",
            kind.name()
        );
        assert!(n > 100, "{} has too few tokens to tell", kind.name());
        assert!(after > -2.0 * se, "{} falls below its entropy: {after} ± {se}", kind.name());
        assert!(after < before - 1.0, "{} was hardly learned: {before} → {after}", kind.name());
    }
}
