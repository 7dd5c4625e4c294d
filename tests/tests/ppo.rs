//! PPO as a loop: it repeats to the bit, begins each iteration where it is, earns what it is paid for, and refuses
//! what does not fit.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::Error;
use gradus_core::device::cpu::Cpu;
use gradus_core::model::{ModelFolder, Params};
use gradus_core::protocol::{ModelConfig, Schedule, TrainConfig};
use gradus_core::train::{Iteration, Ppo, PpoConfig};
use pollster::block_on;

fn model() -> ModelConfig {
    ModelConfig { vocab_size: 37, n_positions: 16, ..ModelConfig::preset("10k").expect("a preset") }
}

fn folder(params: &Params, seed: u32) -> ModelFolder {
    let tensors = params.tensors(&params.init(&model(), seed));
    ModelFolder { config: model(), tensors, tokenizer: None, trainer: None }
}

fn config() -> PpoConfig {
    PpoConfig {
        train: TrainConfig {
            steps: 12,
            batch: 16,
            lr: 3e-3,
            warmup: 0,
            schedule: Schedule::Constant,
            weight_decay: 0.0,
            ..TrainConfig::default()
        },
        num_ppo_epochs: 2,
        num_mini_batches: 2,
        kl_coef: 0.02,
        temperature: 1.0,
        response_length: 8,
        prompt_length: 5,
        stop: 3,
        forbidden: vec![0, 1],
        standardise: true,
        ..PpoConfig::default()
    }
}

fn prompts() -> Vec<Vec<u32>> {
    (0..16u32).map(|i| (0..=i % 5).map(|j| 2 + (7 * i + j) % 35).collect()).collect()
}

fn new(config: &PpoConfig, seed: u32) -> Result<Ppo, Error> {
    let policy = folder(&Params::new(&model()), 1);
    let reward = folder(&Params::scored(&model()), 2);
    Ppo::new(Box::new(Cpu::<f32>::new()), &policy, &reward, config, seed)
}

fn run(config: &PpoConfig, seed: u32, iterations: usize) -> (Vec<Iteration>, ModelFolder) {
    let mut ppo = new(config, seed).expect("a PPO run");
    let done = (0..iterations).map(|_| block_on(ppo.iterate(&prompts())).expect("an iteration")).collect();
    (done, block_on(ppo.folder()).expect("the policy"))
}

#[test]
fn a_seed_repeats_to_the_bit() {
    let first = run(&config(), 5, 3);
    assert_eq!(first, run(&config(), 5, 3));
    assert_ne!(first.0[0].answers, run(&config(), 6, 1).0[0].answers);
}

#[test]
fn each_iteration_begins_at_a_ratio_of_one_and_says_all_it_knows() {
    for iteration in run(&config(), 5, 3).0 {
        assert_eq!(iteration.updates.len(), 4);
        assert_eq!((iteration.updates[0].ratio, iteration.updates[0].deviation), (1.0, 0.0));
        assert!(iteration.updates[1].deviation > 0.0);
        let metrics: std::collections::BTreeMap<_, _> = iteration.metrics().into_iter().collect();
        assert_eq!(metrics["episode"], 16.0 * iteration.number as f64);
        assert!(metrics.values().all(|v| v.is_finite()), "{metrics:?}");
        for answer in &iteration.answers {
            let ids = answer.ids();
            assert!(!ids.iter().any(|t| [0, 1].contains(t)), "a forbidden token in {ids:?}");
            let ends = ids.iter().filter(|&&t| t == 3).count();
            assert!(ids.len() == 8 || ends == 1, "{ids:?}");
            assert!(answer.tokens.iter().all(|t| t.kl >= -1e-5 && t.entropy > 0.0));
            // Rewards add up to the score less the charge.
            let charge = 0.02 * answer.sum(|t| f64::from(t.logp - t.ref_logp));
            let rewards = answer.sum(|t| f64::from(t.reward));
            assert!((rewards - (f64::from(answer.score) - charge)).abs() < 1e-4);
        }
    }
    // At first the policy is the reference.
    assert!(run(&config(), 5, 1).0[0].answers.iter().all(|a| a.tokens.iter().all(|t| t.kl.abs() < 1e-6)));
}

#[test]
fn the_policy_earns_what_it_is_paid_for() {
    let done = run(&config(), 5, 12).0;
    let score = |i: &Iteration| i.mean(|a| f64::from(a.score));
    // The first iteration's scores have mean 0 and deviation 1.
    assert!(score(&done[0]).abs() < 1e-4, "{}", score(&done[0]));
    let late = done[9..].iter().map(score).sum::<f64>() / 3.0;
    assert!(late > 0.5, "the score is {late} deviations after twelve iterations");
    // A price that nothing can pay keeps it at home.
    let held = run(&PpoConfig { kl_coef: 10.0, ..config() }, 5, 12).0;
    let kl = |i: &Iteration| i.mean(|a| a.sum(|t| f64::from(t.kl)));
    assert!(kl(&held[11]) < kl(&done[11]) / 2.0, "{} against {}", kl(&held[11]), kl(&done[11]));
}

#[test]
fn a_missing_end_costs_the_penalty() {
    let plain = run(&config(), 5, 1).0;
    let fined = run(&PpoConfig { missing_eos_penalty: Some(2.0), ..config() }, 5, 1).0;
    let mut missing = 0;
    for (a, b) in plain[0].answers.iter().zip(&fined[0].answers) {
        let ended = a.tokens.last().is_some_and(|t| t.token == 3);
        missing += usize::from(!ended);
        assert!((a.score - b.score - if ended { 0.0 } else { 2.0 }).abs() < 1e-5);
    }
    assert!(missing > 0 && missing < 16, "{missing} of 16 without an end: the test needs both");
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |config: PpoConfig| match new(&config, 1) {
        Err(Error::Config(message)) => message,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{config:?} was taken"),
    };
    assert!(refused(PpoConfig { num_mini_batches: 3, ..config() }).contains("num_mini_batches"));
    assert!(refused(PpoConfig { num_ppo_epochs: 40, ..config() }).contains("num_ppo_epochs"));
    assert!(refused(PpoConfig { response_length: 12, ..config() }).contains("n_positions"));
    assert!(refused(PpoConfig { temperature: 0.0, ..config() }).contains("temperature"));
    assert!(refused(PpoConfig { gamma: 1.5, ..config() }).contains("gamma"));
    let policy = folder(&Params::new(&model()), 1);
    let same = Ppo::new(Box::new(Cpu::<f32>::new()), &policy, &policy, &config(), 1);
    assert!(matches!(same, Err(Error::Config(m)) if m.contains("score.weight")));
    let mut ppo = new(&config(), 1).expect("a PPO run");
    assert!(block_on(ppo.iterate(&prompts()[1..])).is_err());
    let mut long = prompts();
    long[0] = vec![4; 6];
    assert!(block_on(ppo.iterate(&long)).is_err());
    let answers = vec![Vec::new(); 16];
    assert!(block_on(ppo.learn(&prompts(), &answers)).is_err());
}

#[test]
fn the_four_models_bytes_are_counted() {
    let ppo = new(&config(), 1).expect("a PPO run");
    let models = ppo.models();
    assert_eq!(models.each_ref().map(|m| m.name.as_str()), ["policy", "value", "reference", "reward"]);
    let [plain, scored] = [Params::new(&model()), Params::scored(&model())].map(|p| 4 * p.len as u64);
    assert_eq!(models.each_ref().map(|m| m.weights), [plain, scored, plain, scored]);
    assert_eq!(models[0].training, 3 * models[0].weights);
    assert_eq!(models[2].training + models[3].training, 0);
    assert!(ppo.bytes() > models.iter().map(|m| m.weights + m.training).sum());
}
