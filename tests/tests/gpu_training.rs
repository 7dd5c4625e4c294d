//! Training on the native GPU makes everything by its first reading, and nothing after it, in both families of
//! kernels.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::ops::Family;
use gradus_core::protocol::{ModelConfig, TrainConfig};
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
