//! Decoding over the cache says what the whole forward pass says.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::{Data, Device, Source, cpu::Cpu};
use gradus_core::generate::{Generator, Scorer};
use gradus_core::model::Params;
use gradus_core::protocol::{ModelConfig, SampleConfig};
use pollster::block_on;

struct Bench {
    device: Cpu<f32>,
    model: ModelConfig,
    params: Params,
}

fn bench() -> Bench {
    let mut model = ModelConfig::preset("4k").expect("a preset");
    model.n_layer = 2;
    model.vocab_size = 50;
    let params = Params::new(&model);
    // Larger weights than a fresh model's, so that its choices are not all alike.
    let weights: Vec<f32> = params.init(&model, 4).into_iter().map(|w| w * 2.5).collect();
    let mut device = Cpu::<f32>::new();
    device.ensure("params", &gradus_core::graph::Spec::float([params.len])).expect("a buffer");
    device.write("params", 0, &Data::Float(weights)).expect("weights");
    Bench { device, model, params }
}

fn greedy(max_tokens: usize) -> SampleConfig {
    SampleConfig { max_tokens, temperature: 0.0, ..SampleConfig::default() }
}

#[test]
fn greedy_decoding_is_the_argmax_of_the_forward_pass() {
    let Bench { mut device, model, params } = bench();
    let generator = Generator::new(&mut device, &model, &params).expect("a generator");
    let prompt = [3, 1, 4, 1, 5];
    let made = block_on(generator.generate(&mut device, &prompt, &greedy(20), None)).expect("text");
    assert_eq!(made.len(), 20);
    assert!(made.iter().any(|t| *t != made[0]), "a model that says one word tests nothing: {made:?}");
    let row: Vec<u32> = prompt.iter().chain(&made).copied().collect();
    let scorer = Scorer::new(&mut device, &model, &params, 1, row.len() - 1).expect("a scorer");
    block_on(scorer.score(&mut device, std::slice::from_ref(&row))).expect("scores");
    let logits =
        block_on(device.read(Source::Node(scorer.program(), "logits".into()))).expect("logits").floats();
    let width = logits.len() / (row.len() - 1);
    for (t, at) in logits.chunks_exact(width).enumerate().skip(prompt.len() - 1) {
        let best = (0..model.vocab_size).max_by(|&a, &b| at[a].total_cmp(&at[b])).expect("a token");
        assert_eq!(best as u32, row[t + 1], "position {t}");
    }
}

#[test]
fn text_goes_on_beyond_the_context_and_ends_where_it_should() {
    let Bench { mut device, model, params } = bench();
    let generator = Generator::new(&mut device, &model, &params).expect("a generator");
    let mut make = |settings: &SampleConfig, prompt: &[u32], stop| {
        block_on(generator.generate(&mut device, prompt, settings, stop)).expect("text")
    };
    let long = make(&greedy(100), &[3], None);
    assert_eq!(long.len(), 100, "longer than the context of {}", model.n_positions);
    assert!(make(&greedy(0), &[3], None).is_empty());
    let stop = long[6];
    let first = long.iter().position(|&t| t == stop).expect("it is there");
    assert_eq!(make(&greedy(100), &[3], Some(stop)), long[..=first]);
    let sampled = SampleConfig { max_tokens: 60, seed: 8, ..SampleConfig::default() };
    let other = SampleConfig { seed: 9, ..sampled.clone() };
    assert_eq!(make(&sampled, &[3], None), make(&sampled, &[3], None), "one seed, one text");
    assert_ne!(make(&sampled, &[3], None), make(&other, &[3], None), "another seed, another text");
    let one = SampleConfig { top_k: 1, ..sampled.clone() };
    assert_eq!(make(&one, &[3], None)[..20], long[..20], "the likeliest alone is the greedy text");
    let prompt: Vec<u32> = (0..200).map(|i| i % 50).collect();
    assert_eq!(make(&greedy(5), &prompt, None).len(), 5, "a prompt longer than the context keeps its end");
}
