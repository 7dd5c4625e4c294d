//! Memory over ten thousand steps. Alone in its process: what other tests take there would be counted too.
#![cfg(target_os = "linux")]

use gradus_core::device::timer::median;
use gradus_core::ops::Family;
use gradus_core::protocol::{ModelConfig, TrainConfig};
use gradus_tests::watched::trainer;
use pollster::block_on;

/// Kilobytes of this process that lie in memory (`VmRSS` of Linux's `/proc/self/status`).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its resident set");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// No object more, no byte on the device, and the process as large in the second half as in the first.
#[test]
fn memory_is_flat_over_ten_thousand_steps() {
    const STEPS: u64 = 10_000;
    /// What would be noticed, in bytes a step.
    const LEAK: u64 = 100;
    /// Until here drivers still fill their own stores.
    const SETTLED: u64 = STEPS / 10;
    let model = ModelConfig {
        n_layer: 1,
        n_embd: 8,
        n_head: 2,
        n_positions: 4,
        vocab_size: 362,
        ..ModelConfig::preset("4k").expect("a preset")
    };
    let config = TrainConfig { steps: 2 * STEPS, batch: 1, ..TrainConfig::default() };
    let (mut trainer, made) = trainer(&model, &config, Family::Threads);
    let (first, bytes) = (made.get(), trainer.device.bytes());
    let mut readings = Vec::new();
    while trainer.step() < STEPS {
        trainer.submit(trainer.most_steps()).expect("submitted");
        let measured = block_on(trainer.collect()).expect("collected");
        assert!(measured.iter().all(|m| m.loss.is_finite()));
        if trainer.step() >= SETTLED {
            readings.push(resident() as f64);
        }
    }
    assert_eq!(made.get(), first);
    assert_eq!(trainer.device.bytes(), bytes);
    let (early, late) = readings.split_at(readings.len() / 2);
    println!("{} readings: from {} to {} kB", readings.len(), readings[0], late[late.len() - 1]);
    let (early, late) = (median(early.to_vec()), median(late.to_vec()));
    println!("median of the first half {early} kB, of the second {late} kB");
    // Half of the steps lie between the two.
    let leak = (LEAK * (STEPS - SETTLED) / 2 / 1000) as f64;
    assert!(late < early + leak, "{early} kB in the first half, {late} kB in the second");
}
