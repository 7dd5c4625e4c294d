//! Kernels put together into one launch compute what they compute one by one, to the bit, in both families.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::data::Loader;
use gradus_core::device::Source;
use gradus_core::device::gpu::Gpu;
use gradus_core::ops::Family;
use gradus_core::protocol::{ModelConfig, Source as Text, TrainConfig};
use gradus_core::train::Trainer;
use gradus_lessons::loader::CourseLoader;
use pollster::block_on;

/// Weights after five steps, as bits, and the launches of a step.
fn trained(n_layer: usize, family: Family, fusing: bool) -> (Vec<u32>, usize) {
    let model = ModelConfig {
        n_layer,
        vocab_size: 362,
        ..ModelConfig::preset("4k").expect("a preset of the course")
    };
    let config = TrainConfig { steps: 5, batch: 4, ..TrainConfig::default() };
    let text = Text::World { seed: 1 };
    let material = CourseLoader.load(&text, model.n_positions, None, &mut |_, _| {}).expect("the world");
    let mut gpu = block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"));
    gpu.set_family(family);
    gpu.set_fusing(fusing);
    let mut trainer = Trainer::new(Box::new(gpu), &model, &config, 1, material).expect("a trainer");
    trainer.init().expect("weights");
    trainer.submit(5).expect("submitted");
    block_on(trainer.collect()).expect("collected");
    let params = Source::Buffer("params".into(), 0..trainer.params.len);
    let weights = block_on(trainer.device.read(params)).expect("weights").floats();
    let launched = block_on(trainer.profile()).expect("another step");
    (weights.iter().map(|w| w.to_bits()).collect(), launched.len())
}

#[test]
fn one_launch_computes_what_several_do() {
    for family in Family::ALL {
        let (together, few) = trained(1, family, true);
        let (apart, many) = trained(1, family, false);
        assert!(together == apart, "{family:?}: other weights");
        assert!(few < many, "{family:?}: {few} launches, {many} one by one");
    }
}

/// Seven forward and eight back, where one by one it is 22.
#[test]
fn a_layer_is_fifteen_launches() {
    for (fusing, expected) in [(true, 15), (false, 22)] {
        let [one, two] = [1, 2].map(|layers| trained(layers, Family::Workgroups, fusing).1);
        assert_eq!(two - one, expected, "fusing: {fusing}");
    }
}
