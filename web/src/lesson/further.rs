//! "Take it further on a real GPU": the same stage with the field's own tools, from the model that was made here.

use super::LessonStore;
use super::data::SaveData;
use super::lineage::words;
use gradus_lessons::recipe::preferences::REWARD_PAIRS;
use gradus_lessons::recipe::{Lesson, Role, Size, dpo, rlhf, sft};
use leptos::prelude::*;

/// How a lesson's stage goes on elsewhere.
struct Further {
    /// The model to begin from.
    role: Role,
    /// TRL's command line, or a script.
    command: String,
    /// What data it wants.
    data: String,
}

/// The command, and where its model and its data come from; nothing in lessons that have none.
#[component]
pub(super) fn TakeFurther(store: LessonStore) -> impl IntoView {
    let Some(Further { role, command, data }) = further(store.lesson) else { return ().into_any() };
    view! {
        <details class="further">
            <summary>"Take it further on a real GPU"</summary>
            <p>
                "Download the model “" {words(role).0} "” above and unzip it: it is a Hugging Face folder. "
                {data}
            </p>
            <p><SaveData store /></p>
            <pre tabindex="0">{command}</pre>
        </details>
    }
    .into_any()
}

/// With the numbers that the lesson's own run takes.
fn further(lesson: Lesson) -> Option<Further> {
    let preferences =
        "Save the data into a folder “preferences”: {\"prompt\": …, \"chosen\": …, \"rejected\": …}.";
    Some(match lesson {
        Lesson::Sft => {
            let own = sft::Settings::of(Size::Default);
            let command = shell(&[
                "trl sft --model_name_or_path ./gradus-base".into(),
                "--dataset_name ./pairs --completion_only_loss true".into(),
                rate(own.lr, own.batch, own.steps),
                "--output_dir ./sft".into(),
            ]);
            let data =
                "Save the data into a folder “pairs”: one object a line, {\"prompt\": …, \"completion\": …}.";
            Further { role: Role::Base, command, data: data.into() }
        }
        Lesson::Rlhf => {
            let own = rlhf::Settings::of(Size::Default);
            let (reward, ppo) = (own.preferences, own.ppo);
            let start = "./gradus-rl-start";
            let judge = shell(&[
                format!("trl reward --model_name_or_path {start}"),
                "--dataset_name ./preferences".into(),
                rate(reward.reward_lr, REWARD_PAIRS, reward.reward_steps),
                "--output_dir ./reward".into(),
            ]);
            let policy = shell(&[
                "python examples/scripts/ppo/ppo.py".into(),
                format!("--model_name_or_path {start} --sft_model_path {start}"),
                "--reward_model_path ./reward --dataset_name ./preferences".into(),
                format!(
                    "--learning_rate {:e} --kl_coef {} --cliprange {}",
                    ppo.train.lr, ppo.kl_coef, ppo.cliprange
                ),
                format!(
                    "--num_ppo_epochs {} --num_mini_batches {}",
                    ppo.num_ppo_epochs, ppo.num_mini_batches
                ),
                // TRL's batch is so many rows for each minibatch.
                format!(
                    "--per_device_train_batch_size {} --total_episodes {}",
                    ppo.train.batch / ppo.num_mini_batches,
                    ppo.train.steps * ppo.train.batch as u64
                ),
                "--output_dir ./ppo".into(),
            ]);
            Further {
                role: Role::RlStart,
                command: format!("{judge}\n\n# TRL up to 1.12\n{policy}"),
                data: format!("{preferences} The reward model comes first; PPO then takes it as its reward."),
            }
        }
        Lesson::Dpo => {
            let own = dpo::Settings::of(Size::Default).dpo;
            let command = shell(&[
                "trl dpo --model_name_or_path ./gradus-rl-start".into(),
                format!("--dataset_name ./preferences --beta {}", own.beta),
                rate(own.lr, own.pairs, own.steps),
                "--output_dir ./dpo".into(),
            ]);
            Further { role: Role::RlStart, command, data: preferences.into() }
        }
        Lesson::SpeculativeDecoding => Further {
            role: Role::Base,
            command: ASSISTED.into(),
            data: "transformers calls it assisted generation. Download the draft too.".into(),
        },
        _ => return None,
    })
}

/// Generation with a draft in transformers.
const ASSISTED: &str = "python - <<'EOF'
from transformers import AutoModelForCausalLM as M, AutoTokenizer as T
t = T.from_pretrained('gradus-base')
base, draft = M.from_pretrained('gradus-base'), M.from_pretrained('gradus-draft')
x = t('the fox', return_tensors='pt')
print(t.decode(base.generate(**x, assistant_model=draft, max_new_tokens=40)[0]))
EOF";

/// A command over several lines.
fn shell(lines: &[String]) -> String {
    lines.join(" \\\n  ")
}

/// The flags that TRL's trainers of SFT, of reward models and of DPO share.
fn rate(lr: f64, rows: usize, steps: u64) -> String {
    format!("--learning_rate {lr:e} --max_steps {steps} --per_device_train_batch_size {rows}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_takes_the_numbers_of_the_lesson() {
        let command = |lesson| further(lesson).map(|f| f.command).unwrap_or_default();
        let (sft, dpo) = (sft::Settings::of(Size::Default), dpo::Settings::of(Size::Default).dpo);
        let rlhf = rlhf::Settings::of(Size::Default);
        for (lesson, lr) in [
            (Lesson::Sft, sft.lr),
            (Lesson::Rlhf, rlhf.preferences.reward_lr),
            (Lesson::Rlhf, rlhf.ppo.train.lr),
            (Lesson::Dpo, dpo.lr),
        ] {
            let command = command(lesson);
            let told = |line: &str| {
                let mut words = line.split(' ').skip_while(|w| *w != "--learning_rate");
                words.nth(1).and_then(|w| w.parse().ok()) == Some(lr)
            };
            assert!(command.lines().any(told), "{lr} is not in {command}");
        }
        let dpo_command = command(Lesson::Dpo);
        assert!(dpo_command.contains(&format!("--beta {} ", dpo.beta)), "{dpo_command}");
        assert!(dpo_command.lines().rev().skip(1).all(|line| line.ends_with(" \\")), "{dpo_command}");
        assert!(further(Lesson::Attention).is_none());
    }
}
