//! Writes model folders for `tests/golden/check_export.py`, which opens them with transformers:
//!
//! ```text
//! cargo run -p gradus-core --no-default-features --example export_check -- OUT [TEXT FILE]
//! python tests/golden/check_export.py OUT/*
//! ```
//!
//! Each folder holds a model of random weights, a tokenizer, and `check.json`: texts and the ids that our
//! tokenizer gives them, rows of tokens and the logits that our engine gives them.
//!
//! If OUT is itself a model folder (one that the page or `gradus pretrain` wrote), only its `check.json` is
//! written.

use gradus_core::device::{Data, Device, Source, cpu::Cpu};
use gradus_core::generate::Scorer;
use gradus_core::model::{ModelFolder, Params, Tensor, param_shapes};
use gradus_core::protocol::ModelConfig;
use gradus_core::rng::{Rng, Stream};
use gradus_core::text::Tokenizer;
use std::path::Path;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("name a folder to write to")?;
    let out = Path::new(&out);
    if out.join("config.json").exists() {
        return check(out, &ModelFolder::read_dir(out)?, &[]);
    }
    let text = match arguments.next() {
        Some(path) => std::fs::read_to_string(path)?,
        None => format!("{}äöüß 你好，世界 🙂🙃 \u{FFFD}\u{FFFD}", include_str!("../src/protocol.rs")),
    };
    let mut rng = Rng::new(11, Stream::Test);
    let mut strange: Vec<String> = [
        "",
        " ",
        "\n",
        "\0\u{1}",
        "<unk>",
        "<eos>",
        "<|endoftext|>",
        "\u{FFFD}",
        "a\u{300}é\u{1F469}\u{200D}\u{1F469}",
    ]
    .map(String::from)
    .into();
    strange.extend([" ".repeat(100), "\t \n".repeat(40), "x".repeat(1000), "é".repeat(65), "1".repeat(33)]);
    strange.extend((0..2000).map(|_| weird(&mut rng)));
    strange.extend(text.lines().map(String::from));
    strange.push(text.clone());
    for vocab in [128, 200, 319, 320, 1024] {
        let tokenizer = Tokenizer::train_bpe(&text, vocab, &mut |_| {})?;
        write(&out.join(format!("bpe-{vocab}")), tokenizer, &strange)?;
    }
    let words = ["<eos>", "tom", "sleeps", ".", "\"", "élan", "<user>", "'s"];
    let sentences: Vec<String> = (0..300)
        .map(|_| {
            let gap = [" ", "  ", "\n", "\u{A0}", "\t", "\u{3000}"];
            (0..rng.below(20))
                .map(|_| format!("{}{}", pick(&mut rng, &words), pick(&mut rng, &gap)))
                .collect()
        })
        .chain(["".into(), "tom<eos><eos>sleeps".into(), " <eos> ".into()])
        .collect();
    write(&out.join("words"), Tokenizer::words(&words)?, &sentences)?;
    Ok(())
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.below(from.len() as u32) as usize]
}

/// Text from the corners of Unicode and of ASCII.
fn weird(rng: &mut Rng) -> String {
    let spaces = [" ", "\n", "\t", "\r", "\u{A0}", "\u{3000}", "\u{85}", "\u{2028}", "\u{B}", "\u{1C}"];
    (0..rng.below(120))
        .map(|_| match rng.below(7) {
            0 => char::from_u32(rng.below(0x11_0000)).map(String::from).unwrap_or_default(),
            1 => char::from(rng.below(0x80) as u8).to_string(),
            2 => pick(rng, &spaces).to_owned(),
            3 => char::from_u32(rng.below(0x3000)).map(String::from).unwrap_or_default(),
            4 => " ".repeat(1 + rng.below(4) as usize),
            5 => "the".into(),
            _ => char::from(b'a' + rng.below(26) as u8).to_string().repeat(1 + rng.below(40) as usize),
        })
        .collect()
}

fn write(dir: &Path, tokenizer: Tokenizer, texts: &[String]) -> Result<(), Failure> {
    let config = ModelConfig {
        n_layer: 1,
        n_embd: 8,
        n_head: 2,
        n_positions: 16,
        vocab_size: tokenizer.vocab_size(),
        attention: Default::default(),
        scale_attn_weights: true,
        init: Default::default(),
    };
    let mut rng = Rng::new(12, Stream::Test);
    let tensors = param_shapes(&config)
        .into_iter()
        .map(|(name, shape)| {
            let values = (0..shape.iter().product::<usize>()).map(|_| rng.normal() as f32 * 0.2).collect();
            Tensor { name, shape, values }
        })
        .collect();
    let folder = ModelFolder { config, tensors, tokenizer: Some(tokenizer), trainer: None };
    folder.write_dir(dir)?;
    check(dir, &folder, texts)
}

/// Writes `check.json` beside the model.
fn check(dir: &Path, folder: &ModelFolder, texts: &[String]) -> Result<(), Failure> {
    let tokenizer = folder.tokenizer.as_ref().ok_or("the folder has no tokenizer.json")?;
    let encoded = texts.iter().map(|text| tokenizer.encode(text)).collect::<Result<Vec<_>, _>>()?;
    let decoded: Vec<_> = encoded.iter().map(|ids| tokenizer.decode(ids)).collect();
    let (ids, logits) = pollster::block_on(logits(folder))?;
    let check = serde_json::json!({
        "texts": texts, "encoded": encoded, "decoded": decoded, "ids": ids, "logits": logits,
    });
    std::fs::write(dir.join("check.json"), check.to_string())?;
    println!("{}", dir.display());
    Ok(())
}

type Rows<T> = Vec<Vec<T>>;

/// Four rows of random tokens as long as the context, and the logits `[T, V]` of each on the CPU device.
async fn logits(folder: &ModelFolder) -> Result<(Rows<u32>, Vec<Rows<f32>>), Failure> {
    let (context, vocab) = (folder.config.n_positions, folder.config.vocab_size);
    let mut rng = Rng::new(13, Stream::Test);
    // A row ends with a token that is only predicted.
    let rows: Rows<u32> = (0..4).map(|_| (0..=context).map(|_| rng.below(vocab as u32)).collect()).collect();
    let params = Params::new(&folder.config);
    let mut device = Cpu::<f32>::new();
    let scorer = Scorer::new(&mut device, &folder.config, &params, rows.len(), context)?;
    device.write("params", 0, &Data::Float(params.flatten(&folder.tensors)?))?;
    scorer.score(&mut device, &rows).await?;
    let all = device.read(Source::Node(scorer.program(), "logits".into())).await?.floats();
    let width = all.len() / (rows.len() * context);
    let logits = all
        .chunks_exact(width * context)
        .map(|row| row.chunks_exact(width).map(|at| at[..vocab].to_vec()).collect())
        .collect();
    let ids = rows.into_iter().map(|row| row[..context].to_vec()).collect();
    Ok((ids, logits))
}
