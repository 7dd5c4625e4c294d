//! Training on the native GPU makes everything by its first reading, and nothing after it, in both families of
//! kernels; and a turn that is submitted while another is under way changes nothing that either says.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Source;
use gradus_core::ops::Family;
use gradus_core::protocol::{ModelConfig, TrainConfig};
use gradus_core::train::Turns;
use gradus_tests::watched::trainer;
use pollster::block_on;

#[test]
fn steps_make_nothing() {
    let model = ModelConfig { vocab_size: 362, ..ModelConfig::preset("4k").expect("a preset") };
    let config = TrainConfig { steps: 100, batch: 4, accumulate: 2, ..TrainConfig::default() };
    for family in Family::ALL {
        let (mut trainer, made) = trainer(&model, &config, family);
        let (first, bytes) = (made.get(), trainer.device.bytes());
        assert!(first.buffers > 10 && first.pipelines > 10 && first.bind_groups > 10, "{first:?}");
        for steps in [1, 7, 32] {
            trainer.submit(steps).expect("submitted");
            block_on(trainer.collect()).expect("collected");
            block_on(trainer.validate()).expect("validated");
        }
        trainer.submit(1).expect("submitted");
        assert_eq!(made.get(), first);
        assert_eq!(trainer.device.bytes(), bytes);
    }
}

#[test]
fn turns_under_way_say_each_step_once_and_what_it_was() {
    let model = ModelConfig { vocab_size: 362, ..ModelConfig::preset("4k").expect("a preset") };
    let config = TrainConfig { steps: 100, batch: 4, ..TrainConfig::default() };
    let family = Family::Workgroups;
    let (mut waiting, _) = trainer(&model, &config, family);
    let (mut ahead, made) = trainer(&model, &config, family);
    let (mut turns, mut told, mut heard) = (Turns::default(), Vec::new(), Vec::new());
    // The first three of each four are not waited for until the next is submitted; the last is, as before a validation.
    let plan = [1, 7, 32, 2, 1, 1, 5, 3];
    let mut first = None;
    for (i, steps) in plan.into_iter().enumerate() {
        waiting.submit(steps).expect("submitted");
        told.extend(block_on(waiting.collect()).expect("collected"));
        let turn = ahead.turn(steps).expect("submitted");
        let rest = i % 4 == 3;
        heard.extend(block_on(turns.follow(turn, rest)).expect("heard"));
        let behind = if rest { 0 } else { steps as usize };
        assert_eq!(heard.len() + behind, told.len(), "after turn {i}");
        if rest {
            let (a, b) = (block_on(waiting.tensors()), block_on(ahead.tensors()));
            assert_eq!(a.expect("weights"), b.expect("weights"));
        }
        // Two readings under way take two buffers to copy into, and no more are ever made.
        if i == 3 {
            first = Some(made.get());
        }
    }
    assert_eq!(heard, told);
    assert_eq!(Some(made.get()), first);
    assert!(turns.pace().seconds_per_step() > 0.0);
    assert!(block_on(turns.settle()).expect("nothing").is_empty());
}

#[test]
fn a_reading_is_of_the_moment_at_which_it_was_asked_for() {
    let model = ModelConfig { vocab_size: 362, ..ModelConfig::preset("4k").expect("a preset") };
    let config = TrainConfig { steps: 100, batch: 4, ..TrainConfig::default() };
    let (mut trainer, _) = trainer(&model, &config, Family::Workgroups);
    let then = block_on(trainer.tensors()).expect("weights").params;
    let len = trainer.params.len;
    let reading = trainer.device.read(Source::Buffer("params".into(), 0..len));
    trainer.submit(3).expect("submitted");
    assert_ne!(block_on(trainer.tensors()).expect("weights").params, then);
    assert_eq!(block_on(reading).expect("read").floats(), then);
}
