//! The settings in the address: a link reproduces what is on the screen.

use crate::settings::Settings;
use gradus_core::protocol::{DeviceChoice, ModelConfig, RunConfig, Source};

/// What an address asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Address {
    /// The settings, defaults where the address is silent.
    pub settings: Settings,
    /// True where it names at least one setting: then a kept run is taken up only if it matches.
    pub explicit: bool,
    /// True for `?faults`: tests may ask the worker to suffer one.
    pub faults: bool,
    /// True for `?paused`: wait for a press on Run.
    pub paused: bool,
    /// What could not be used, a sentence each.
    pub complaints: Vec<String>,
}

/// Bounds of what a link may ask for, so that one cannot freeze the reader's machine.
const STEPS: std::ops::RangeInclusive<u64> = 1..=1_000_000;
const BATCH: std::ops::RangeInclusive<usize> = 1..=256;

/// Reads the query part of an address, with or without its `?`.
pub fn parse(query: &str) -> Address {
    let mut address = Address::default();
    for pair in query.trim_start_matches('?').split('&').filter(|p| !p.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let settings = &mut address.settings;
        let used = match key {
            "faults" => {
                address.faults = true;
                continue;
            }
            "paused" => {
                address.paused = true;
                continue;
            }
            "seed" => value.parse().map(|v| settings.seed = v).is_ok(),
            "steps" => set(value, |v| STEPS.contains(v), &mut settings.steps),
            "batch" => set(value, |v| BATCH.contains(v), &mut settings.batch),
            "preset" => {
                let known = ModelConfig::preset(value).is_some();
                if known {
                    settings.preset = value.into();
                }
                known
            }
            "device" => device(value).map(|v| settings.device = v).is_some(),
            _ => continue,
        };
        if used {
            address.explicit = true;
        } else {
            address.complaints.push(format!(
                "The link's “{key}” has a value that cannot be used, so the usual one was taken."
            ));
        }
    }
    address
}

fn set<T: std::str::FromStr>(value: &str, fits: impl Fn(&T) -> bool, place: &mut T) -> bool {
    match value.parse() {
        Ok(v) if fits(&v) => {
            *place = v;
            true
        }
        _ => false,
    }
}

/// The query of these settings (no `?`), only what differs from the defaults; empty for the defaults.
pub fn query(settings: &Settings, faults: bool) -> String {
    let usual = Settings::default();
    let mut parts = Vec::new();
    if settings.seed != usual.seed {
        parts.push(format!("seed={}", settings.seed));
    }
    if settings.preset != usual.preset && ModelConfig::preset(&settings.preset).is_some() {
        parts.push(format!("preset={}", settings.preset));
    }
    if settings.device != usual.device {
        parts.push(format!("device={}", device_name(settings.device)));
    }
    if settings.steps != usual.steps {
        parts.push(format!("steps={}", settings.steps));
    }
    if settings.batch != usual.batch {
        parts.push(format!("batch={}", settings.batch));
    }
    if faults {
        parts.push("faults".into());
    }
    parts.join("&")
}

/// The query that leads to this run (no `?`). What no link can hold, a text or a shape of model of one's own, has none.
pub fn query_of(run: &RunConfig, faults: bool) -> String {
    let settings = Settings::of(run);
    let own = matches!(run.source, Source::Text { .. }) || ModelConfig::preset(&settings.preset).is_none();
    query(&if own { Settings::default() } else { settings }, faults)
}

/// The name of a choice in addresses and option values.
pub fn device_name(device: DeviceChoice) -> &'static str {
    match device {
        DeviceChoice::Auto => "auto",
        DeviceChoice::Cpu => "cpu",
        DeviceChoice::Gpu => "gpu",
    }
}

/// The choice of that name.
pub fn device(name: &str) -> Option<DeviceChoice> {
    [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu].into_iter().find(|d| device_name(*d) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_its_settings_agree() {
        let settings =
            Settings { seed: 7, preset: "40k".into(), device: DeviceChoice::Cpu, steps: 300, batch: 8 };
        let address = parse(&format!("?{}", query(&settings, true)));
        assert_eq!(address.settings, settings);
        assert!(address.explicit && address.faults && address.complaints.is_empty());
    }

    #[test]
    fn the_defaults_need_no_address() {
        assert_eq!(query(&Settings::default(), false), "");
        assert_eq!(parse(""), Address::default());
    }

    #[test]
    fn what_is_ones_own_is_in_no_link() {
        let settings = Settings { seed: 7, device: DeviceChoice::Cpu, ..Settings::default() };
        assert_eq!(query_of(&settings.world(), false), "seed=7&device=cpu");
        assert_eq!(query_of(&settings.own_text("Mine.".into(), 300), true), "faults");
        let mut opened = settings.world();
        opened.model.n_layer = 5;
        assert_eq!(query_of(&opened, false), "");
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let address = parse("?seed=abc&preset=huge&batch=100000&utm=x");
        assert_eq!(address.settings, Settings::default());
        assert_eq!(address.complaints.len(), 3);
        assert!(!address.explicit);
    }
}
