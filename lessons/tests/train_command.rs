//! `gradus train`, as a user runs it: against PyTorch's figures, and with data that cannot be used.

use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).expect("a scratch folder");
    dir
}

fn train(kind: &str, model: &Path, data: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gradus"))
        .args(["train", kind, "--device", "cpu", "--model"])
        .arg(model)
        .arg("--data")
        .arg(data)
        .args(more)
        .output()
        .expect("gradus runs")
}

fn start() -> PathBuf {
    Path::new(GOLDEN).join("l1-c16-h2-t8-v24")
}

/// The ten steps of a fixture of `tests/golden/make_tuning.py`, through the command's files and options: its settings
/// of the optimizer are given as the fixture names them.
fn agrees_with_pytorch(case: &str, kind: &str, batch: &str, more: &[&str]) {
    let dir = scratch(case);
    let file =
        std::fs::read(Path::new(GOLDEN).join("tuning").join(case).join("case.json")).expect("a fixture");
    let fixture: Value = serde_json::from_slice(&file).expect("JSON");
    let steps = fixture["steps"].as_array().expect("steps");
    let mut lines = String::new();
    for row in steps.iter().flat_map(|s| s["rows"].as_array().expect("rows")) {
        writeln!(lines, "{row}").expect("a line");
    }
    let (data, log) = (dir.join("data.jsonl"), dir.join("log.jsonl"));
    std::fs::write(&data, lines).expect("data");
    let log_text = log.to_str().expect("a path in UTF-8");
    let mut given: Vec<String> =
        ["--no-shuffle", "--batch", batch, "--log", log_text].map(String::from).into();
    for (option, name) in [
        ("--lr", "lr"),
        ("--lr-schedule", "schedule"),
        ("--warmup", "warmup"),
        ("--weight-decay", "weight_decay"),
        ("--max-grad-norm", "max_grad_norm"),
        ("--beta1", "beta1"),
        ("--beta2", "beta2"),
        ("--eps", "eps"),
    ] {
        let value = &fixture["train"][name];
        given.extend([option.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)]);
    }
    given.extend(more.iter().map(|&s| s.to_owned()));
    let output = train(kind, &start(), &data, &given.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = std::fs::read_to_string(&log).expect("a log");
    assert_eq!(log.lines().count(), steps.len());
    for (line, step) in log.lines().zip(steps) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for (name, want) in step["metrics"].as_object().expect("metrics") {
            let (got, want) = (line[name].as_f64().expect(name), want.as_f64().expect("a number"));
            assert!(
                (got - want).abs() <= 1e-4 * want.abs().max(1.0),
                "{case}, {name}: {got}, expected {want}"
            );
        }
    }
}

#[test]
fn the_log_of_sft_and_dpo_is_pytorchs() {
    agrees_with_pytorch("sft-masked", "sft", "4", &[]);
    agrees_with_pytorch("sft-unmasked", "sft", "4", &["--no-mask"]);
    agrees_with_pytorch("dpo", "dpo", "2", &["--beta", "0.5"]);
    agrees_with_pytorch("sft-cosine-unclipped", "sft", "4", &[]);
    let smooth = ["--beta", "0.3", "--label-smoothing", "0.1"];
    agrees_with_pytorch("dpo-constant-smooth", "dpo", "3", &smooth);
}

#[test]
fn a_reward_model_begins_at_ln_2_and_can_be_opened_again() {
    let dir = scratch("reward");
    let (data, out) = (dir.join("data.jsonl"), dir.join("model"));
    std::fs::write(&data, "{\"prompt\": [1, 2], \"chosen\": [3, 4], \"rejected\": [7, 8, 9]}\n")
        .expect("data");
    let last = |model: &Path, more: &[&str]| -> Value {
        let output = train("reward", model, &data, more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        printed["last"].clone()
    };
    let common = ["--batch", "2", "--lr", "1e-2"];
    let first = last(&start(), &[&common[..], &["--steps", "1"]].concat());
    assert!((first["loss"].as_f64().expect("a loss") - 2f64.ln()).abs() < 1e-6, "{first}");
    let saved = ["--steps", "9", "--out", out.to_str().expect("a path in UTF-8")];
    let tenth = last(&start(), &[&common[..], &["--steps", "10"]].concat());
    last(&start(), &[&common[..], &saved].concat());
    // What was written after nine steps has the loss of the tenth.
    let again = last(&out, &[&common[..], &["--steps", "1"]].concat());
    let [a, b] = [&tenth, &again].map(|v| v["loss"].as_f64().expect("a loss"));
    assert!((a - b).abs() < 1e-6 && a < 0.6, "{a} {b}");
}

#[test]
fn ppo_earns_a_reward_models_score_and_logs_under_trls_names() {
    let dir = scratch("ppo");
    let file = |name: &str| dir.join(name);
    let path = |p: &Path| p.to_str().expect("a path in UTF-8").to_owned();
    // Whoever ends an answer with 7 or 8 rather than with 3 or 4 is preferred.
    let pairs = "{\"prompt\": [1, 2], \"chosen\": [7, 8], \"rejected\": [3, 4]}\n\
                 {\"prompt\": [2, 5], \"chosen\": [8, 7], \"rejected\": [4, 3]}\n";
    std::fs::write(file("pairs.jsonl"), pairs).expect("data");
    let reward = path(&file("reward"));
    let made = train(
        "reward",
        &start(),
        &file("pairs.jsonl"),
        &["--batch", "2", "--lr", "1e-2", "--steps", "40", "--out", &reward],
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    std::fs::write(file("prompts.jsonl"), "{\"prompt\": [1, 2]}\n{\"prompt\": [2, 5]}\n").expect("data");
    let (log, out) = (path(&file("log.jsonl")), path(&file("policy")));
    let more = ["--reward-model", &reward, "--stop-token", "0", "--response-length", "4", "--batch", "32"];
    let rest = ["--lr", "1e-2", "--steps", "30", "--temperature", "1", "--log", &log, "--out", &out];
    let output = train("ppo", &start(), &file("prompts.jsonl"), &[&more[..], &rest].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    // Policy, reference, reward model and value model, each with its bytes.
    let models = printed["models"].as_array().expect("models");
    assert_eq!(models.len(), 4, "{printed}");

    let log = std::fs::read_to_string(&log).expect("a log");
    let lines: Vec<Value> = log.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.len(), 30);
    for name in [
        "objective/kl",
        "objective/entropy",
        "objective/non_score_reward",
        "objective/rlhf_reward",
        "objective/scores",
        "policy/approxkl_avg",
        "policy/clipfrac_avg",
        "policy/entropy_avg",
        "loss/policy_avg",
        "loss/value_avg",
        "val/clipfrac_avg",
        "val/ratio",
        "val/ratio_var",
        "val/num_eos_tokens",
        "lr",
        "episode",
    ] {
        assert!(lines.iter().all(|l| l[name].is_number()), "{name} is missing: {}", lines[0]);
    }
    let mean = |lines: &[Value]| {
        lines.iter().map(|l| l["objective/scores"].as_f64().expect("a score")).sum::<f64>() / 5.0
    };
    let (first, last) = (mean(&lines[..5]), mean(&lines[25..]));
    assert!(last > first + 0.5, "scores went from {first} to {last}");
    assert_eq!(lines[0]["objective/kl"].as_f64().map(|kl| kl.abs() < 1e-5), Some(true), "{}", lines[0]);
    assert!(Path::new(&out).join("model.safetensors").is_file());
}

#[test]
fn data_that_cannot_be_used_is_refused_with_its_line() {
    let data = scratch("refused").join("data.jsonl");
    for (line, parts) in [
        ("no json", ["line 2", "no JSON"]),
        ("[1]", ["line 2", "no JSON object"]),
        (r#"{"prompt": [1]}"#, ["line 2", "no \"completion\""]),
        (r#"{"prompt": [1], "completion": []}"#, ["line 2", "empty"]),
        (r#"{"prompt": [1], "completion": [24]}"#, ["line 2", "ends at 23"]),
        (r#"{"prompt": [1], "completion": [-1]}"#, ["line 2", "no token id"]),
        (r#"{"prompt": "a", "completion": [1]}"#, ["line 2", "no tokenizer.json"]),
        (r#"{"prompt": [{"role": "user"}], "completion": [1]}"#, ["line 2", "chat template"]),
        (r#"{"prompt": [1, 2, 3, 4, 5, 6, 7, 8], "completion": [1, 2]}"#, ["line 2", "takes 9"]),
    ] {
        std::fs::write(&data, format!("{{\"prompt\": [1], \"completion\": [2]}}\n{line}\n")).expect("data");
        let output = train("sft", &start(), &data, &[]);
        assert!(!output.status.success(), "{line} went through");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(parts.iter().all(|p| said.contains(p)), "{line}: {said}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_data() {
    let data = scratch("mark").join("data.jsonl");
    std::fs::write(&data, "\u{FEFF}{\"prompt\": [1], \"completion\": [2]}\n").expect("data");
    let output = train("sft", &start(), &data, &["--batch", "1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn ppo_refuses_what_the_others_refuse() {
    let dir = scratch("ppo-refused");
    let file = |name: &str, content: &str| {
        std::fs::write(dir.join(name), content).expect("data");
        dir.join(name)
    };
    let pairs = file("pairs.jsonl", "{\"prompt\": [1, 2], \"chosen\": [7], \"rejected\": [3]}\n");
    let prompts = file("prompts.jsonl", "{\"prompt\": [1, 2]}\n");
    let reward = dir.join("reward");
    let reward = reward.to_str().expect("a path in UTF-8");
    let made = train("reward", &start(), &pairs, &["--batch", "1", "--out", reward]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let nowhere = format!("{}/x", prompts.to_str().expect("a path in UTF-8"));
    for (option, value, says) in [
        ("--steps", "0", "steps"),
        ("--beta1", "2", "beta1"),
        ("--eps", "0", "eps"),
        ("--stop-token", "999999", "ends at 23"),
        ("--forbid", "999999", "ends at 23"),
        ("--response-length", "18446744073709551615", "n_positions"),
        ("--out", &nowhere, "cannot be written"),
    ] {
        let mut given =
            vec!["--batch", "2", "--reward-model", reward, "--response-length", "4", "--stop-token", "0"];
        match given.iter().position(|&o| o == option) {
            Some(at) => given[at + 1] = value,
            None => given.extend([option, value]),
        }
        let output = train("ppo", &start(), &prompts, &given);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{option} {value}: {said}");
        assert!(!said.contains("iteration") && !said.contains("panicked"), "{option} {value}: {said}");
    }
}
