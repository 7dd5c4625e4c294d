//! The models' own distributions, by whole forward passes: α on text that neither wrote, and the exact law that
//! drawn text must follow.

use super::super::Course;
use super::trials::{Drafted, Fit, put};
use crate::chi_square::p_value;
use gradus_core::device::{Device, Source};
use gradus_core::generate::{Scorer, Speculator, SpeculatorShape};
use gradus_core::model::ModelFolder;
use gradus_core::protocol::SampleConfig;
use gradus_core::{Error, Result};

/// Rows of a forward pass.
const BATCH: usize = 16;
/// Rows drawn at a time.
const DRAWN: usize = 250;

/// `laws[row][t][v]` = P(v | `rows[row][..= t]`), by `folder`'s model. All rows together must fit memory.
async fn laws(
    course: &mut Course<'_>,
    device: &mut dyn Device,
    folder: &ModelFolder,
    rows: &[Vec<u32>],
) -> Result<Vec<Vec<Vec<f32>>>> {
    device.clear();
    let params = put(device, "params", folder)?;
    let context = rows.iter().map(Vec::len).max().unwrap_or(1);
    let scorer = Scorer::new(device, &folder.config, &params, BATCH, context)?;
    let mut all = Vec::with_capacity(rows.len());
    for group in rows.chunks(BATCH) {
        // The scorer predicts a row's tokens from those before: one more asks for what follows the last.
        let longer: Vec<Vec<u32>> = group.iter().map(|row| [&row[..], &[0]].concat()).collect();
        scorer.score(device, &longer).await?;
        let logits = device.read(Source::Node(scorer.program(), "logits".into())).await?.floats();
        let width = logits.len() / (BATCH * context);
        for (b, row) in group.iter().enumerate() {
            let at = |t: usize| &logits[(b * context + t) * width..][..folder.config.vocab_size];
            all.push((0..row.len()).map(|t| softmax(at(t))).collect());
        }
        course.progress(all.len() as u64, rows.len() as u64).await?;
    }
    scorer.release(device);
    Ok(all)
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f32> = logits.iter().map(|&x| (x - largest).exp()).collect();
    let total: f32 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

fn likeliest(law: &[f32]) -> usize {
    (0..law.len()).fold(0, |best, i| if law[i] > law[best] { i } else { best })
}

/// For each draft, how often it would be right on `rows` from token `from` on: greedy (both like the same token
/// best), and at T = 1 (mean Σ min(p, q)).
pub(in crate::recipe) async fn overlaps(
    course: &mut Course<'_>,
    target: &ModelFolder,
    drafts: &[Drafted],
    rows: &[Vec<u32>],
    from: usize,
) -> Result<Vec<[f64; 2]>> {
    let mut device = course.take_device()?;
    let p = laws(course, &mut *device, target, rows).await?;
    let mut overlaps = Vec::new();
    for draft in drafts {
        let q = laws(course, &mut *device, &draft.folder, rows).await?;
        let (mut same, mut common, mut n) = (0.0, 0.0, 0.0);
        for (p, q) in p.iter().zip(&q) {
            // The last token's law is of what follows the story.
            for (p, q) in p.iter().zip(q).take(p.len() - 1).skip(from) {
                same += f64::from(u8::from(likeliest(p) == likeliest(q)));
                common += p.iter().zip(q).map(|(&p, &q)| f64::from(p.min(q))).sum::<f64>();
                n += 1.0;
            }
        }
        overlaps.push([same / n, common / n]);
    }
    course.put_back(device);
    Ok(overlaps)
}

/// Draws `samples` pairs of tokens after `prompt`, by the exact rule and by the broken one, and tests both against the law
/// P(a | prompt) · P(b | prompt, a).
pub(super) async fn fits(
    course: &mut Course<'_>,
    target: &ModelFolder,
    draft: &Drafted,
    prompt: &[u32],
    samples: [usize; 2],
) -> Result<Vec<Fit>> {
    let vocab = target.config.vocab_size;
    let mut device = course.take_device()?;
    let rows: Vec<Vec<u32>> = (0..vocab as u32).map(|a| [prompt, &[a]].concat()).collect();
    let laws = laws(course, &mut *device, target, &rows).await?;
    let last = prompt.len();
    let first = laws.first().map(|row| row[last - 1].clone()).unwrap_or_default();
    let pairs =
        laws.iter().zip(&first).flat_map(|(row, &p)| row[last].iter().map(move |&q| f64::from(p * q)));
    let law: Vec<f64> = pairs.collect();
    device.clear();
    let (params, drafted) =
        (put(&mut *device, "params", target)?, put(&mut *device, "draft.params", &draft.folder)?);
    let prompts = vec![prompt.to_vec(); DRAWN];
    let mut fits = Vec::new();
    for (exact, samples) in [true, false].into_iter().zip(samples) {
        let shape = SpeculatorShape { batch: DRAWN, proposals: 2, residual: exact };
        let models = [(&target.config, &params), (&draft.folder.config, &drafted)];
        let speculator = Speculator::new(&mut *device, models[0], models[1], shape)?;
        let mut counts = vec![0.0; law.len()];
        let mut drawn = 0;
        while drawn < samples {
            let seed = course.seed.wrapping_mul(0x85eb).wrapping_add(drawn as u32);
            let settings = SampleConfig { max_tokens: 2, seed, ..SampleConfig::default() };
            let made = if drawn == 0 {
                speculator.run(&mut *device, &prompts, &settings, None).await?
            } else {
                speculator.run_again(&mut *device, &prompts, &settings, None).await?
            };
            for pair in made.answers {
                let [a, b] = pair[..] else {
                    return Err(Error::Config("the prompt leaves no room for two tokens: shorten it".into()));
                };
                counts[a as usize * vocab + b as usize] += 1.0;
            }
            drawn += DRAWN;
            course.progress(drawn as u64, samples as u64).await?;
        }
        speculator.release(&mut *device);
        fits.push(Fit { exact, samples: drawn, p_value: p_value(&counts, &law) });
    }
    course.put_back(device);
    Ok(fits)
}
