//! The learner's choices, and the run that they describe.

use gradus_core::protocol::{DeviceChoice, ModelConfig, RunConfig, Source, TrainConfig};
use gradus_core::text::MAX_TEXT_BYTES;
use serde::{Deserialize, Serialize};

/// What the controls of the home page hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of weights, batches and samples.
    pub seed: u32,
    /// A name of [`ModelConfig::PRESETS`].
    pub preset: String,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Steps of the whole run.
    pub steps: u64,
    /// Rows in a batch.
    pub batch: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 1, preset: "127k".into(), device: DeviceChoice::Auto, steps: 2000, batch: 16 }
    }
}

impl Settings {
    /// A run on the world's language.
    pub fn world(&self) -> RunConfig {
        self.run(Source::World { seed: self.seed })
    }

    /// A run on the user's own text, with a vocabulary of at most `vocab` tokens.
    pub fn own_text(&self, text: String, vocab: u32) -> RunConfig {
        self.run(Source::Text { text, vocab })
    }

    /// A run on `source`. An unknown preset is the default one.
    pub fn run(&self, source: Source) -> RunConfig {
        let model = ModelConfig::preset(&self.preset).unwrap_or_else(|| {
            let (_, n_layer, n_embd, n_head, n_positions) = ModelConfig::PRESETS[3];
            ModelConfig {
                n_layer,
                n_embd,
                n_head,
                n_positions,
                vocab_size: 0,
                attention: Default::default(),
                scale_attn_weights: true,
                init: Default::default(),
            }
        });
        // The peak rate that trained best at widths 12 to 64 falls as 1/√C: 0.012·√(32/C).
        let lr = 0.012 * (32.0 / model.n_embd as f64).sqrt();
        let train = TrainConfig { steps: self.steps, batch: self.batch, lr, ..TrainConfig::default() };
        RunConfig { source, model, train, seed: self.seed, device: self.device }
    }

    /// The settings that describe `config`, as far as the controls can say it.
    pub fn of(config: &RunConfig) -> Self {
        let shape = |m: &ModelConfig| (m.n_layer, m.n_embd, m.n_head, m.n_positions);
        let preset = ModelConfig::PRESETS
            .iter()
            .find(|p| (p.1, p.2, p.3, p.4) == shape(&config.model))
            .map_or("own", |p| p.0);
        Self {
            seed: config.seed,
            preset: preset.into(),
            device: config.device,
            steps: config.train.steps,
            batch: config.train.batch,
        }
    }
}

/// The seed that a person typed.
///
/// # Errors
/// A sentence for the person, where it is not a whole number from 0 to 4,294,967,295.
pub fn parse_seed(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| {
        "A seed is a whole number from 0 to 4294967295. The run goes on with the seed it has.".to_owned()
    })
}

/// What is wrong with a text of so many bytes, if it is too much.
pub fn too_large(bytes: f64) -> Option<String> {
    (bytes > MAX_TEXT_BYTES as f64).then(|| {
        format!(
            "This text has {:.0} MiB; at most {} MiB can be used. Take a part of it: a model this small learns \
             little from more.",
            bytes / 1_048_576.0,
            MAX_TEXT_BYTES >> 20
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_and_its_settings_agree() {
        for (preset, ..) in ModelConfig::PRESETS {
            let settings = Settings { preset: preset.into(), seed: 9, ..Settings::default() };
            assert_eq!(Settings::of(&settings.world()), settings);
        }
    }

    #[test]
    fn a_text_of_a_hundred_megabytes_is_named_as_such() {
        assert_eq!(too_large(MAX_TEXT_BYTES as f64), None);
        assert!(
            too_large(104_857_600.0).is_some_and(|m| m.starts_with("This text has 100 MiB; at most 16 MiB"))
        );
    }

    #[test]
    fn a_seed_is_a_number() {
        assert_eq!(parse_seed(" 42 "), Ok(42));
        for bad in ["", "-1", "1.5", "4294967296", "seven"] {
            assert!(parse_seed(bad).is_err(), "{bad}");
        }
    }
}
