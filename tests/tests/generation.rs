//! Generation on the processor: the cache against the whole forward pass, and the draws against their law.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::cpu::Cpu;
use gradus_core::device::{Data, Device, Source};
use gradus_core::generate::{Generator, Scorer};
use gradus_core::model::Params;
use gradus_core::protocol::{Attention, Init, ModelConfig, SampleConfig};
use gradus_tests::sampling::{self, VOCAB};
use pollster::block_on;

const POSITIONS: usize = 24;

/// A model with random weights: as good as any for comparing two ways to compute it.
struct Model {
    config: ModelConfig,
    params: Params,
    device: Cpu<f32>,
    generator: Generator,
}

impl Model {
    fn new(attention: Attention) -> Self {
        let config = ModelConfig {
            n_layer: 2,
            n_embd: 24,
            n_head: 3,
            n_positions: POSITIONS,
            vocab_size: 37,
            attention,
            scale_attn_weights: true,
            init: Init::World,
        };
        let params = Params::new(&config);
        let mut device = Cpu::new();
        let generator = Generator::new(&mut device, &config, &params).expect("a generator");
        // Positions and blocks outweigh the tied embedding: else greedy text repeats its last token for ever.
        let mut weights = params.init(&config, 2);
        for entry in params.entries.iter().filter(|e| e.shape.len() > 1) {
            let scale = match entry.name.as_str() {
                "transformer.wte.weight" => 1.0,
                "transformer.wpe.weight" => 40.0,
                _ => 4.0,
            };
            weights[entry.offset..][..entry.len()].iter_mut().for_each(|w| *w *= scale);
        }
        device.write("params", 0, &Data::Float(weights)).expect("weights");
        Self { config, params, device, generator }
    }

    fn generate(&mut self, prompt: &[u32], settings: &SampleConfig, stop: Option<u32>) -> Vec<u32> {
        block_on(self.generator.generate(&mut self.device, prompt, settings, stop)).expect("tokens")
    }

    /// Logits `[row.len(), V]` by the forward pass over the whole row.
    fn logits(&mut self, row: &[u32]) -> Vec<Vec<f32>> {
        let scorer =
            Scorer::new(&mut self.device, &self.config, &self.params, 1, row.len()).expect("a scorer");
        let mut padded = row.to_vec();
        padded.push(0);
        block_on(scorer.score(&mut self.device, &[padded])).expect("scores");
        let node = Source::Node(scorer.program(), "logits".into());
        let all = block_on(self.device.read(node)).expect("logits").floats();
        scorer.release(&mut self.device);
        all.chunks_exact(all.len() / row.len()).map(|r| r[..self.config.vocab_size].to_vec()).collect()
    }
}

fn greedy(max_tokens: usize) -> SampleConfig {
    SampleConfig { max_tokens, temperature: 0.0, ..SampleConfig::default() }
}

fn argmax(logits: &[f32]) -> u32 {
    (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).expect("logits") as u32
}

#[test]
fn the_cache_decodes_what_the_whole_pass_says() {
    for attention in [Attention::Flash, Attention::Materialised] {
        let mut model = Model::new(attention);
        let mut seen = std::collections::BTreeSet::new();
        for prompt in [vec![3], vec![1, 2, 3, 4, 5], (0..23).collect(), vec![36; 12]] {
            let made = model.generate(&prompt, &greedy(POSITIONS - prompt.len()), None);
            assert_eq!(made.len(), POSITIONS - prompt.len());
            let row: Vec<u32> = prompt.iter().chain(&made).copied().collect();
            let logits = model.logits(&row);
            for (t, &token) in made.iter().enumerate().map(|(i, token)| (prompt.len() + i, token)) {
                assert_eq!(token, argmax(&logits[t - 1]), "token {t} of {row:?}");
            }
            seen.extend(made);
        }
        assert!(seen.len() > 10, "the model repeats itself, so nothing was compared: {seen:?}");
    }
}

#[test]
fn beyond_the_context_the_window_slides() {
    let mut model = Model::new(Attention::Flash);
    let made = model.generate(&[7, 8], &greedy(60), None);
    assert_eq!(made.len(), 60);
    let different: std::collections::BTreeSet<&u32> = made[30..].iter().collect();
    assert!(different.len() > 5, "the text repeats itself, so nothing was compared: {made:?}");
    // The window is refilled with the latter half of what it held, and goes on from there.
    let all: Vec<u32> = [7, 8].iter().chain(&made).copied().collect();
    let mut start = 0;
    for t in 2..all.len() {
        if t - start == POSITIONS {
            start = t - POSITIONS / 2;
        }
        assert_eq!(all[t], argmax(model.logits(&all[start..t]).last().expect("logits")), "token {t}");
    }
    // A prompt beyond the context keeps its end.
    let long: Vec<u32> = (0..100).map(|i| i * 5 % 37).collect();
    let made = model.generate(&long, &greedy(1), None);
    assert_eq!(made, [argmax(model.logits(&long[100 - (POSITIONS - 1)..]).last().expect("logits"))]);
}

#[test]
fn a_stop_ends_the_text_and_nothing_asked_is_nothing_made() {
    let mut model = Model::new(Attention::Flash);
    let made = model.generate(&[3], &greedy(40), None);
    let stop = made[7];
    let first = made.iter().position(|&t| t == stop).expect("it was made");
    assert_eq!(model.generate(&[3], &greedy(40), Some(stop)), made[..=first]);
    assert!(model.generate(&[3], &greedy(0), None).is_empty());
    assert_eq!(model.generate(&[3], &greedy(1), None), made[..1]);
    let refused = block_on(model.generator.generate(&mut model.device, &[], &greedy(1), None));
    assert!(refused.expect_err("no prompt").to_string().contains("at least one token"));
}

#[test]
fn a_context_of_one_has_no_room_to_write() {
    let config =
        ModelConfig { vocab_size: 37, n_positions: 1, ..ModelConfig::preset("10k").expect("a preset") };
    let mut device = Cpu::<f32>::new();
    let generator = Generator::new(&mut device, &config, &Params::new(&config)).expect("a generator");
    let refused = block_on(generator.generate(&mut device, &[3], &greedy(2), None));
    assert!(refused.expect_err("no room").to_string().contains("n_positions"));
}

#[test]
fn a_generator_that_is_done_with_leaves_the_weights_alone() {
    let mut model = Model::new(Attention::Flash);
    model.generate(&[3], &greedy(4), None);
    model.generator.release(&mut model.device);
    assert_eq!(model.device.bytes(), 4 * model.params.len as u64);
    // A model of another context finds nothing in its way.
    let config = ModelConfig { n_positions: POSITIONS / 2, ..model.config };
    model.device.forget("params");
    Generator::new(&mut model.device, &config, &Params::new(&config)).expect("a generator");
}

#[test]
fn the_seed_decides_the_text() {
    let mut model = Model::new(Attention::Flash);
    let mut text =
        |seed| model.generate(&[3], &SampleConfig { seed, max_tokens: 80, ..Default::default() }, None);
    let first = text(1);
    assert_eq!(text(1), first);
    assert_ne!(text(2), first);
    let likeliest = SampleConfig { top_k: 1, max_tokens: 40, ..Default::default() };
    assert_eq!(model.generate(&[3], &likeliest, None), model.generate(&[3], &greedy(40), None));
    // Windows of one text repeat their positions, but not their draws.
    assert_ne!(first[POSITIONS..POSITIONS + 10], first[POSITIONS + 12..POSITIONS + 22]);
}

/// The law of [`sampling::logits`] under the settings, by the definition.
fn law(temperature: f64, top_k: usize, top_p: f64) -> [f64; VOCAB] {
    let logits = &sampling::logits()[..VOCAB];
    let weights: Vec<f64> = logits.iter().map(|&x| (f64::from(x) / temperature).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut order: Vec<usize> = (0..VOCAB).collect();
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    let mut kept = [0.0; VOCAB];
    let mut before = 0.0;
    for &i in &order[..if top_k == 0 { VOCAB } else { top_k }] {
        if before < top_p {
            kept[i] = weights[i];
        }
        before += weights[i] / total;
    }
    let total: f64 = kept.iter().sum();
    kept.map(|w| w / total)
}

#[test]
fn frequencies_are_those_of_the_softmax() {
    for (temperature, top_k, top_p) in [
        (1.0, 0, 1.0),
        (0.5, 0, 1.0),
        (2.0, 0, 1.0),
        (1.0, 4, 1.0),
        (1.0, 0, 0.7),
        (1.5, 6, 0.8),
        (1.0, 1, 1.0),
    ] {
        let made = block_on(sampling::draws(&mut Cpu::<f32>::new(), 200, temperature, top_k, top_p, 9));
        let made = made.expect("draws");
        let n = made.len() as f64;
        assert_eq!(made.len(), 25_600);
        let law = law(f64::from(temperature), top_k as usize, f64::from(top_p));
        let mut counts = [0.0; VOCAB];
        made.iter().for_each(|&t| counts[t as usize] += 1.0);
        let (mut chi, mut freedom) = (0.0, -1.0);
        for (i, &p) in law.iter().enumerate() {
            if p == 0.0 {
                assert_eq!(counts[i], 0.0, "token {i} was cut and drawn ({temperature}, {top_k}, {top_p})");
                continue;
            }
            chi += (counts[i] - n * p).powi(2) / (n * p);
            freedom += 1.0;
        }
        // Mean `freedom`, variance twice that: five deviations above it, chance is no excuse.
        let limit = freedom + 5.0 * (2.0f64 * freedom).sqrt();
        assert!(
            chi <= limit,
            "χ² is {chi:.1} with {freedom} degrees, settings {temperature} {top_k} {top_p}"
        );
    }
    let made = block_on(sampling::draws(&mut Cpu::<f32>::new(), 3, 0.0, 0, 1.0, 9)).expect("draws");
    let best = argmax(&sampling::logits()[..VOCAB]);
    assert!(made.iter().all(|&t| t == best), "temperature 0 is greedy");
}
