//! Every vector–Jacobian product against central finite differences in f64.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::cpu::Cpu;
use gradus_core::device::{Program, Source};
use gradus_core::graph::{Plan, Spec, Tape, Value};
use gradus_core::rng::{Rng, Stream};
use gradus_tests::array::Array;
use gradus_tests::cases::{self, Case, Gpt, Heads};
use gradus_tests::compare::{Tolerance, compare};
use std::collections::{BTreeMap, BTreeSet};

/// Elements of one input that are perturbed one by one; all elements together always are, at random.
const SINGLES: usize = 60;

/// Reads that are constants though they are reals: an op and which of its reads.
const CONSTANT: [(&str, usize); 1] = [("masked_sum", 1)];

/// Puts f64 contents into a device's buffers.
fn fill(device: &mut Cpu<f64>, inputs: &BTreeMap<String, Array>) {
    for (name, array) in inputs {
        match array {
            Array::Float(values) => device.set(name, 0, values).expect("a buffer that fits"),
            Array::U32(_) => device.write(name, 0, &array.data()).expect("a buffer that fits"),
        }
    }
}

fn node(device: &Cpu<f64>, program: Program, name: &str) -> Vec<f64> {
    device.get(&Source::Node(program, name.into())).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Holds `gradient` of buffer `name` against differences of `loss`, which runs the forward pass with that
/// buffer's given contents: a random direction through `range`, and single elements of it.
fn check_buffer(
    what: &str,
    (values, range): (&[f64], std::ops::Range<usize>),
    gradient: &[f64],
    mut loss: impl FnMut(&[f64]) -> f64,
) {
    let mut rng = Rng::new(range.len() as u32, Stream::Test);
    let mut directions: Vec<Vec<(usize, f64)>> = vec![range.clone().map(|i| (i, rng.normal())).collect()];
    let mut singles: Vec<usize> = range.clone().collect();
    if singles.len() > SINGLES {
        rng.shuffle(&mut singles);
        singles.truncate(SINGLES);
    }
    directions.extend(singles.into_iter().map(|i| vec![(i, 1.0)]));
    for direction in directions {
        let length = direction.iter().map(|d| d.1 * d.1).sum::<f64>().sqrt();
        let h = 1e-5;
        let mut at = |sign: f64| {
            let mut moved = values.to_vec();
            direction.iter().for_each(|&(i, d)| moved[i] += sign * h * d / length);
            loss(&moved)
        };
        let difference = (at(1.0) - at(-1.0)) / (2.0 * h);
        let slope: f64 = direction.iter().map(|&(i, d)| gradient[i - range.start] * d / length).sum();
        let limit = (1e-3 * difference.abs()).max(1e-5);
        let name = if direction.len() == 1 { format!("element {}", direction[0].0) } else { "all".into() };
        assert!(
            (slope - difference).abs() <= limit,
            "{what}: gradient {slope:e}, finite difference {difference:e} ({name})"
        );
    }
}

/// The gradients of one forward op with respect to every real that it reads. False if it has none.
fn check_op(case: &Case) -> bool {
    let step = case.tape.steps()[0].clone();
    let mut tape = case.tape.clone();
    let output = step.writes[0];
    let shape = tape.spec(output).shape.clone();
    let cotangent = tape.buffer("cotangent", Spec::float(shape));
    let Ok(grads) = tape.backward(&[(output, cotangent)]) else { return false };

    let mut inputs = case.inputs.clone();
    let mut rng = Rng::new(1, Stream::Test);
    let weights: Vec<f64> = (0..tape.spec(output).len()).map(|_| rng.normal()).collect();
    inputs.insert("cotangent".into(), Array::Float(weights.clone()));

    let mut device = Cpu::<f64>::new();
    let program = device.compile(Plan::probing("gradient", &tape)).expect("a plan that fits");
    fill(&mut device, &inputs);
    device.submit(&[program]).expect("a run");

    let mut forward = Cpu::<f64>::new();
    let run = forward.compile(Plan::probing("forward", &case.tape)).expect("a plan that fits");
    fill(&mut forward, &case.inputs);
    let name = tape.name(output).to_string();

    let plan = case.plan();
    for (index, (&value, (location, spec))) in step.reads.iter().zip(&plan.steps[0].reads).enumerate() {
        if CONSTANT.contains(&(step.op.name_dyn(), index)) {
            continue;
        }
        let gradus_core::graph::Location::Buffer { name: buffer, offset } = location else {
            panic!("{}: a case reads buffers", case.name)
        };
        let Array::Float(values) = &case.inputs[buffer] else { continue };
        let range = *offset..offset + spec.len();
        let gradient = gradient_of(&device, program, &tape, value, &grads, &inputs, range.clone());
        check_buffer(&format!("{}: {}", case.name, tape.name(value)), (values, range), &gradient, |moved| {
            forward.set(buffer, 0, moved).expect("a buffer that fits");
            forward.submit(&[run]).expect("a run");
            dot(&node(&forward, run, &name), &weights)
        });
        forward.set(buffer, 0, values).expect("a buffer that fits");
    }
    true
}

/// A parameter's gradient is what was added to `grads`; any other value's is a node of its own.
fn gradient_of(
    device: &Cpu<f64>,
    program: Program,
    tape: &Tape,
    value: Value,
    grads: &std::collections::HashMap<Value, Value>,
    inputs: &BTreeMap<String, Array>,
    range: std::ops::Range<usize>,
) -> Vec<f64> {
    if let Some(&grad) = grads.get(&value) {
        return node(device, program, tape.name(grad));
    }
    let now = device.get(&Source::Buffer("grads".into(), range.clone())).expect("gradients");
    now.iter().zip(&inputs["grads"].f()[range]).map(|(now, before)| now - before).collect()
}

#[test]
fn every_op_agrees_with_finite_differences() {
    let mut checked = BTreeSet::new();
    for case in cases::all().iter().filter(|case| case.tape.steps().len() == 1) {
        if check_op(case) {
            checked.insert(case.tape.steps()[0].op.name_dyn());
        }
    }
    let differentiable = BTreeSet::from([
        "add",
        "attention",
        "embed",
        "flash_attention",
        "gru",
        "linear",
        "log_prob",
        "masked_sum",
        "mul",
        "norm",
        "scale",
    ]);
    assert_eq!(checked, differentiable, "the ops that have a gradient: keep this list complete");
}

/// Objectives give their gradients themselves: the op, what it is differentiated in, and where its loss is.
const OBJECTIVES: [(&str, &str, &str); 4] = [
    ("pretrain", "logp", "loss"),
    ("sft", "logp", "metrics"),
    ("reward_pair", "scores", "metrics"),
    ("dpo", "policy", "metrics"),
];

#[test]
fn the_seed_is_the_gradient_of_the_loss() {
    for (op, input, loss) in OBJECTIVES {
        let mut count = 0;
        for case in
            cases::all().iter().filter(|case| matches!(case.tape.steps(), [step] if step.op.name_dyn() == op))
        {
            let mut device = Cpu::<f64>::new();
            let program = device.compile(case.plan()).expect("a plan that fits");
            fill(&mut device, &case.inputs);
            device.submit(&[program]).expect("a run");
            let values = case.inputs[input].f();
            let seed = device.get(&Source::Buffer("seed".into(), 0..values.len())).expect("the seed");
            check_buffer(&case.name, (values, 0..values.len()), &seed, |moved| {
                device.set(input, 0, moved).expect("a buffer that fits");
                device.set(loss, 0, &[0.0]).expect("a buffer that fits");
                device.submit(&[program]).expect("a run");
                device.get(&Source::Buffer(loss.into(), 0..1)).expect("the loss")[0]
            });
            count += 1;
        }
        assert!(count > 2, "{op}");
    }
}

/// So do PPO's two losses, each in what its model says; the value loss's comes times its coefficient.
#[test]
fn ppo_seeds_are_the_gradients_of_its_losses() {
    for (op, input, coef) in [("ppo_policy", "logp", 1.0), ("ppo_value", "values", 0.7)] {
        let mut count = 0;
        for case in cases::all().iter().filter(|case| case.name.starts_with(op)) {
            let mut device = Cpu::<f64>::new();
            let program = device.compile(case.plan()).expect("a plan that fits");
            fill(&mut device, &case.inputs);
            device.submit(&[program]).expect("a run");
            let values = case.inputs[input].f();
            let seed = node(&device, program, "y.seed");
            assert!(seed.iter().any(|s| *s != 0.0), "{}: nothing learns", case.name);
            check_buffer(&case.name, (values, 0..values.len()), &seed, |moved| {
                device.set(input, 0, moved).expect("a buffer that fits");
                device.submit(&[program]).expect("a run");
                coef * node(&device, program, "y.metrics")[0]
            });
            count += 1;
        }
        assert!(count > 2);
    }
}

/// A GPT-2 on the f64 device with two micro-batches to add up.
struct Trained {
    gpt: Gpt,
    device: Cpu<f64>,
    program: Program,
    params: Vec<f64>,
    micro: [[Array; 2]; 2],
}

impl Trained {
    fn new(gpt: Gpt, record: impl Fn(&Gpt, &mut Tape)) -> Self {
        let mut tape = Tape::new();
        record(&gpt, &mut tape);
        let mut device = Cpu::<f64>::new();
        let program =
            device.compile(Plan::new("train", &tape, &["logits", "logp"])).expect("a plan that fits");
        let mut rng = Rng::new(3, Stream::Test);
        let params = (0..gpt.layout().1).map(|_| rng.normal() * 0.25).collect();
        let mut ids =
            || Array::U32((0..gpt.batch * gpt.context).map(|_| rng.below(gpt.vocab as u32)).collect());
        let micro = [[ids(), ids()], [ids(), ids()]];
        Self { gpt, device, program, params, micro }
    }

    /// Both micro-batches with these parameters: the step's loss.
    fn run(&mut self, params: &[f64]) -> f64 {
        let device = &mut self.device;
        device.set("params", 0, params).expect("a buffer that fits");
        device.set("grads", 0, &vec![0.0; params.len()]).expect("a buffer that fits");
        device.set("loss", 0, &[0.0]).expect("a buffer that fits");
        for [tokens, targets] in &self.micro {
            device.write("tokens", 0, &tokens.data()).expect("a buffer that fits");
            device.write("targets", 0, &targets.data()).expect("a buffer that fits");
            device.submit(&[self.program]).expect("a run");
        }
        device.get(&Source::Buffer("loss".into(), 0..1)).expect("the loss")[0]
    }

    fn grads(&self) -> Vec<f64> {
        self.device.get(&Source::Buffer("grads".into(), 0..self.params.len())).expect("gradients")
    }
}

fn whole(gpt: &Gpt, tape: &mut Tape) {
    gpt.step(tape).expect("a small GPT-2");
}

#[test]
fn a_gpt_agrees_with_finite_differences_parameter_by_parameter() {
    for attention in [Heads::Materialised, Heads::Flash] {
        let gpt = Gpt::small(attention);
        let mut trained = Trained::new(gpt, whole);
        let params = trained.params.clone();
        trained.run(&params);
        let grads = trained.grads();
        let mut forward = Trained::new(gpt, |gpt, tape| {
            gpt.forward(tape).expect("a small GPT-2");
        });
        for ((name, shape), offset) in gpt.parameters().iter().zip(gpt.layout().0) {
            let range = offset..offset + shape.iter().product::<usize>();
            let gradient = &grads[range.clone()];
            assert!(gradient.iter().any(|g| g.abs() > 1e-6), "{name} is not reached");
            let what = format!("{attention:?} {name}");
            check_buffer(&what, (&params, range), gradient, |moved| forward.run(moved));
        }
    }
}

#[test]
fn flash_and_materialised_attention_agree() {
    let tight = Tolerance { rel_l2: 1e-10, max: 1e-10 };
    for (context, channels, heads) in [(1, 8, 2), (5, 12, 2), (33, 40, 2), (70, 16, 1), (128, 16, 4)] {
        let [a, b] = [Heads::Materialised, Heads::Flash].map(|attention| {
            let gpt = Gpt { context, channels, heads, ..Gpt::small(attention) };
            let mut trained = Trained::new(gpt, whole);
            let params = trained.params.clone();
            let loss = trained.run(&params);
            let logits = node(&trained.device, trained.program, "logits");
            assert_eq!(trained.gpt.context, context);
            [vec![loss], logits, trained.grads()]
        });
        for (name, (a, b)) in ["loss", "logits", "gradients"].iter().zip(a.into_iter().zip(b)) {
            let what = format!("T={context} C={channels} H={heads} {name}");
            compare(&what, &Array::Float(a), &Array::Float(b), tight).unwrap_or_else(|e| panic!("{e}"));
        }
    }
}

/// What two micro-batches add up to is the sum of what each gives alone.
#[test]
fn micro_batches_add_up() {
    let mut trained = Trained::new(Gpt::small(Heads::Flash), whole);
    let params = trained.params.clone();
    let both = trained.run(&params);
    let sum = trained.grads();
    let micro = trained.micro.clone();
    let mut parts = vec![0.0; sum.len()];
    let mut losses = 0.0;
    for one in micro {
        // The same micro-batch twice is twice its gradient.
        trained.micro = [one.clone(), one];
        losses += trained.run(&params) / 2.0;
        parts.iter_mut().zip(trained.grads()).for_each(|(p, g)| *p += g / 2.0);
    }
    assert!((both - losses).abs() < 1e-12, "{both} {losses}");
    compare("gradients", &Array::Float(sum), &Array::Float(parts), Tolerance::F64)
        .unwrap_or_else(|e| panic!("{e}"));
}
