//! The binary `gradus`, as a user runs it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn gradus(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gradus"))
        .args(args)
        .args(["--device", "cpu"])
        .output()
        .expect("gradus runs")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object on standard output")
}

/// Runs a command that must fail; gives its complaint.
fn complaint(args: &[&str]) -> String {
    let output = gradus(args);
    assert!(!output.status.success(), "{args:?} went through");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).expect("a scratch folder");
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn trains_evaluates_and_writes() {
    let dir = scratch("trains");
    let (out, log, tokens) = (dir.join("model"), dir.join("log.jsonl"), dir.join("tokens.json"));
    let common = ["pretrain", "--world", "--preset", "4k", "--steps", "12", "--batch", "4", "--seed", "3"];
    let trained = json(&gradus(&[&common[..], &["--out", text(&out), "--log", text(&log)]].concat()));
    assert_eq!(trained["steps"], 12);
    assert!(trained["eval_loss"].as_f64() < Some(362f64.ln()));

    let lines: Vec<Value> = std::fs::read_to_string(&log)
        .expect("a log")
        .lines()
        .map(|line| serde_json::from_str(line).expect("one JSON object a line"))
        .collect();
    assert_eq!(lines.len(), 12);
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(line["step"], i as u64 + 1);
        for key in ["loss", "grad_norm", "learning_rate", "num_tokens"] {
            assert!(line[key].is_number(), "{key} in {line}");
        }
    }

    std::fs::write(&tokens, "[[0, 10, 20, 30], [0, 7], [5]]").expect("written");
    let scored = json(&gradus(&["eval", "--model", text(&out), "--tokens", text(&tokens)]));
    let rows: Vec<Vec<f64>> = serde_json::from_value(scored["logprobs"].clone()).expect("rows");
    assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 0]);
    let mean = -rows.iter().flatten().sum::<f64>() / 4.0;
    assert!((scored["loss"].as_f64().expect("a loss") - mean).abs() < 1e-6);

    let write = [
        "generate",
        "--model",
        text(&out),
        "--prompt",
        "tom reed",
        "--max-tokens",
        "6",
        "--temperature",
        "0",
    ];
    let first = json(&gradus(&write));
    assert_eq!(first, json(&gradus(&write)), "greedy text is the same twice");
    assert!(first["tokens"].as_array().is_some_and(|t| (1..=6).contains(&t.len())));

    // The model drafts for itself: all is accepted, and the text is the same.
    let drafted = json(&gradus(&[&write[..], &["--draft", text(&out), "--speculate", "2"]].concat()));
    assert_eq!(drafted["tokens"], first["tokens"]);
    assert_eq!(drafted["acceptance"], 1.0);
    let made = first["tokens"].as_array().map_or(0, Vec::len) as u64;
    assert_eq!(drafted["calls"], made.div_ceil(3));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/l2-c32-h4-t16-v65");
    let refused = complaint(&[&write[..], &["--draft", text(&golden)]].concat());
    assert!(refused.contains("another tokenizer"), "{refused}");
}

#[test]
fn evaluates_what_transformers_saved() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/l2-c32-h4-t16-v65");
    let file = std::fs::read(golden.join("golden.safetensors")).expect("a fixture");
    let fixture = safetensors::SafeTensors::deserialize(&file).expect("safetensors");
    let tokens = fixture.tensor("tokens").expect("tokens");
    let [_, batch, width] = tokens.shape()[..] else { panic!("tokens are not [10, B, T + 1]") };
    let ids: Vec<i32> =
        tokens.data().chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let rows: Vec<&[i32]> = ids.chunks_exact(width).take(batch).collect();
    let path = scratch("transformers").join("tokens.json");
    std::fs::write(&path, serde_json::to_string(&rows).expect("JSON")).expect("written");
    let scored = json(&gradus(&["eval", "--model", text(&golden), "--tokens", text(&path)]));
    let losses = fixture.tensor("losses").expect("losses").data();
    let expected = f64::from(f32::from_le_bytes([losses[0], losses[1], losses[2], losses[3]]));
    let got = scored["loss"].as_f64().expect("a loss");
    assert!((got - expected).abs() < 1e-4, "loss {got}, PyTorch says {expected}");
}

#[test]
fn flops_of_a_step_follow_from_the_shape() {
    // GPT-2 small, as transformers writes it.
    let path = scratch("flops").join("config.json");
    let config = r#"{"model_type": "gpt2", "n_layer": 12, "n_embd": 768, "n_head": 12, "n_positions": 1024,
                     "vocab_size": 50257, "activation_function": "gelu_new"}"#;
    std::fs::write(&path, config).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_gradus"))
        .args(["flops", "--config", text(&path), "--batch", "1", "--context", "8"])
        .output()
        .expect("gradus runs");
    let refused = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && refused.contains("limit"), "124M parameters: {refused}");

    // A model of the course: the numbers by hand.
    let (l, c, t, v, b) = (3, 64, 64, 364, 2);
    let config =
        format!(r#"{{"n_layer": {l}, "n_embd": {c}, "n_head": 4, "n_positions": {t}, "vocab_size": {v}}}"#);
    std::fs::write(&path, config).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_gradus"))
        .args(["flops", "--config", text(&path), "--batch", "2"])
        .output()
        .expect("gradus runs");
    let cost = json(&output);
    let block = 12 * c * c + 13 * c;
    let parameters = (v + t) * c + l * block + 2 * c;
    assert_eq!(cost["parameters"], parameters);
    assert_eq!(cost["tokens"], b * t);
    assert_eq!(cost["six_n"], 6 * parameters * b * t);
    // Products with weights, the tied head among them, and the two of attention over the pairs the mask leaves.
    let products = 2 * b * t * (l * 12 * c * c + v * c) + l * 2 * 2 * b * c * (t * (t + 1) / 2);
    assert_eq!(cost["forward"], products);
    assert_eq!(
        cost["step"].as_u64(),
        Some(cost["forward"].as_u64().unwrap() + cost["backward"].as_u64().unwrap())
    );
    for bytes in ["weight_bytes", "gradient_bytes", "moment_bytes"] {
        assert!(cost[bytes].as_u64() >= Some(4 * parameters as u64), "{bytes}: {cost}");
    }
}

#[test]
fn says_what_is_wrong() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/l2-c32-h4-t16-v65");
    let dir = scratch("wrong");
    let file = |name: &str, content: &str| {
        let path = dir.join(name);
        std::fs::write(&path, content).expect("written");
        path
    };
    let eval = |path: &Path| complaint(&["eval", "--model", text(&golden), "--tokens", text(path)]);
    assert!(eval(Path::new("/nowhere.json")).contains("cannot be read"));
    assert!(eval(&file("no.json", "{]")).contains("rows of token ids"));
    assert!(eval(&file("beyond.json", "[[1, 65]]")).contains("vocabulary ends at 64"));
    assert!(eval(&file("long.json", &format!("[{:?}]", vec![1; 18]))).contains("too long"));
    assert!(eval(&file("empty.json", "[]")).contains("nothing to predict"));
    assert!(complaint(&["eval", "--model", "/nowhere", "--tokens", "x"]).contains("/nowhere"));
    assert!(complaint(&["pretrain", "--world", "--preset", "huge"]).contains("choose one of"));
    let short = file("short.txt", "too short");
    assert!(complaint(&["pretrain", "--text", text(&short), "--preset", "4k"]).contains("too short"));
    assert!(complaint(&["pretrain", "--world", "--config", "{\"n_layer\":1}"]).contains("configuration"));
}

/// A shape of model by its context.
fn shape(n_positions: &str) -> String {
    format!(r#"{{"n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": {n_positions}}}"#)
}

#[test]
fn numbers_out_of_range_are_refused() {
    for n in ["0", "1000000000000", "18446744073709551615"] {
        let refused = complaint(&["pretrain", "--world", "--config", &shape(n)]);
        assert!(refused.contains("1 to 1024"), "{n}: {refused}");
    }
    let many = Command::new(env!("CARGO_BIN_EXE_gradus"))
        .args(["flops", "--config", &shape("16"), "--batch", "4294967295"])
        .output()
        .expect("gradus runs");
    assert!(String::from_utf8_lossy(&many.stderr).contains("1..=1024"), "{many:?}");
    let few = r#"{"n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": 16, "vocab_size": 3}"#;
    assert!(complaint(&["pretrain", "--world", "--config", few]).contains("leave it out"));

    // Models to begin from, so that no lesson has to train one first.
    let models = scratch("out-of-range");
    let (base, shape) = (models.join("base"), shape("64"));
    let pretrain = ["pretrain", "--world", "--config", &shape, "--steps", "2", "--batch", "2"];
    json(&gradus(&[&pretrain[..], &["--out", text(&base)]].concat()));
    for (lesson, settings, says) in [
        ("scaling-laws", r#"{"context": 2000}"#, "1 to 1024"),
        ("attention", r#"{"widths": [0]}"#, "multiples of 4"),
        ("attention", r#"{"rnn_layers": 10000}"#, "1 to 48 layers"),
        ("flash-attention", r#"{"d": 0}"#, "1 or more"),
        ("few-shot", r#"{"shots": [100]}"#, "lower shots"),
        ("few-shot", r#"{"prompts": 18446744073709551615}"#, "settings.prompts"),
        ("sft", r#"{"pairs": 0}"#, "pairs"),
        ("rlhf", r#"{"preferences": {"demonstrations": 0}}"#, "demonstrations"),
        (
            "rlhf",
            r#"{"preferences": {"demonstrations": 8, "start_steps": 1, "prompts": 0}}"#,
            "sample more prompts",
        ),
    ] {
        let run = ["run", lesson, "--size", "smoke", "--from", text(&models), "--settings", settings];
        let refused = complaint(&run);
        assert!(refused.contains(says) && !refused.contains("panicked"), "{lesson} {settings}: {refused}");
    }
}

#[test]
fn paths_that_cannot_be_written_are_named_before_the_run() {
    let dir = scratch("unwritable");
    let (file, record) = (dir.join("file"), dir.join("record.json"));
    std::fs::write(&file, "").expect("written");
    std::fs::write(&record, "an earlier run").expect("written");
    let beyond = file.join("x");
    let run: &[&str] = &["run", "flash-attention", "--size", "smoke"];
    let pretrain: &[&str] = &["pretrain", "--world", "--preset", "4k", "--steps", "1", "--batch", "1"];
    for (command, option, begun) in [
        (run, "--record", "counting"),
        (run, "--log", "counting"),
        (run, "--out", "counting"),
        (run, "--zips", "counting"),
        (pretrain, "--log", "step 1"),
        (pretrain, "--out", "step 1"),
    ] {
        let refused = complaint(&[command, &[option, text(&beyond)]].concat());
        assert!(refused.contains(&format!("{} cannot be written", text(&beyond))), "{option}: {refused}");
        assert!(!refused.contains(begun), "{option}: {refused}");
    }
    let all = complaint(&["run", "all", "--size", "smoke", "--record", text(&record)]);
    assert!(all.contains("one lesson"), "{all}");
    assert_eq!(std::fs::read_to_string(&record).expect("the record"), "an earlier run");
}

#[test]
fn a_run_goes_on_where_steps_are_left() {
    let dir = scratch("resumed");
    let pretrain = |more: &[&str]| {
        let all = [&["pretrain", "--world", "--batch", "2", "--out", text(&dir)], more].concat();
        gradus(&all)
    };
    let resume = |more: &[&str]| pretrain(&[&["--resume", text(&dir)], more].concat());
    let refused = |more: &[&str]| {
        let output = resume(more);
        assert!(!output.status.success(), "{more:?} went through");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    json(&pretrain(&["--preset", "4k", "--steps", "3"]));
    let done = refused(&["--steps", "3"]);
    assert!(done.contains("has done 3 steps") && done.contains("give more"), "{done}");
    let other = refused(&["--steps", "5", "--preset", "10k"]);
    assert!(other.contains("another model"), "{other}");
    let gone_on = json(&resume(&["--steps", "5"]));
    assert_eq!(gone_on["steps"], 5);
    assert!(gone_on["eval_loss"].is_number(), "{gone_on}");
    json(&resume(&["--steps", "6", "--preset", "4k"]));
}
