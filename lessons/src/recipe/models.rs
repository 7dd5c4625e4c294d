//! The models of the course: what one lesson makes, the next begins from.

use gradus_core::model::ModelFolder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a model is to the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Pretrained on the full mix.
    Base,
    /// Fine-tuned on true answers.
    Sft,
    /// Fine-tuned on demonstrations of mixed quality: where RLHF and DPO begin.
    RlStart,
    /// The reward model.
    Reward,
    /// The policy after PPO.
    Ppo,
    /// The policy after DPO.
    Dpo,
    /// The small model that drafts for the base.
    Draft,
}

impl Role {
    /// In the order in which they are made.
    pub const ALL: [Self; 7] =
        [Self::Base, Self::Sft, Self::RlStart, Self::Reward, Self::Ppo, Self::Dpo, Self::Draft];

    /// The name of its folder: `rl-start`.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Sft => "sft",
            Self::RlStart => "rl-start",
            Self::Reward => "reward",
            Self::Ppo => "ppo",
            Self::Dpo => "dpo",
            Self::Draft => "draft",
        }
    }
}

/// The models at hand.
#[derive(Clone, Debug, Default)]
pub struct Models(BTreeMap<Role, ModelFolder>);

impl Models {
    /// The model of this role, if there is one.
    pub fn get(&self, role: Role) -> Option<&ModelFolder> {
        self.0.get(&role)
    }

    /// Sets the model of this role.
    pub fn set(&mut self, role: Role, model: ModelFolder) {
        self.0.insert(role, model);
    }

    /// All of them, in the order of [`Role::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Role, &ModelFolder)> {
        self.0.iter().map(|(&role, model)| (role, model))
    }
}
