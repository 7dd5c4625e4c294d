//! Properties of the planner, on random tapes and on a whole training step.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::cpu::Cpu;
use gradus_core::device::{Data, Program, Source};
use gradus_core::graph::{DType, Location, Plan, PlanStep, Spec, Tape, Value};
use gradus_core::ops::{Add, Linear, Mul};
use gradus_core::rng::{Rng, Stream};
use gradus_tests::cases::{Gpt, Heads};
use std::collections::HashMap;

const ROWS: usize = 3;

/// A random tape of adds, products and linear maps over values of several widths, and its gradient.
fn random_tape(rng: &mut Rng) -> Tape {
    let mut tape = Tape::new();
    tape.buffer("params", Spec::float([4096]));
    tape.buffer("grads", Spec::float([4096]));
    let widths = [4, 8, 12];
    let mut values: Vec<Value> =
        widths.iter().map(|w| tape.buffer(&format!("x{w}"), Spec::float([ROWS, *w]))).collect();
    let seed = tape.buffer("seed", Spec::float([ROWS, 8]));
    for i in 0..4 + rng.below(30) as usize {
        let a = values[rng.below(values.len() as u32) as usize];
        let width = tape.spec(a).last();
        let alike: Vec<Value> = values.iter().copied().filter(|&v| tape.spec(v).last() == width).collect();
        let b = alike[rng.below(alike.len() as u32) as usize];
        let name = format!("n{i}");
        let made = match rng.below(3) {
            0 => tape.push1(&name, Add, &[a, b]),
            1 if rng.below(4) == 0 => tape.push1(&name, Mul, &[a, b]),
            _ => {
                let to = widths[rng.below(3) as usize];
                let w = tape.parameter(&format!("w{i}"), ["params", "grads"], i * 64 % 3840, &[width, to]);
                tape.push1(&name, Linear::default(), &[a, w.expect("a fitting parameter")])
            }
        };
        values.push(made.expect("fitting shapes"));
    }
    let last = values[values.len() - 1];
    let w = tape
        .parameter("last.w", ["params", "grads"], 3840, &[tape.spec(last).last(), 8])
        .expect("a fitting parameter");
    let end = tape.push1("end", Linear::default(), &[last, w]).expect("fitting shapes");
    tape.backward(&[(end, seed)]).expect("ops with gradients");
    tape
}

/// Walks the plan with a note of which value each slot holds, and complains of anything read that is no
/// longer, or not yet, there.
fn check(plan: &Plan, tape: &Tape, keep: &[&str]) {
    let mut holds: HashMap<usize, Value> = HashMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let slot = |location: &Location| match location {
            Location::Slot(slot) => Some(*slot),
            Location::Buffer { .. } => None,
        };
        let reads: Vec<_> = step.reads.iter().map(|r| slot(&r.0)).collect();
        let writes: Vec<_> = step.writes.iter().map(|w| slot(&w.0)).collect();
        for (read, value) in reads.iter().zip(&step.step.reads) {
            let Some(read) = read else { continue };
            assert!(!writes.contains(&Some(*read)), "step {index} reads and writes slot {read}");
            assert_eq!(
                holds.get(read),
                Some(value),
                "step {index} reads {} of slot {read}",
                tape.name(*value)
            );
        }
        for (i, (write, value)) in writes.iter().zip(&step.step.writes).enumerate() {
            let Some(write) = write else { continue };
            assert!(!writes[..i].contains(&Some(*write)), "step {index} writes slot {write} twice");
            let (dtype, len) = plan.slots[*write];
            let spec = tape.spec(*value);
            assert!(
                spec.dtype == dtype && spec.len() <= len,
                "step {index}: {spec:?} in a slot of {len} {dtype:?}"
            );
            holds.insert(*write, *value);
        }
    }
    plan.steps.chunk_by(|_, next| next.together).for_each(check_together);
    for name in keep {
        let (location, spec) = plan.nodes.get(*name).unwrap_or_else(|| panic!("{name} is not kept"));
        let Location::Slot(slot) = location else { panic!("{name} is an activation") };
        assert_eq!(tape.name(holds[slot]), *name, "slot {slot} was given away");
        assert_eq!(tape.spec(holds[slot]), spec);
    }
}

/// Complains of steps that may run at the same time though one of them writes where another reads or writes.
fn check_together(steps: &[PlanStep]) {
    let storage = |location: &Location| match location {
        Location::Slot(slot) => slot.to_string(),
        Location::Buffer { name, .. } => name.clone(),
    };
    for (i, a) in steps.iter().enumerate() {
        for b in steps.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, b)| b) {
            for (written, spec) in &a.writes {
                assert!(
                    b.reads.iter().all(|(read, _)| storage(read) != storage(written)),
                    "{written:?} is read"
                );
                for (other, other_spec) in &b.writes {
                    let apart = match (written, other) {
                        (
                            Location::Buffer { name: x, offset: i },
                            Location::Buffer { name: y, offset: j },
                        ) => x != y || i + spec.len() <= *j || j + other_spec.len() <= *i,
                        _ => written != other,
                    };
                    let parts = a.step.op.part_dyn() && b.step.op.part_dyn();
                    assert!(apart || parts, "{written:?} is written twice");
                }
            }
        }
    }
}

/// What goes together counts once.
#[test]
fn a_layer_is_22_steps_of_which_15_wait_for_another() {
    let launches = |layers: usize| {
        let mut tape = Tape::new();
        let gpt = Gpt { layers, ..Gpt::small(Heads::Flash) };
        gpt.step(&mut tape).expect("a small GPT-2");
        let plan = Plan::new("train", &tape, &[]);
        [plan.steps.len(), plan.steps.iter().filter(|step| !step.together).count()]
    };
    let [two, three] = [2, 3].map(launches);
    assert_eq!([three[0] - two[0], three[1] - two[1]], [22, 15]);
}

#[test]
fn no_live_value_is_overwritten() {
    for seed in 0..300 {
        let mut rng = Rng::at(seed, Stream::Test, 1);
        let tape = random_tape(&mut rng);
        let some = format!("n{}", rng.below(4));
        for keep in [&["end"][..], &["end", &some][..]] {
            check(&Plan::new("random", &tape, keep), &tape, keep);
        }
        check(&Plan::probing("random", &tape), &tape, &["end", &some]);
    }
}

#[test]
fn a_training_step_reuses_slots_and_overwrites_nothing() {
    for attention in [Heads::Materialised, Heads::Flash] {
        let mut tape = Tape::new();
        Gpt::small(attention).step(&mut tape).expect("a small GPT-2");
        let keep = ["logits", "block.1.qkv"];
        let (plan, probing) = (Plan::new("train", &tape, &keep), Plan::probing("train", &tape));
        check(&plan, &tape, &keep);
        check(&probing, &tape, &keep);
        assert!(
            plan.slot_bytes() * 10 < probing.slot_bytes() * 7,
            "slots are reused: {} bytes of {}",
            plan.slot_bytes(),
            probing.slot_bytes()
        );
    }
}

#[test]
fn reuse_of_slots_changes_no_bit() {
    for seed in 0..50 {
        let tape = random_tape(&mut Rng::at(seed, Stream::Test, 2));
        let [a, b] = [Plan::new("reuse", &tape, &["end"]), Plan::probing("probing", &tape)].map(|plan| {
            let mut device = Cpu::<f64>::new();
            let buffers: Vec<_> = plan.buffers.clone().into_iter().collect();
            let program: Program = device.compile(plan).expect("a plan that fits");
            let mut rng = Rng::at(seed, Stream::Test, 3);
            for (name, spec) in &buffers {
                assert_eq!(spec.dtype, DType::Float);
                let data = (0..spec.len()).map(|_| rng.normal() as f32 * 0.3).collect();
                device.write(name, 0, &Data::Float(data)).expect("a buffer that fits");
            }
            device.submit(&[program]).expect("a run");
            let grads = device.get(&Source::Buffer("grads".into(), 0..4096)).expect("gradients");
            let end = device.get(&Source::Node(program, "end".into())).expect("the end");
            [grads, end].map(|v| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        });
        assert_eq!(a, b, "seed {seed}");
    }
}

/// Back through the layer after it, a GELU costs no step of its own, unless something else reads it too.
#[test]
fn a_gelu_is_differentiated_in_passing() {
    let products = |tape: &Tape| tape.steps().iter().filter(|step| step.op.name_dyn() == "mul").count();
    let mut tape = Tape::new();
    Gpt::small(Heads::Flash).step(&mut tape).expect("a small GPT-2");
    assert_eq!(products(&tape), 0);

    let mut tape = Tape::new();
    let ends = Gpt::small(Heads::Flash).forward(&mut tape).expect("a small GPT-2");
    let hidden = tape.find("block.0.up").expect("the layer with a GELU");
    tape.push1("twice", Add, &[hidden, hidden]).expect("one shape");
    tape.backward(&[(ends.logp, ends.seed)]).expect("a gradient");
    assert_eq!(products(&tape), 1);
}
