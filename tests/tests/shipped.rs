//! What comes with the page: every model opens and is worth what it was when it was trained, every recorded run can be
//! read by the pictures, and what the prose says of a check is the name of one.
#![cfg(not(target_arch = "wasm32"))]

use anyhow::{Context, Result, ensure};
use gradus_core::device::cpu::Cpu;
use gradus_core::model::ModelFolder;
use gradus_lessons::recipe::measure::{Figure, measure};
use gradus_lessons::recipe::record::Record;
use gradus_lessons::recipe::{
    Course, GoOn, Host, Lesson, Models, Moment, Role, Size, attention, dpo, few_shot, flash_attention, rlhf,
    scaling_laws, sft, speculative_decoding,
};
use serde::de::DeserializeOwned;
use std::fs;
use std::path::PathBuf;

fn lessons() -> PathBuf {
    xtask::root().join("lessons")
}

fn record(lesson: Lesson) -> Result<Record> {
    let file = lessons().join("shipped/runs").join(lesson.slug()).with_extension("json");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

fn readable<F: DeserializeOwned>(lesson: Lesson) -> Result<()> {
    let record = record(lesson)?;
    F::deserialize(&record.figures).with_context(|| format!("the figures of {}", lesson.slug()))?;
    ensure!(record.lesson == lesson && !record.checks.is_empty());
    ensure!(record.patch.is_null(), "{} was run with other settings than a learner's", lesson.slug());
    Ok(())
}

#[test]
fn every_recorded_run_can_be_drawn() -> Result<()> {
    readable::<scaling_laws::Figures>(Lesson::ScalingLaws)?;
    readable::<attention::Figures>(Lesson::Attention)?;
    readable::<flash_attention::Figures>(Lesson::FlashAttention)?;
    readable::<few_shot::Figures>(Lesson::FewShot)?;
    readable::<sft::Figures>(Lesson::Sft)?;
    readable::<rlhf::Figures>(Lesson::Rlhf)?;
    readable::<dpo::Figures>(Lesson::Dpo)?;
    readable::<speculative_decoding::Figures>(Lesson::SpeculativeDecoding)
}

fn zip(role: Role) -> Result<Vec<u8>> {
    let file = lessons().join("shipped").join(role.slug()).with_extension("zip");
    fs::read(&file).with_context(|| file.display().to_string())
}

#[test]
fn models_and_sweep_are_small() -> Result<()> {
    let mut bytes = fs::metadata(lessons().join("shipped/runs/scaling-laws.json"))?.len() as usize;
    for role in Role::ALL {
        bytes += zip(role)?.len();
    }
    ensure!(bytes < 2_000_000, "models and the sweep's results have {bytes} bytes");
    Ok(())
}

struct Nobody;

impl Host for Nobody {
    fn moment(&mut self, _: Moment) -> GoOn<'_> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[test]
fn every_shipped_model_is_worth_what_it_was() -> Result<()> {
    let text = fs::read_to_string(lessons().join("shipped/figures.json"))?;
    let recorded: Vec<Figure> = serde_json::from_str(&text)?;
    let mut models = Models::default();
    for role in Role::ALL {
        models.set(role, ModelFolder::from_zip(&zip(role)?)?);
        ensure!(recorded.iter().any(|f| f.role == role), "nothing is recorded of {}", role.slug());
    }
    let mut nobody = Nobody;
    let mut course = Course::new(Box::new(Cpu::<f32>::new()), 1, Size::Default, models, &mut nobody);
    let found = pollster::block_on(measure(&mut course))?;
    ensure!(found.len() == recorded.len(), "{found:?}");
    for (found, was) in found.iter().zip(&recorded) {
        let Figure { role, name, value, tolerance, .. } = was;
        println!("{} {name}: {value:.5} when trained, {:.5} as shipped", role.slug(), found.value);
        ensure!((found.role, &found.name) == (*role, name), "{found:?} instead of {was:?}");
        ensure!(
            (found.value - value).abs() <= *tolerance,
            "{} {name} was {value} and is {}",
            role.slug(),
            found.value
        );
    }
    Ok(())
}

#[test]
fn every_shipped_model_opens() -> Result<()> {
    for role in Role::ALL {
        let model = ModelFolder::from_zip(&zip(role)?).with_context(|| role.slug())?;
        let expected = if role == Role::Draft { 5_000..40_000 } else { 170_000..190_000 };
        ensure!(
            expected.contains(&model.config.parameters()),
            "{}: {}",
            role.slug(),
            model.config.parameters()
        );
    }
    Ok(())
}

#[test]
fn predictions_are_answered_by_checks_that_exist() -> Result<()> {
    for entry in fs::read_dir(lessons())? {
        let folder = entry?.path();
        let Ok(text) = fs::read_to_string(folder.join("lesson.md")) else { continue };
        let slug = folder.file_name().unwrap_or_default().to_string_lossy();
        let slug = slug.split_once('-').map_or("", |(_, slug)| slug);
        let lesson = Lesson::ALL.into_iter().find(|l| l.slug() == slug).context("a lesson of no recipe")?;
        let named = text.lines().find_map(|l| l.strip_prefix("check = \"")?.strip_suffix('"'));
        let named = named.with_context(|| format!("{slug}: no check answers the prediction"))?;
        let record = record(lesson)?;
        ensure!(record.checks.iter().any(|c| c.name == named), "{slug}: there is no check {named}");
    }
    Ok(())
}
