//! The instruments of lesson 2 say what the model does.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::cpu::Cpu;
use gradus_core::device::{Data, Device, Source};
use gradus_core::generate::Scorer;
use gradus_core::model::Params;
use gradus_core::protocol::{Attention, ModelConfig};
use gradus_lessons::instruments::{Lens, Repeated, theory, without_head};
use pollster::block_on;

fn model() -> ModelConfig {
    ModelConfig {
        n_layer: 2,
        n_embd: 24,
        n_head: 3,
        n_positions: 20,
        vocab_size: 362,
        attention: Attention::Flash,
        scale_attn_weights: true,
        init: Default::default(),
    }
}

/// The residual stream after the attention of layer 0.
fn residual(weights: &[f32], rows: &[Vec<u32>]) -> Vec<f32> {
    let (mut device, model) = (Cpu::<f32>::new(), model());
    let params = Params::new(&model);
    let scorer = Scorer::new(&mut device, &model, &params, rows.len(), 20).expect("a scorer");
    device.write("params", 0, &Data::Float(weights.to_vec())).expect("weights");
    block_on(scorer.score(&mut device, rows)).expect("a pass");
    let node = Source::Node(scorer.program(), "block.0.attn.residual".into());
    block_on(device.read(node)).expect("a node").floats()
}

#[test]
fn cutting_a_head_takes_away_what_it_adds_and_nothing_else() {
    let (mut device, model) = (Cpu::<f32>::new(), model());
    let params = Params::new(&model);
    let weights = params.init(&model, 3);
    let rows = Repeated::new(3, 2, 9).rows;
    let lens = Lens::new(&mut device, &model, &params, 2, 20).expect("a lens");
    lens.load(&mut device, &weights).expect("weights");
    let look = block_on(lens.look(&mut device, &rows)).expect("a look");
    // The scorer takes a row's last token for a target alone; the lens looks at it too.
    let fed: Vec<Vec<u32>> = rows.iter().map(|row| [row, &[0][..]].concat()).collect();
    let whole = residual(&weights, &fed);
    let proj = params.get("transformer.h.0.attn.c_proj.weight").expect("a projection").offset;
    for head in 0..3 {
        let cut = residual(&without_head(&weights, &params, &model, 0, head), &fed);
        for (row, position) in [(0, 0), (0, 7), (1, 18)] {
            let mix = look.mix(row, 0, head, position);
            for c in 0..24 {
                let part: f32 = (0..8).map(|d| mix[d] * weights[proj + (head * 8 + d) * 24 + c]).sum();
                let at = (row * 20 + position) * 24 + c;
                let off = whole[at] - cut[at] - part;
                assert!(off.abs() < 1e-5, "head {head} row {row} position {position}: {off}");
            }
        }
    }
}

#[test]
fn a_trace_is_what_the_device_computed() {
    let (mut device, model) = (Cpu::<f32>::new(), model());
    let params = Params::new(&model);
    let lens = Lens::new(&mut device, &model, &params, 2, 20).expect("a lens");
    lens.load(&mut device, &params.init(&model, 4)).expect("weights");
    let repeated = Repeated::new(4, 2, 9);
    let look = block_on(lens.look(&mut device, &repeated.rows)).expect("a look");
    for (layer, head, position) in [(0, 0, 0), (0, 2, 11), (1, 1, 18)] {
        let trace = look.trace(1, &repeated.rows[1], layer, head, position);
        assert_eq!((trace.tokens.len(), trace.keys.len(), trace.query.len()), (19, 19, 8));
        assert_eq!(trace.masked.iter().flatten().count(), position + 1);
        let total: f64 = trace.masked.iter().flatten().map(|s| s.exp()).sum();
        for (j, weight) in trace.weights.iter().enumerate() {
            let expected = trace.masked[j].map_or(0.0, |s| s.exp() / total);
            assert!((f64::from(*weight) - expected).abs() < 1e-6, "{layer}.{head} {position} {j}");
        }
        for (d, mix) in trace.mix.iter().enumerate() {
            let expected: f32 = trace.weights.iter().zip(&trace.values).map(|(w, v)| w * v[d]).sum();
            assert!((mix - expected).abs() < 1e-5, "{layer}.{head} {position}: {mix} {expected}");
        }
    }
    let (off, beyond) = look.faults();
    assert!(off < 1e-5 && beyond == 0.0);
}

#[test]
fn raw_scores_have_the_variance_of_their_size() {
    let mut device = Cpu::<f32>::new();
    let sizes = [4, 20, 64];
    for seed in 0..5 {
        for w in block_on(theory::widths(&mut device, seed, &sizes)).expect("a measurement") {
            let off = (w.variance - w.d as f64).abs() / w.error;
            assert!(off < 4.0, "seed {seed}, d {}: {off} standard errors", w.d);
        }
    }
    assert_eq!(device.bytes(), 0, "buffers are given back");
}
