//! Named tensors in a safetensors file, checked before anything is made of them.

use super::SCORE;
use super::archive::check_size;
use crate::{Error, Result};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::{BTreeMap, HashMap};

const MAX_HEADER_BYTES: u64 = 256 << 10;
const MAX_TENSORS: usize = 1000;

/// A parameter or an optimizer moment under the name of its parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Hugging Face's name, e.g. `transformer.h.0.attn.c_attn.weight`.
    pub name: String,
    /// Its shape; matrices are `[in, out]`.
    pub shape: Vec<usize>,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// How many bits of a weight are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// All 32: what is read again is what was written, bit for bit.
    #[default]
    F32,
    /// 16, of which 11 are significant: at most 2⁻¹² off, relatively, for values from 6.1e-5 to 65,504.
    F16,
    /// 16, of which 8 are significant: at most 2⁻⁹ off, relatively, over all of f32's range.
    Bf16,
}

impl Precision {
    /// PyTorch's name of it, as `config.json` gives it.
    pub(super) const fn dtype(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }

    const fn tag(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
        }
    }

    fn bytes(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect(),
            Self::Bf16 => values.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect(),
        }
    }

    /// Whether no finite value becomes infinite by rounding.
    fn holds(self, values: &[f32]) -> bool {
        match self {
            Self::F32 => true,
            Self::F16 => values.iter().all(|&v| half::f16::from_f32(v).is_finite()),
            Self::Bf16 => values.iter().all(|&v| half::bf16::from_f32(v).is_finite()),
        }
    }
}

/// The bytes of a safetensors file of `tensors`, which must be those of `shapes` in the same order.
pub(super) fn write(
    file: &str,
    tensors: &[Tensor],
    shapes: &[(String, Vec<usize>)],
    precision: Precision,
) -> Result<Vec<u8>> {
    let fits = tensors.len() == shapes.len()
        && tensors.iter().zip(shapes).all(|(t, (name, shape))| {
            t.name == *name && t.shape == *shape && t.values.len() == shape.iter().product::<usize>()
        });
    if !fits {
        return Err(bad(file, "its tensors are not those of the model's configuration"));
    }
    tensors.iter().try_for_each(|t| check_finite(file, &t.name, &t.values))?;
    if let Some(t) = tensors.iter().find(|t| !precision.holds(&t.values)) {
        let dtype = precision.dtype();
        return Err(bad(file, &format!("tensor {} has values too large for {dtype}", t.name)));
    }
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| precision.bytes(&t.values)).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(t, bytes)| Ok((&t.name, TensorView::new(precision.tag(), t.shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>();
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    views
        .and_then(|views| safetensors::serialize(views, Some(metadata)))
        .map_err(|e| bad(file, &format!("it could not be written ({e})")))
}

/// Reads a file that holds exactly the tensors of `shapes`, in that order, as f32.
///
/// What transformers may write beside them is left out: a copy of the tied head (`lm_head.weight`) and the
/// causal mask's buffers (`attn.bias`, `attn.masked_bias`). Names may lack their `transformer.`.
pub(super) fn read(file: &str, bytes: &[u8], shapes: &[(String, Vec<usize>)]) -> Result<Vec<Tensor>> {
    let parsed = parse(file, bytes)?;
    let mut found: BTreeMap<String, TensorView<'_>> = BTreeMap::new();
    for (name, view) in parsed.iter() {
        if name == "lm_head.weight" || name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") {
            continue;
        }
        let whole = name.starts_with("transformer.") || name == SCORE;
        let full = if whole { name.to_owned() } else { format!("transformer.{name}") };
        if found.insert(full, view).is_some() {
            return Err(bad(file, &format!("tensor {:?} is there twice", short(name))));
        }
    }
    let mut tensors = Vec::with_capacity(shapes.len());
    for (name, shape) in shapes {
        let view = found.remove(name).ok_or_else(|| bad(file, &format!("tensor {name} is missing")))?;
        if view.shape() != shape {
            return Err(bad(
                file,
                &format!("tensor {name} has shape {:?}, and config.json asks for {shape:?}", view.shape()),
            ));
        }
        let values = to_f32(&view).ok_or_else(|| {
            bad(
                file,
                &format!("tensor {name} is {:?}, and only F32, F16 and BF16 are supported", view.dtype()),
            )
        })?;
        check_finite(file, name, &values)?;
        tensors.push(Tensor { name: name.clone(), shape: shape.clone(), values });
    }
    match found.keys().next() {
        Some(name) => {
            Err(bad(file, &format!("tensor {:?} is none of a GPT-2 of this configuration", short(name))))
        }
        None => Ok(tensors),
    }
}

/// Sizes first: safetensors itself would parse a header of 100 MB.
fn parse<'b>(file: &str, bytes: &'b [u8]) -> Result<SafeTensors<'b>> {
    check_size(file, bytes.len() as u64)?;
    let header = bytes
        .first_chunk::<8>()
        .map(|n| u64::from_le_bytes(*n))
        .ok_or_else(|| bad(file, "it is cut off before its header"))?;
    if header > MAX_HEADER_BYTES {
        return Err(bad(
            file,
            &format!("its header claims {header} bytes, and the limit is {MAX_HEADER_BYTES}"),
        ));
    }
    if header + 8 > bytes.len() as u64 {
        return Err(bad(file, "it is cut off in its header"));
    }
    let parsed =
        SafeTensors::deserialize(bytes).map_err(|e| bad(file, &format!("it is damaged or cut off ({e})")))?;
    if parsed.len() > MAX_TENSORS {
        return Err(bad(file, &format!("it has {} tensors, and the limit is {MAX_TENSORS}", parsed.len())));
    }
    Ok(parsed)
}

fn to_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    let halves = || data.as_chunks::<2>().0.iter();
    Some(match view.dtype() {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => halves().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => halves().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        _ => return None,
    })
}

fn check_finite(file: &str, name: &str, values: &[f32]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(bad(file, &format!("tensor {name} is not finite: its value {at} is {}", values[at]))),
        None => Ok(()),
    }
}

fn short(name: &str) -> String {
    name.chars().take(80).collect()
}

fn bad(file: &str, what: &str) -> Error {
    Error::Checkpoint(format!("{file}: {what}. Export the model again, or open another"))
}
