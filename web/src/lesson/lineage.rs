//! "Your model": what has been made of the base so far, by whom, and how to take it further.

use super::LessonStore;
use super::data::SaveData;
use super::store::Model;
use crate::format::bytes;
use gradus_lessons::recipe::{Lesson, Role};
use leptos::prelude::*;

/// The models of the course, from which each was made, and their files.
#[component]
pub(crate) fn Lineage(store: LessonStore) -> impl IntoView {
    view! {
        <section class="card lineage" data-testid="model-lineage" aria-labelledby="lineage-title">
            <header><h2 id="lineage-title">"Your model"</h2><small>"base → SFT, reward, PPO, DPO · draft"</small></header>
            <ol>{Role::ALL.map(|role| view! { <Item store role /> }).collect_view()}</ol>
            <TakeFurther store />
        </section>
    }
}

/// What a role is called, and which lesson makes it.
pub(super) fn words(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Base => ("base", "pretrained on the course's language"),
        Role::Sft => ("SFT", "answers questions · step 5"),
        Role::RlStart => ("start of RLHF", "SFT on mixed demonstrations · step 6"),
        Role::Reward => ("reward model", "scores answers · step 6"),
        Role::Ppo => ("PPO", "earns the reward · step 6"),
        Role::Dpo => ("DPO", "prefers without a reward model · step 7"),
        Role::Draft => ("draft", "guesses ahead for the base · step 8"),
    }
}

#[component]
fn Item(store: LessonStore, role: Role) -> impl IntoView {
    let model = Memo::new(move |_| store.models.with(|m| m.get(&role).cloned()));
    let (name, what) = words(role);
    let status = move || match model.get() {
        None => "not made yet".to_owned(),
        Some(Model { made: None, bytes: n }) => format!("came with the page · {}", bytes(n)),
        Some(Model { made: Some(made), bytes: n }) => {
            let by = made.lesson.map_or("opened from a file".to_owned(), |l| {
                let number = Lesson::ALL.iter().position(|x| *x == l).map_or(0, |i| i + 1);
                format!("yours, step {number}, seed {}", made.seed)
            });
            let day = js_sys::Date::new(&made.when.into())
                .to_locale_date_string("default", &wasm_bindgen::JsValue::UNDEFINED);
            format!("{by} · {} · {}", String::from(day), bytes(n))
        }
    };
    let own = move || model.get().is_some_and(|m| m.made.is_some());
    view! {
        <li data-role=role.slug() data-have=move || model.get().is_some().to_string()>
            <b>{name}</b><span>{what}</span><small>{status}</small>
            <span class="acts">
                <Show when=move || model.get().is_some()>
                    <button type="button" class="quiet" on:click=move |_| store.download(role)
                        aria-label=format!("Download the {name} model as a Hugging Face folder")>"Download"</button>
                </Show>
                <Show when=own>
                    <button type="button" class="quiet" on:click=move |_| store.forget_model(role)
                        aria-label=format!("Forget your {name} model")>"Forget"</button>
                </Show>
            </span>
        </li>
    }
}

/// The same stage on a real GPU, with the field's own tools.
#[component]
fn TakeFurther(store: LessonStore) -> impl IntoView {
    let Some((role, command, data)) = command(store.lesson) else { return ().into_any() };
    view! {
        <details class="further">
            <summary>"Take it further on a real GPU"</summary>
            <p>
                "Download the " {words(role).0} " model above and unzip it: it is a Hugging Face folder. "
                {data}
            </p>
            <p><SaveData store /></p>
            <pre tabindex="0">{command}</pre>
        </details>
    }
    .into_any()
}

/// The model to begin from, TRL's command line for this lesson's stage, and what data it wants.
fn command(lesson: Lesson) -> Option<(Role, &'static str, &'static str)> {
    Some(match lesson {
        Lesson::Sft => (
            Role::Base,
            "trl sft --model_name_or_path ./gradus-base \\\n  --dataset_name ./pairs --learning_rate 1.5e-3 \\\n  --completion_only_loss true --output_dir ./sft",
            "Save the data into a folder “pairs”: one object a line, {\"prompt\": …, \"completion\": …}.",
        ),
        Lesson::Rlhf => (
            Role::RlStart,
            "trl reward --model_name_or_path ./gradus-rl-start \\\n  --dataset_name ./preferences --learning_rate 2e-3 --output_dir ./reward\n\n# TRL up to 1.12\npython examples/scripts/ppo/ppo.py \\\n  --model_name_or_path ./gradus-rl-start --sft_model_path ./gradus-rl-start \\\n  --reward_model_path ./reward --dataset_name ./preferences \\\n  --learning_rate 3e-4 --kl_coef 0.1 --cliprange 0.2 --missing_eos_penalty 1.0 --output_dir ./ppo",
            "Save the data into a folder “preferences”: {\"prompt\": …, \"chosen\": …, \"rejected\": …}. The reward model comes first; PPO then takes it as its reward.",
        ),
        Lesson::Dpo => (
            Role::RlStart,
            "trl dpo --model_name_or_path ./gradus-rl-start \\\n  --dataset_name ./preferences --beta 0.5 --learning_rate 3e-4 --output_dir ./dpo",
            "Save the data into a folder “preferences”: {\"prompt\": …, \"chosen\": …, \"rejected\": …}.",
        ),
        Lesson::SpeculativeDecoding => (
            Role::Base,
            "python - <<'EOF'\nfrom transformers import AutoModelForCausalLM as M, AutoTokenizer as T\nt = T.from_pretrained('gradus-base')\nbase, draft = M.from_pretrained('gradus-base'), M.from_pretrained('gradus-draft')\nx = t('the fox', return_tensors='pt')\nprint(t.decode(base.generate(**x, assistant_model=draft, max_new_tokens=40)[0]))\nEOF",
            "transformers calls it assisted generation. Download the draft too.",
        ),
        _ => return None,
    })
}
