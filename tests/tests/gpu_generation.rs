//! Generation on the native GPU: the same draws, and the same text, as on the processor.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::cpu::Cpu;
use gradus_core::device::gpu::Gpu;
use gradus_core::device::{Data, Device};
use gradus_core::generate::Generator;
use gradus_core::model::Params;
use gradus_core::protocol::{ModelConfig, SampleConfig};
use gradus_tests::sampling;
use pollster::block_on;

fn gpu() -> Gpu {
    block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn the_same_logits_give_the_same_draws() {
    let mut gpu = gpu();
    for (temperature, top_k, top_p) in
        [(1.0, 0, 1.0), (0.6, 5, 1.0), (1.3, 0, 0.8), (0.9, 7, 0.9), (0.0, 0, 1.0)]
    {
        let expected = block_on(sampling::draws(&mut Cpu::<f32>::new(), 32, temperature, top_k, top_p, 5));
        let got = block_on(sampling::draws(&mut gpu, 32, temperature, top_k, top_p, 5)).expect("draws");
        assert_eq!(got, expected.expect("draws"), "temperature {temperature}, top {top_k}, {top_p}");
    }
}

#[test]
fn the_same_weights_write_the_same_greedy_text() {
    let config = ModelConfig { vocab_size: 101, ..ModelConfig::preset("10k").expect("a preset") };
    let params = Params::new(&config);
    // Positions and blocks outweigh the tied embedding: else greedy text repeats its last token for ever.
    let mut weights = params.init(&config, 3);
    for entry in params.entries.iter().filter(|e| e.shape.len() > 1 && e.name != "transformer.wte.weight") {
        let scale = if entry.name == "transformer.wpe.weight" { 40.0 } else { 4.0 };
        weights[entry.offset..][..entry.len()].iter_mut().for_each(|w| *w *= scale);
    }
    let write = |device: &mut dyn Device| {
        let generator = Generator::new(device, &config, &params).expect("a generator");
        device.write("params", 0, &Data::Float(weights.clone())).expect("weights");
        let settings = SampleConfig { temperature: 0.0, max_tokens: 150, ..SampleConfig::default() };
        block_on(generator.generate(device, &[1, 2, 3], &settings, None)).expect("tokens")
    };
    let (ours, theirs) = (write(&mut Cpu::<f32>::new()), write(&mut gpu()));
    assert_eq!(ours.len(), 150);
    let different: std::collections::BTreeSet<&u32> = ours.iter().collect();
    assert!(different.len() > 15, "the text repeats itself: {ours:?}");
    assert_eq!(ours, theirs);
}
