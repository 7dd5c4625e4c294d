//! Speculative decoding on the processor: it says what the target alone would say, or draws from its law.
#![cfg(not(target_arch = "wasm32"))]

use gradus_core::device::Device;
use gradus_core::device::cpu::Cpu;
use gradus_core::generate::{SpeculatorShape, Verdict};
use gradus_core::protocol::{ModelConfig, SampleConfig};
use gradus_lessons::chi_square::p_value;
use gradus_tests::speculation::{Draft, Pair, greedy, prompts, same_greedy_text};
use pollster::block_on;

fn pair(vocab: usize, positions: usize, draft: Draft) -> Pair {
    let device: Box<dyn Device> = Box::new(Cpu::<f32>::new());
    Pair::new(device, vocab, positions, draft).expect("two models")
}

fn exact(batch: usize, proposals: usize) -> SpeculatorShape {
    SpeculatorShape { batch, proposals, residual: true }
}

#[test]
fn greedy_text_is_the_targets_own() {
    let mut pair = pair(37, 36, Draft::Noisy(0.03));
    let acceptance = block_on(same_greedy_text(&mut pair, 1000, 125, 4)).unwrap_or_else(|e| panic!("{e}"));
    assert!((0.3..0.97).contains(&acceptance), "both verdicts must occur often: {acceptance}");
}

#[test]
fn any_draft_and_any_number_of_proposals_will_do() {
    for (draft, proposals) in
        [(Draft::Shallow, 1), (Draft::Shallow, 3), (Draft::Noisy(0.03), 1), (Draft::Same, 8)]
    {
        let mut pair = pair(37, 36, draft);
        let acceptance =
            block_on(same_greedy_text(&mut pair, 60, 30, proposals)).unwrap_or_else(|e| panic!("{e}"));
        if draft == Draft::Same {
            assert_eq!(acceptance, 1.0);
        } else {
            assert!(acceptance < 1.0);
        }
    }
}

/// The p-value of `n` continuations by three tokens under the target's exact law at temperature 1; and α.
fn fit(n: usize, draft: Draft, proposals: usize, residual: bool, temperature: f32) -> (f64, f64) {
    let mut pair = pair(5, 8, draft);
    let prompt = vec![3, 1];
    let law = block_on(pair.law(&prompt, 3)).expect("a law");
    assert!((law.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    let settings = SampleConfig { max_tokens: 3, temperature, seed: 11, ..SampleConfig::default() };
    let shape = SpeculatorShape { batch: 2000, proposals, residual };
    let made = block_on(pair.speculate(shape, &vec![prompt; n], &settings, None)).expect("texts");
    let mut counts = vec![0.0; law.len()];
    made.answers.iter().for_each(|row| counts[pair.cell(row)] += 1.0);
    (p_value(&counts, &law), made.tally.acceptance())
}

#[test]
fn sampled_text_follows_the_targets_law() {
    for (n, draft, proposals) in
        [(100_000, Draft::Shallow, 2), (20_000, Draft::Shallow, 1), (20_000, Draft::Noisy(0.1), 4)]
    {
        let (p, acceptance) = fit(n, draft, proposals, true, 1.0);
        assert!(p > 1e-3, "χ²: p = {p:.2e} with {draft:?}, K = {proposals}, α = {acceptance:.2}");
        assert!((0.3..0.95).contains(&acceptance), "both verdicts must occur often: {acceptance}");
    }
}

#[test]
fn a_wrong_rule_is_caught() {
    let (p, _) = fit(20_000, Draft::Shallow, 2, false, 1.0);
    assert!(p < 1e-6, "drawing from p after a rejection went unnoticed: p = {p:.2e}");
    // And the right rule at another temperature does not follow the law at 1.
    let (p, _) = fit(20_000, Draft::Shallow, 2, true, 0.8);
    assert!(p < 1e-6, "another temperature went unnoticed: p = {p:.2e}");
}

#[test]
fn a_draft_that_is_the_target_is_always_right() {
    let mut pair = pair(37, 64, Draft::Same);
    let settings = SampleConfig { max_tokens: 40, seed: 2, ..SampleConfig::default() };
    let made = block_on(pair.speculate(exact(8, 4), &prompts(16, 9, 37), &settings, None)).expect("texts");
    assert_eq!(made.tally.acceptance(), 1.0);
    assert_eq!(made.tally.tokens_per_call(), 5.0);
    assert_eq!((made.tally.calls, made.tally.bonus), (16 * 8, 16 * 8));
    let looked_at: u64 = made.tally.tried.iter().sum();
    assert!((made.tally.overlap.iter().sum::<f64>() / looked_at as f64 - 1.0).abs() < 1e-4);
    assert!(made.answers.iter().all(|a| a.len() == 40));
}

#[test]
fn prompts_that_were_read_need_not_be_read_again() {
    let mut pair = pair(37, 40, Draft::Noisy(0.08));
    let prompts = prompts(6, 9, 37);
    let speculator = pair.speculator(exact(6, 3)).expect("plans");
    let settings = |seed| SampleConfig { max_tokens: 20, seed, ..SampleConfig::default() };
    let mut draw = |seed, again| {
        let device = &mut *pair.device;
        block_on(async {
            if again {
                speculator.run_again(device, &prompts, &settings(seed), None).await
            } else {
                speculator.run(device, &prompts, &settings(seed), None).await
            }
        })
        .expect("texts")
    };
    let first = [draw(1, false), draw(2, false)];
    assert_eq!(first, [draw(1, true), draw(2, true)]);
    assert_ne!(first[0].answers, first[1].answers);
}

#[test]
fn the_context_and_the_stop_end_a_text_where_they_should() {
    let mut pair = pair(37, 16, Draft::Same);
    for length in [13, 14, 15] {
        let prompts: Vec<Vec<u32>> = prompts(40, 15, 37).into_iter().filter(|p| p.len() == length).collect();
        let plain = block_on(pair.plain(4, &prompts, &greedy(16 - length), None)).expect("texts");
        assert!(!prompts.is_empty());
        for most in [50, usize::MAX] {
            let made = block_on(pair.speculate(exact(4, 4), &prompts, &greedy(most), None)).expect("texts");
            assert_eq!(made.answers, plain, "the context is 16, the prompt {length}");
        }
    }
    // All of a round is accepted, and the stop is in the midst of it.
    let prompt = vec![vec![7, 30]];
    let whole = block_on(pair.plain(1, &prompt, &greedy(12), None)).expect("a text").remove(0);
    for &stop in &whole {
        let plain = block_on(pair.plain(1, &prompt, &greedy(12), Some(stop))).expect("a text");
        let made = block_on(pair.speculate(exact(1, 5), &prompt, &greedy(12), Some(stop))).expect("a text");
        assert_eq!(made.answers, plain);
        assert_eq!(plain[0].last(), Some(&stop));
        assert_eq!(made.tally.made, plain[0].len() as u64);
    }
    let none = block_on(pair.speculate(exact(1, 2), &prompt, &greedy(0), None)).expect("nothing");
    assert!(none.answers[0].is_empty() && none.tally.calls == 0);
}

#[test]
fn a_stepped_round_says_what_decided_it() {
    let mut pair = pair(37, 40, Draft::Noisy(0.08));
    let prompt = vec![5, 9, 30];
    let settings = SampleConfig { max_tokens: 30, seed: 3, ..SampleConfig::default() };
    let speculator = pair.speculator(exact(2, 4)).expect("plans");
    speculator.begin(&mut *pair.device, &[prompt.clone(), vec![1]], &settings, None).expect("begun");
    let (mut text, mut verdicts) = (Vec::new(), [0; 3]);
    while let Some(round) = block_on(speculator.round(&mut *pair.device, 0)).expect("a round") {
        assert_eq!(round.index, prompt.len() + text.len());
        for (i, x) in round.proposals.iter().enumerate() {
            let (p, q) = (f64::from(x.p[x.token as usize]), f64::from(x.q[x.token as usize]));
            assert!((f64::from(x.acceptance) - (p / q).min(1.0)).abs() < 1e-5);
            for law in [&x.p, &x.q] {
                assert!(law.len() == 37 && (law.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
            verdicts[x.verdict as usize] += 1;
            match x.verdict {
                Verdict::Accepted => assert!(x.coin < x.acceptance && round.added[i] == x.token),
                Verdict::Rejected => assert!(x.coin >= x.acceptance && round.added.len() == i + 1),
                Verdict::NotReached => assert!(round.added.len() <= i),
            }
        }
        let drawn = round.drawn.as_ref().expect("there is room");
        assert_eq!(Some(&drawn.token), round.added.last());
        assert_eq!(drawn.bonus, round.added.len() == 5);
        // The draw is where the cumulative sum of its law passes the uniform number.
        let before: f32 = drawn.law[..drawn.token as usize].iter().sum();
        let after = before + drawn.law[drawn.token as usize];
        assert!(before <= drawn.uniform + 1e-5 && drawn.uniform <= after + 1e-5);
        assert!(round.seconds.iter().all(|&s| s > 0.0));
        text.extend(round.added);
    }
    assert!(verdicts[0] > 3 && verdicts[1] > 2 && verdicts[2] > 0, "{verdicts:?}");
    assert!(text.len() >= 30);
    // The same seed, not stepped, writes the same text.
    speculator.begin(&mut *pair.device, &[prompt.clone(), vec![1]], &settings, None).expect("begun");
    while block_on(speculator.round(&mut *pair.device, 0)).expect("a round").is_some() {}
    let tokens = gradus_core::device::Source::Buffer("speculative.tokens".into(), 3..3 + text.len());
    assert_eq!(block_on(pair.device.read(tokens)).expect("tokens").integers(), text);
    assert!(block_on(speculator.round(&mut *pair.device, 2)).is_err());
}

#[test]
fn what_cannot_work_is_refused() {
    let mut pair = pair(37, 16, Draft::Shallow);
    pair.draft = ModelConfig { vocab_size: 36, ..pair.draft };
    let refused = pair.speculator(exact(1, 2)).expect_err("two vocabularies").to_string();
    assert!(refused.contains("36") && refused.contains("tokenizer"), "{refused}");
    pair.draft.vocab_size = 37;
    for shape in [exact(0, 2), exact(1, 0), exact(1, 16)] {
        assert!(pair.speculator(shape).is_err(), "{shape:?}");
    }
    for prompt in [vec![], vec![37], vec![1; 16]] {
        assert!(block_on(pair.speculate(exact(1, 2), &[prompt], &greedy(2), None)).is_err());
    }
    let bad = SampleConfig { temperature: -1.0, ..greedy(2) };
    assert!(block_on(pair.speculate(exact(1, 2), &[vec![1]], &bad, None)).is_err());
}
