//! Speculative decoding on the native GPU.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::gpu::Gpu;
use gradus_core::generate::SpeculatorShape;
use gradus_core::protocol::SampleConfig;
use gradus_lessons::chi_square::p_value;
use gradus_tests::speculation::{Draft, Pair, same_greedy_text};
use pollster::block_on;

fn pair(vocab: usize, positions: usize, draft: Draft) -> Pair {
    let gpu = block_on(Gpu::open()).unwrap_or_else(|e| panic!("{e}"));
    Pair::new(Box::new(gpu), vocab, positions, draft).expect("two models")
}

#[test]
fn greedy_text_is_the_targets_own() {
    let mut pair = pair(37, 28, Draft::Noisy(0.03));
    let acceptance = block_on(same_greedy_text(&mut pair, 64, 32, 4)).unwrap_or_else(|e| panic!("{e}"));
    assert!((0.3..0.97).contains(&acceptance), "both verdicts must occur often: {acceptance}");
}

#[test]
fn sampled_text_follows_the_targets_law() {
    for (residual, passes) in [(true, true), (false, false)] {
        let mut pair = pair(5, 8, Draft::Shallow);
        let prompt = vec![3, 1];
        let law = block_on(pair.law(&prompt, 2)).expect("a law");
        let settings = SampleConfig { max_tokens: 2, seed: 11, ..SampleConfig::default() };
        let shape = SpeculatorShape { batch: 1000, proposals: 2, residual };
        let made = block_on(pair.speculate(shape, &vec![prompt; 20_000], &settings, None)).expect("texts");
        let mut counts = vec![0.0; law.len()];
        made.answers.iter().for_each(|row| counts[pair.cell(row)] += 1.0);
        let p = p_value(&counts, &law);
        assert!(if passes { p > 1e-3 } else { p < 1e-6 }, "χ²: p = {p:.2e}, residual {residual}");
    }
}
