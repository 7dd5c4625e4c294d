use super::*;
use crate::protocol::{Attention, DeviceChoice, Init, Source, TrainConfig};
use crate::rng::{Rng, Stream};
use std::io::{Cursor, Write};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

fn random(config: &ModelConfig, sub: u32) -> Vec<Tensor> {
    let mut rng = Rng::at(5, Stream::Test, sub);
    param_shapes(config)
        .into_iter()
        .map(|(name, shape)| {
            let values = (0..shape.iter().product::<usize>()).map(|_| rng.normal() as f32).collect();
            Tensor { name, shape, values }
        })
        .collect()
}

/// A tiny model in the middle of a run.
fn folder() -> ModelFolder {
    let config = ModelConfig {
        n_layer: 1,
        n_embd: 4,
        n_head: 2,
        n_positions: 3,
        vocab_size: 5,
        attention: Attention::Materialised,
        scale_attn_weights: false,
        init: Init::Gpt2,
    };
    let run = RunConfig {
        source: Source::Text { text: "\"ab\"\n".into(), vocab: 128 },
        model: config.clone(),
        train: TrainConfig::default(),
        seed: 7,
        device: DeviceChoice::Cpu,
    };
    let trainer = TrainerState {
        run,
        step: 12,
        num_tokens: 345,
        exp_avg: random(&config, 1),
        exp_avg_sq: random(&config, 2),
    };
    ModelFolder {
        tensors: random(&config, 0),
        tokenizer: Some(Tokenizer::words(&["<eos>", "a", "b"]).unwrap()),
        trainer: Some(trainer),
        config,
    }
}

/// The message with which a zip of `files` is refused.
fn refusal(files: &Files) -> String {
    match ModelFolder::from_zip(&archive::to_zip(files).unwrap()) {
        Err(Error::Checkpoint(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// The message with which the folder is refused after `file` was changed.
fn refused(file: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut files = folder().to_files(Precision::F32).unwrap();
    change(files.get_mut(file).unwrap());
    refusal(&files)
}

#[test]
fn a_zip_and_a_directory_hold_the_folder() {
    let folder = folder();
    let zip = folder.to_zip().unwrap();
    assert_eq!(ModelFolder::from_zip(&zip).unwrap(), folder);
    assert_eq!(folder.to_zip().unwrap(), zip, "the same bytes");
    let dir = std::env::temp_dir().join(format!("gradus-checkpoint-{}", std::process::id()));
    folder.write_dir(&dir).unwrap();
    assert_eq!(ModelFolder::read_dir(&dir).unwrap(), folder);
    let weights_only = ModelFolder { trainer: None, tokenizer: None, ..folder };
    weights_only.write_dir(&dir).unwrap();
    assert_eq!(ModelFolder::read_dir(&dir).unwrap(), weights_only, "the earlier run's files are gone");
    std::fs::remove_dir_all(&dir).unwrap();
    let message = ModelFolder::read_dir(&dir).unwrap_err().to_string();
    assert!(message.contains("no directory"), "{message}");
}

#[test]
fn a_small_zip_holds_rounded_weights_and_exact_moments() {
    let folder = folder();
    for (precision, dtype, bits) in [(Precision::F16, "float16", 11), (Precision::Bf16, "bfloat16", 8)] {
        let zip = folder.to_small_zip(precision).unwrap();
        assert_eq!(folder.to_small_zip(precision).unwrap(), zip, "the same bytes");
        assert!(zip.len() < folder.to_zip().unwrap().len());
        let read = ModelFolder::from_zip(&zip).unwrap();
        assert_eq!((&read.trainer, &read.tokenizer), (&folder.trainer, &folder.tokenizer));
        // Half a unit in the last place of that many bits, the hidden one among them.
        let most = 2f32.powi(-bits);
        for (read, exact) in read.tensors.iter().zip(&folder.tensors) {
            let close = |(&a, &b): (&f32, &f32)| (a - b).abs() <= most * b.abs().max(6.2e-5);
            assert!(read.values.iter().zip(&exact.values).all(close), "{dtype}: {}", exact.name);
        }
        assert_ne!(read.tensors, folder.tensors);
        // Read, written and read again it stays what it is.
        assert_eq!(ModelFolder::from_zip(&read.to_small_zip(precision).unwrap()).unwrap(), read);
        let files = folder.to_files(precision).unwrap();
        assert!(String::from_utf8_lossy(&files[CONFIG]).contains(&format!("\"dtype\": \"{dtype}\"")));
    }
    // 70,000 is beyond f16 and not beyond bf16.
    let mut large = folder;
    large.tensors[0].values[0] = 7e4;
    let refused = large.to_small_zip(Precision::F16).unwrap_err().to_string();
    assert!(refused.contains("too large for float16"), "{refused}");
    assert!(large.to_small_zip(Precision::Bf16).is_ok());
}

#[test]
fn parameters_are_counted_as_the_protocol_counts_them() {
    let config = ModelConfig { vocab_size: 362, ..ModelConfig::preset("177k").unwrap() };
    let numbers: usize = param_shapes(&config).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    assert_eq!(numbers as u64, config.parameters());
    for (name, ..) in ModelConfig::PRESETS {
        super::super::check_config(&ModelConfig { vocab_size: 1024, ..ModelConfig::preset(name).unwrap() })
            .unwrap();
    }
}

#[test]
fn a_deflated_zip_with_a_folder_in_it_opens() {
    let folder = folder();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.add_directory("my model/", options).unwrap();
    zip.start_file("__MACOSX/my model/._config.json", options).unwrap();
    for (name, bytes) in folder.to_files(Precision::F32).unwrap() {
        zip.start_file(format!("my model/{name}"), options).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    assert_eq!(ModelFolder::from_zip(&bytes).unwrap(), folder);
}

#[test]
fn a_zip_bomb_and_paths_out_of_the_folder_are_refused() {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("config.json", options).unwrap();
    for _ in 0..65 {
        zip.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = zip.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    let message = ModelFolder::from_zip(&bomb).unwrap_err().to_string();
    assert!(message.contains("64 MiB"), "{message}");
    for name in ["../config.json", "/config.json", "a/../../config.json", "..\\config.json"] {
        let files = Files::from([(name.to_owned(), vec![])]);
        let message = refusal(&files);
        assert!(message.contains("points out"), "{message}");
    }
    assert!(refusal(&Files::new()).contains("no config.json"));
    assert!(ModelFolder::from_zip(b"").is_err());
    assert!(ModelFolder::from_zip(b"not a zip").unwrap_err().to_string().contains("no zip"));
}

#[test]
fn a_damaged_zip_is_an_error_and_never_a_panic() {
    let whole = folder();
    let zip = whole.to_zip().unwrap();
    for end in 0..zip.len() {
        let cut = ModelFolder::from_zip(&zip[..end]);
        assert!(matches!(cut, Err(Error::Checkpoint(_))), "cut at {end}: {cut:?}");
    }
    let mut rng = Rng::new(6, Stream::Test);
    for _ in 0..4000 {
        let mut bytes = zip.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len() as u32) as usize;
            bytes[at] = rng.next_u32() as u8;
        }
        // A change in padding or in a time stamp goes unseen; every other one is an error.
        match ModelFolder::from_zip(&bytes) {
            Ok(opened) => assert_eq!(opened.tensors, whole.tensors),
            Err(error) => assert!(matches!(error, Error::Checkpoint(_)), "{error:?}"),
        }
    }
}

/// The zip's checksums catch most damage: here the files are damaged behind them.
#[test]
fn damaged_files_are_errors_and_never_panics() {
    let files = folder().to_files(Precision::F32).unwrap();
    let mut rng = Rng::new(7, Stream::Test);
    for name in FILES {
        for end in 0..files[name].len() {
            let mut cut = files.clone();
            cut.get_mut(name).unwrap().truncate(end);
            // Nothing reads tokenizer_config.json; a cut in a file's last blank is no damage.
            let opened = ModelFolder::from_files(&cut);
            assert!(opened.is_err() || name == TOKENIZER_CONFIG, "{name} cut at {end}");
        }
        for _ in 0..2000 {
            let mut changed = files.clone();
            let bytes = changed.get_mut(name).unwrap();
            let at = rng.below(bytes.len() as u32) as usize;
            bytes[at] ^= 1 << rng.below(8);
            match ModelFolder::from_files(&changed) {
                Ok(_) | Err(Error::Checkpoint(_)) => {}
                Err(error) => panic!("{name}: {error:?}"),
            }
        }
    }
}

#[test]
fn each_fault_of_the_configuration_is_named() {
    let cases = [
        ("\"gpt2\"", "\"llama\"", "model_type"),
        ("\"gelu_new\"", "\"relu\"", "activation_function"),
        ("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", "tie_word_embeddings"),
        ("\"scale_attn_weights\": false", "\"scale_attn_weights\": 3", "scale_attn_weights"),
        ("\"n_inner\": null", "\"n_inner\": 20", "n_inner"),
        ("\"n_inner\": null", "\"scale_attn_by_inverse_layer_idx\": true", "inverse_layer"),
        ("0.00001", "0.000001", "layer_norm_epsilon"),
        ("\"n_embd\": 4", "\"n_embd\": 6", "multiple of 4"),
        ("\"n_head\": 2", "\"n_head\": 3", "heads"),
        ("\"n_head\": 2", "\"n_head\": 0", "n_head"),
        ("\"n_layer\": 1", "\"n_layer\": -1", "n_layer"),
        ("\"n_layer\": 1", "\"n_layer\": 2", "transformer.h.1.ln_1.weight is missing"),
        ("\"n_layer\": 1", "\"n_layer\": 1e9", "n_layer"),
        ("\"vocab_size\": 5", "\"vocab_size\": 100000", "vocab_size"),
        ("\"vocab_size\": 5", "\"vocab_size\": 6", "[6, 4]"),
        ("\"vocab_size\": 5", "\"vocab_size\": 50000, \"n_embd\": 4096", "too big"),
        ("\"n_positions\": 3", "\"n_positions\": 2048", "n_positions"),
        ("\"n_positions\": 3", "\"n_positions\": \"3\"", "n_positions"),
        ("\"materialised\"", "\"linear\"", "gradus_attention"),
    ];
    for (from, to, names) in cases {
        let message = refused(CONFIG, |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{from} in {text}");
            *bytes = text.replace(from, to).into_bytes();
        });
        assert!(message.contains(names), "{to}: {message}");
    }
}

#[test]
fn each_fault_of_the_weights_is_named() {
    let with = |change: &dyn Fn(&mut ModelFolder)| {
        let mut changed = folder();
        change(&mut changed);
        changed.to_files(Precision::F32).unwrap_err().to_string()
    };
    let message = with(&|f| f.tensors[3].values[2] = f32::NAN);
    assert!(message.contains("ln_1.bias is not finite"), "{message}");
    let message = with(&|f| drop(f.tensors.pop()));
    assert!(message.contains("model.safetensors"), "{message}");
    let message = with(&|f| f.config.vocab_size = 2);
    assert!(message.contains("model.safetensors"), "{message}");

    let nan = refused(WEIGHTS, |bytes| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    });
    assert!(nan.contains("not finite") && nan.contains("inf"), "{nan}");
    let header = refused(WEIGHTS, |bytes| bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes()));
    assert!(header.contains("header claims"), "{header}");
    let large = refused(WEIGHTS, |bytes| bytes[..8].copy_from_slice(&300_000u64.to_le_bytes()));
    assert!(large.contains("limit is 262144"), "{large}");
    let mut files = folder().to_files(Precision::F32).unwrap();
    files.insert(WEIGHTS.into(), vec![0; MAX + 1]);
    assert!(ModelFolder::from_files(&files).unwrap_err().to_string().contains("64 MiB"));
    for name in [CONFIG, WEIGHTS, EXP_AVG, EXP_AVG_SQ] {
        let mut files = folder().to_files(Precision::F32).unwrap();
        files.remove(name);
        let message = ModelFolder::from_files(&files).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
    let mut files = folder().to_files(Precision::F32).unwrap();
    let large: Vec<String> = (0..9).map(|i| if i == 0 { "<eos>".into() } else { format!("w{i}") }).collect();
    files.insert(TOKENIZER.into(), Tokenizer::words(&large).unwrap().to_json().into_bytes());
    assert!(refusal(&files).contains("9 tokens and the model only 5"));
}

const MAX: usize = super::super::MAX_FILE_BYTES as usize;

/// Folders that `save_pretrained` of transformers wrote (tests/golden/make_fixtures.py).
fn golden(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

#[test]
fn what_transformers_saved_opens() {
    for (name, layers, width) in
        [("l1-c16-h2-t8-v24", 1, 16), ("l2-c32-h4-t16-v65", 2, 32), ("l3-c24-h3-t12-v40", 3, 24)]
    {
        let folder = ModelFolder::read_dir(golden(name)).unwrap();
        assert_eq!((folder.config.n_layer, folder.config.n_embd), (layers, width));
        assert_eq!(ModelFolder::from_zip(&folder.to_zip().unwrap()).unwrap(), folder);
    }
    for name in ["f16", "bf16"] {
        let folder = ModelFolder::read_dir(golden(name)).unwrap();
        let bytes = std::fs::read(golden(name).join("golden.safetensors")).unwrap();
        let expected = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        for tensor in &folder.tensors {
            let view = expected.tensor(&format!("weight.{}", tensor.name)).unwrap();
            let bytes: Vec<u8> = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            assert_eq!(
                (view.shape(), view.data()),
                (&tensor.shape[..], &bytes[..]),
                "{name} {}",
                tensor.name
            );
        }
    }
}

#[test]
fn buffers_and_a_copied_head_are_left_out_and_the_prefix_may_be_missing() {
    let folder = ModelFolder { trainer: None, ..folder() };
    let extra = [("lm_head.weight", 20), ("h.0.attn.bias", 9), ("h.0.attn.masked_bias", 1)];
    let bytes = |n: usize, t: Option<&Tensor>| -> Vec<u8> {
        t.map_or(vec![0; 4 * n], |t| t.values.iter().flat_map(|v| v.to_le_bytes()).collect())
    };
    let mut owned: Vec<(String, Vec<usize>, Vec<u8>)> = folder
        .tensors
        .iter()
        .map(|t| (t.name.replace("transformer.", ""), t.shape.clone(), bytes(0, Some(t))))
        .collect();
    owned.extend(extra.map(|(name, n)| (name.to_owned(), vec![n], bytes(n, None))));
    let write = |owned: &[(String, Vec<usize>, Vec<u8>)]| {
        let views = owned.iter().map(|(name, shape, bytes)| {
            (
                name,
                safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap(),
            )
        });
        safetensors::serialize(views, None).unwrap()
    };
    let mut files = folder.to_files(Precision::F32).unwrap();
    files.insert(WEIGHTS.into(), write(&owned));
    assert_eq!(ModelFolder::from_files(&files).unwrap(), folder);
    owned.push(("h.0.crossattention.bias".into(), vec![1], vec![0; 4]));
    files.insert(WEIGHTS.into(), write(&owned));
    let message = ModelFolder::from_files(&files).unwrap_err().to_string();
    assert!(message.contains("crossattention"), "{message}");
}
