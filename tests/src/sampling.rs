//! The sampling kernel alone: the same logits, drawn from many times.

use gradus_core::device::{Data, Device, Source};
use gradus_core::graph::{Plan, Spec, Tape};
use gradus_core::ops;
use gradus_core::{Error, Result};

/// Vocabulary of the drawn distribution; its logits have a padded width beyond it.
pub const VOCAB: usize = 13;
const WIDTH: usize = 16;
const ROWS: usize = 128;

/// Unequal logits, two of them alike, and padding that must never be drawn.
pub fn logits() -> Vec<f32> {
    let mut row: Vec<f32> = (0..VOCAB).map(|i| ((i * 7 % VOCAB) as f32).sin() * 2.0).collect();
    row[5] = row[4];
    row.resize(WIDTH, 50.0);
    row
}

/// `ROWS · positions` draws from [`logits`] by the sampling op, in order of position, then row.
///
/// # Errors
/// The device's errors.
pub async fn draws(
    device: &mut dyn Device,
    positions: usize,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    seed: u32,
) -> Result<Vec<u32>> {
    let mut tape = Tape::new();
    let width = positions + 1;
    let buffers = [
        tape.buffer("logits", Spec::float([ROWS, 1, WIDTH])),
        tape.buffer("settings", Spec::u32([4])),
        tape.buffer("lengths", Spec::u32([ROWS])),
    ];
    let tokens = tape.buffer("tokens", Spec::u32([ROWS, width]));
    let at = tape.buffer("positions", Spec::u32([ROWS]));
    tape.push_into(ops::Sample { vocab: VOCAB, positions: width }, &buffers, &[tokens, at])?;
    let program = device.compile(Plan::new("sample", &tape, &[]))?;
    device.write("logits", 0, &Data::Float(logits().repeat(ROWS)))?;
    device.write("settings", 0, &Data::U32(vec![temperature.to_bits(), top_k, top_p.to_bits(), seed]))?;
    device.write("lengths", 0, &Data::U32(vec![1; ROWS]))?;
    for _ in 0..positions {
        device.submit(&[program])?;
    }
    let all = device.read(Source::Buffer("tokens".into(), 0..ROWS * width)).await?.integers();
    device.clear();
    if all.len() != ROWS * width {
        return Err(Error::Graph("the tokens are not integers".into()));
    }
    Ok((1..width).flat_map(|p| (0..ROWS).map(move |b| (p, b))).map(|(p, b)| all[b * width + p]).collect())
}
