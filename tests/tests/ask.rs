//! The models that come with the page, asked as the page asks them.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result, bail, ensure};
use gradus_core::device::cpu::Cpu;
use gradus_core::model::ModelFolder;
use gradus_lessons::ask::{
    self, Answer, Ask, Continuation, Continue, Graded, ProbeText, Probed, PromptText, Shots,
};
use gradus_lessons::recipe::Role;
use gradus_lessons::world::few_shot::Task;

fn model(role: Role) -> Result<ModelFolder> {
    let file = xtask::root().join("lessons/shipped").join(role.slug()).with_extension("zip");
    let zip = std::fs::read(&file).with_context(|| file.display().to_string())?;
    Ok(ModelFolder::from_zip(&zip)?)
}

fn answered(model: &ModelFolder, ask: &Ask) -> Result<Answer> {
    Ok(pollster::block_on(ask::ask(&mut Cpu::<f32>::new(), model, ask))?)
}

fn prompt(text: &str, chat: bool) -> PromptText {
    PromptText { text: text.into(), chat }
}

fn continued(model: &ModelFolder, text: PromptText, temperature: f32) -> Result<Continuation> {
    let ask = Continue { prompt: text, max_tokens: 16, temperature, seed: 3, top: 4 };
    match answered(model, &Ask::Continue(ask))? {
        Answer::Continuation(said) => Ok(said),
        other => bail!("{other:?}"),
    }
}

fn probed(model: &ModelFolder, text: &str, without: Vec<[usize; 2]>) -> Result<Probed> {
    match answered(model, &Ask::Probe(ProbeText { prompt: prompt(text, false), without }))? {
        Answer::Probed(seen) => Ok(*seen),
        other => bail!("{other:?}"),
    }
}

#[test]
fn models_are_described_by_size_and_loss() -> Result<()> {
    for (role, parameters, most) in [(Role::Base, 170_000..190_000, 0.4), (Role::Draft, 5_000..40_000, 1.2)] {
        let Answer::Description(known) = answered(&model(role)?, &Ask::Describe)? else { bail!("{role:?}") };
        ensure!(parameters.contains(&known.parameters), "{known:?}");
        let held = known.held_out.context("no loss")?;
        ensure!((1.1..1.5).contains(&held.floor), "{held:?}");
        let excess = held.loss - held.floor;
        ensure!(excess > 0.0 && excess < most, "{role:?}: {held:?}");
    }
    let Answer::Description(reward) = answered(&model(Role::Reward)?, &Ask::Describe)? else {
        bail!("reward")
    };
    ensure!(reward.scored && reward.held_out.is_none());
    Ok(())
}

#[test]
fn a_model_whose_numbers_overflow_is_refused_with_a_remedy() -> Result<()> {
    let mut base = model(Role::Base)?;
    for value in base.tensors.iter_mut().flat_map(|t| &mut t.values) {
        *value *= 1e30;
    }
    let text = || prompt("the fox", false);
    let shots = vec![0, 2];
    let asks = [
        Ask::Describe,
        Ask::Continue(Continue { prompt: text(), max_tokens: 4, temperature: 0.0, seed: 1, top: 3 }),
        Ask::Probe(ProbeText { prompt: text(), without: vec![] }),
        Ask::Shots(Shots { task: Task::Dict, shots: shots.clone(), items: 3, seed: 1, top: 3 }),
        Ask::Grade(Graded { task: Task::Dict, shots, items: 3, seed: 1, prompts: 2 }),
    ];
    for ask in asks {
        let said = answered(&base, &ask).map_err(|e| e.to_string());
        let refused = said.as_ref().is_err_and(|e| e.contains("not finite") && e.contains("open another"));
        ensure!(refused, "{ask:?}: {said:?}");
    }
    Ok(())
}

#[test]
fn greedy_answers_take_the_likeliest_word_and_change_no_weight() -> Result<()> {
    let said = continued(&model(Role::Base)?, prompt("La zup bim dax! la zup", false), 0.0)?;
    ensure!(said.weights_changed == 0 && said.truth.is_none());
    let words: Vec<&str> = said.places.iter().map(|p| p.word.as_str()).collect();
    ensure!(words[..8] == ["<eos>", "la", "zup", "bim", "dax", "!", "la", "zup"], "{words:?}");
    // The base has induction heads: it sings the line again.
    ensure!(words[8..10] == ["bim", "dax"], "{words:?}");
    for (before, place) in said.places.iter().zip(&said.places[1..]).skip(said.prompt - 1) {
        let best = before.next.first().context("no candidates")?;
        ensure!((best.token, Some(best.p)) == (place.token, place.p), "{place:?} after {before:?}");
        ensure!(before.next.windows(2).all(|w| w[0].p >= w[1].p) && best.p <= 1.0);
        ensure!(before.entropy >= 0.0 && before.entropy <= 362f64.ln());
    }
    Ok(())
}

#[test]
fn a_question_is_answered_and_its_truth_is_told() -> Result<()> {
    let question = "where does tom reed live ?";
    let said = continued(&model(Role::Sft)?, prompt(question, true), 0.0)?;
    let answer: Vec<&str> = said.answer().iter().map(|p| p.word.as_str()).collect();
    ensure!(said.ended && answer.last() == Some(&"<end>"), "{answer:?}");
    let truth = said.truth.as_ref().context("no truth")?;
    ensure!(truth.starts_with("tom reed lives in the "), "{truth}");
    ensure!(answer.join(" ").starts_with("tom reed lives in the "), "{answer:?}");
    Ok(())
}

#[test]
fn drawn_answers_repeat_from_their_seed() -> Result<()> {
    let base = model(Role::Base)?;
    let [first, again] = [(); 2].map(|()| continued(&base, prompt("the fox", false), 1.0));
    let (first, again) = (first?, again?);
    ensure!(first == again);
    ensure!(first.answer().iter().all(|p| p.p.is_some_and(|p| p > 0.0)));
    Ok(())
}

#[test]
fn what_cannot_be_asked_is_refused_with_a_remedy() -> Result<()> {
    let base = model(Role::Base)?;
    let long = "fox ".repeat(64);
    let too_many = Ask::Shots(Shots { task: Task::Dict, shots: vec![99], items: 3, seed: 1, top: 3 });
    let no_head = Ask::Probe(ProbeText { prompt: prompt("the fox", false), without: vec![[9, 0]] });
    let go_on = |text: &str| {
        Ask::Continue(Continue {
            prompt: prompt(text, false),
            max_tokens: 4,
            temperature: 0.0,
            seed: 1,
            top: 1,
        })
    };
    for (ask, says) in [
        (go_on("the gradus"), "“gradus”"),
        (go_on(&long), "shorten it to 63"),
        (too_many, "choose"),
        (no_head, "3 layers of 4 heads"),
    ] {
        let error = answered(&base, &ask).map_err(|e| e.to_string());
        ensure!(error.as_ref().is_err_and(|e| e.contains(says)), "{error:?}");
    }
    let error = continued(&model(Role::Reward)?, prompt("the fox", false), 0.0).map_err(|e| e.to_string());
    ensure!(error.as_ref().is_err_and(|e| e.contains("reward model")), "{error:?}");
    Ok(())
}

#[test]
fn a_probe_agrees_with_itself_and_with_what_the_model_says() -> Result<()> {
    let base = model(Role::Base)?;
    let text = "la zup bim dax ! la zup";
    let seen = probed(&base, text, vec![])?;
    let said = continued(&base, prompt(text, false), 0.0)?;
    let probe = &seen.probe;
    ensure!((probe.layers(), probe.heads, probe.tokens.len()) == (3, 4, 8));
    let root = ((probe.channels / probe.heads) as f64).sqrt();
    for (layer, head, position) in
        (0..3).flat_map(|l| (0..4).flat_map(move |h| (0..8).map(move |p| (l, h, p))))
    {
        let trace = probe.trace(layer, head, position).context("no numbers")?;
        let powers: Vec<f64> = trace.masked.iter().map(|m| m.map_or(0.0, f64::exp)).collect();
        let sum: f64 = powers.iter().sum();
        for (j, (power, weight)) in powers.iter().zip(&trace.weights).enumerate() {
            ensure!((power / sum - f64::from(*weight)).abs() < 1e-5, "{layer}.{head} {position} {j}");
            ensure!((trace.scaled[j] * root - trace.scores[j]).abs() < 1e-9);
        }
        for (x, mix) in trace.mix.iter().enumerate() {
            let mixed: f64 =
                trace.weights.iter().zip(&trace.values).map(|(w, v)| f64::from(*w) * f64::from(v[x])).sum();
            ensure!((mixed - f64::from(*mix)).abs() < 1e-4, "{layer}.{head} {position}: {mixed} {mix}");
        }
    }
    for (logp, place) in seen.logp.iter().zip(&said.places[1..]) {
        ensure!((f64::from(*logp).exp() - place.p.context("no p")?).abs() < 1e-4);
    }
    ensure!(seen.next[0].token == said.places[said.prompt - 1].next[0].token);
    // Without any of its heads a model sees one token only: the song is forgotten.
    let all = (0..3).flat_map(|l| (0..4).map(move |h| [l, h])).collect();
    let blind = probed(&base, text, all)?;
    let p = |seen: &Probed| seen.next.iter().find(|c| c.word == "bim").map_or(0.0, |c| c.p);
    ensure!(p(&seen) > 0.5 && p(&blind) < 0.2, "{} and {}", p(&seen), p(&blind));
    Ok(())
}

#[test]
fn examples_in_the_prompt_help_up_to_the_best_possible() -> Result<()> {
    let base = model(Role::Base)?;
    let shots = vec![0, 1, 2, 4, 8];
    let list = Shots { task: Task::Dict, shots: shots.clone(), items: 3, seed: 1, top: 5 };
    let Answer::Shots(list) = answered(&base, &Ask::Shots(list))? else { bail!("no list") };
    ensure!(list.weights_changed == 0 && list.rows.len() == 5);
    for row in &list.rows {
        ensure!(row.prompt.split(' ').count() == 2 + 3 * row.shots, "{row:?}");
        ensure!(row.candidates.iter().any(|c| c.word == row.right.word));
        ensure!(!row.seen || (row.right.bayes == 1.0 && row.right.model > 0.5), "{row:?}");
    }
    ensure!(list.rows[0].right.bayes < 0.02 && list.rows[0].right.model < 0.2, "{:?}", list.rows[0]);
    let graded = Graded { task: Task::Dict, shots, items: 3, seed: 1, prompts: 128 };
    let Answer::Graded(rows) = answered(&base, &Ask::Grade(graded))? else { bail!("no grades") };
    let most = rows.last().context("no rows")?;
    ensure!(most.measured > 0.8 && most.bayes > 0.95, "{most:?}");
    for row in &rows {
        let spread = 4.0 * (row.bayes * (1.0 - row.bayes) / 128.0).sqrt();
        ensure!(row.measured <= row.bayes + spread + 1e-9, "{row:?}");
    }
    Ok(())
}
