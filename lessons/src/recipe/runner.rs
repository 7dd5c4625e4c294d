//! Runs any lesson by its name, with its settings patched: what the command and the page have in common.

use super::{Course, Lesson, Report, Size, base};
use crate::check::Check;
use gradus_core::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Most of anything that a setting counts: a list of so many can be held, and the product of two is still a number.
const MOST: u64 = 10_000_000;
/// Most tokens, which no list holds.
const MOST_TOKENS: u64 = 1000 * MOST;

/// What a lesson came to, its figures as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The table "measured beside expected".
    pub checks: Vec<Check>,
    /// The recipe's `Figures`.
    pub figures: Value,
}

/// Calls `$then` with the recipe's settings type and its `run`.
macro_rules! recipe {
    ($recipe:ident, $course:expr, $patch:expr) => {{
        use super::$recipe::{Settings, run};
        let settings: Settings = patched(&Settings::of($course.size), $patch)?;
        outcome(run($course, &settings).await?)
    }};
}

/// Runs `lesson` (only the base model for `None`) with the settings of the course's size, changed by `patch`: a
/// JSON object with some of the recipe's `Settings`, nested as they are.
///
/// # Errors
/// [`Error::Config`] where the patch does not fit the settings; those of the recipe.
pub async fn run(lesson: Option<Lesson>, course: &mut Course<'_>, patch: &Value) -> Result<Outcome> {
    match lesson {
        None => {
            base(course).await?;
            Ok(Outcome { checks: Vec::new(), figures: Value::Null })
        }
        Some(Lesson::ScalingLaws) => recipe!(scaling_laws, course, patch),
        Some(Lesson::Attention) => recipe!(attention, course, patch),
        Some(Lesson::FlashAttention) => recipe!(flash_attention, course, patch),
        Some(Lesson::FewShot) => recipe!(few_shot, course, patch),
        Some(Lesson::Sft) => recipe!(sft, course, patch),
        Some(Lesson::Rlhf) => recipe!(rlhf, course, patch),
        Some(Lesson::Dpo) => recipe!(dpo, course, patch),
        Some(Lesson::SpeculativeDecoding) => recipe!(speculative_decoding, course, patch),
    }
}

/// Whether a patch fits a lesson's settings.
///
/// # Errors
/// [`Error::Config`] says what does not.
pub fn fits(lesson: Lesson, size: Size, patch: &Value) -> Result<()> {
    macro_rules! fit {
        ($recipe:ident) => {
            patched(&super::$recipe::Settings::of(size), patch).map(drop)
        };
    }
    match lesson {
        Lesson::ScalingLaws => fit!(scaling_laws),
        Lesson::Attention => fit!(attention),
        Lesson::FlashAttention => fit!(flash_attention),
        Lesson::FewShot => fit!(few_shot),
        Lesson::Sft => fit!(sft),
        Lesson::Rlhf => fit!(rlhf),
        Lesson::Dpo => fit!(dpo),
        Lesson::SpeculativeDecoding => fit!(speculative_decoding),
    }
}

/// A lesson's settings of this size, as a patch would name them.
///
/// # Errors
/// None of the recipes' settings fails to be written as JSON.
pub fn settings(lesson: Lesson, size: Size) -> Result<Value> {
    macro_rules! of {
        ($recipe:ident) => {
            to_json(&super::$recipe::Settings::of(size))
        };
    }
    match lesson {
        Lesson::ScalingLaws => of!(scaling_laws),
        Lesson::Attention => of!(attention),
        Lesson::FlashAttention => of!(flash_attention),
        Lesson::FewShot => of!(few_shot),
        Lesson::Sft => of!(sft),
        Lesson::Rlhf => of!(rlhf),
        Lesson::Dpo => of!(dpo),
        Lesson::SpeculativeDecoding => of!(speculative_decoding),
    }
}

fn outcome<F: Serialize>(report: Report<F>) -> Result<Outcome> {
    Ok(Outcome { checks: report.checks, figures: to_json(&report.figures)? })
}

fn to_json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::Config(format!("cannot be written as JSON: {e}")))
}

/// `settings` with the members of `patch` put in place of theirs.
fn patched<S: Serialize + DeserializeOwned>(settings: &S, patch: &Value) -> Result<S> {
    let mut value = to_json(settings)?;
    merge(&mut value, patch, "settings")?;
    check_numbers(&value, "settings")?;
    serde_json::from_value(value).map_err(|e| Error::Config(format!("a setting does not fit: {e}")))
}

/// Puts `patch` into `value`: objects member by member, all else as a whole. A member that `value` lacks is an
/// error, so that a misspelt knob is not silently without effect.
fn merge(value: &mut Value, patch: &Value, path: &str) -> Result<()> {
    match (value, patch) {
        (_, Value::Null) => Ok(()),
        (Value::Object(members), Value::Object(changes)) => changes.iter().try_for_each(|(name, change)| {
            let path = format!("{path}.{name}");
            match members.get_mut(name) {
                Some(member) => merge(member, change, &path),
                None => Err(Error::Config(format!("there is no setting {path}"))),
            }
        }),
        (value, patch) => {
            *value = patch.clone();
            Ok(())
        }
    }
}

/// Refuses whole numbers that no run comes to the end of.
fn check_numbers(value: &Value, path: &str) -> Result<()> {
    let most = if path.ends_with("tokens") { MOST_TOKENS } else { MOST };
    match value {
        Value::Number(n) if n.as_u64().is_some_and(|n| n > most) => {
            Err(Error::Config(format!("{path} is {n}: give {most} or less")))
        }
        Value::Array(all) => all.iter().try_for_each(|value| check_numbers(value, path)),
        Value::Object(members) => {
            members.iter().try_for_each(|(name, value)| check_numbers(value, &format!("{path}.{name}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::sft;
    use serde_json::json;

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() -> Result<()> {
        let usual = sft::Settings::of(Size::Smoke);
        assert_eq!(patched(&usual, &Value::Null)?, usual);
        let changed = patched(&usual, &json!({ "lr": 0.5, "lora": { "rank": 2 } }))?;
        assert_eq!((changed.lr, changed.lora.rank), (0.5, 2));
        assert_eq!((changed.steps, changed.lora.alpha), (usual.steps, usual.lora.alpha));
        Ok(())
    }

    #[test]
    fn a_patch_that_does_not_fit_says_where() {
        let usual = sft::Settings::of(Size::Smoke);
        for (patch, says) in [
            (json!({ "lora": { "rnak": 2 } }), "settings.lora.rnak"),
            (json!({ "lr": "x" }), "fit"),
            (json!({ "lora": { "rank": u64::MAX } }), "settings.lora.rank is 18446744073709551615"),
        ] {
            let error = patched(&usual, &patch).map(drop).map_err(|e| e.to_string());
            assert!(error.as_ref().is_err_and(|e| e.contains(says)), "{error:?}");
        }
    }

    #[test]
    fn every_lesson_has_settings_of_every_size() -> Result<()> {
        for lesson in Lesson::ALL {
            for size in [Size::Smoke, Size::Default, Size::Full] {
                fits(lesson, size, &Value::Null)?;
                assert!(fits(lesson, size, &json!({ "no such thing": 1 })).is_err());
            }
        }
        Ok(())
    }
}
