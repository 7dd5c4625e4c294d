//! Times the engine as the page runs it: the same release build, in a worker of the same browser, through the
//! same [`Trainer`](gradus_core::train::Trainer). One [`Request`] in, rows of JSON out; nothing here knows whether
//! it runs natively or in a tab.

mod attention;
mod ceiling;
mod counting;
mod decode;
mod shape;
mod training;

pub use shape::Shape;

use gradus_core::device::Device;
use gradus_core::device::cpu::Cpu;
use gradus_core::device::gpu::Gpu;
use gradus_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use std::time::Instant;
#[cfg(target_arch = "wasm32")]
pub(crate) use web_time::Instant;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A training step: forward, backward, clip, AdamW.
    Training,
    /// Decoding, with a cache, without, and speculatively.
    Decode,
    /// Attention over the length of a sequence, with and without its matrix.
    Attention,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What is measured.
    pub what: What,
    /// On WebGPU (natively Vulkan, Metal or DirectX 12), or on the processor.
    pub gpu: bool,
    /// Under this name the device stands in the rows: wasm, webgpu, cpu, vulkan.
    pub label: String,
    /// The model and its batch.
    pub shape: Shape,
    /// Samples of which the median is taken.
    pub steps: usize,
    /// Lengths of the sequences that are attended to; [`What::Attention`] only.
    pub lengths: Vec<usize>,
    /// Also where a step's time goes, launch by launch.
    pub profile: bool,
    /// Whether ops that may go together are one launch, if not as the page has it (GPU only).
    pub fused: Option<bool>,
    /// Whether a turn is awaited before the next one is submitted, which the page does not do.
    pub waiting: bool,
}

/// Measures; each row is one JSON object.
///
/// # Errors
/// [`Error::Config`] for a shape that the engine does not take, and the device's errors.
pub async fn measure(request: &Request) -> Result<Vec<Value>> {
    match request.what {
        What::Training => training::measure(request).await,
        What::Decode => decode::measure(request).await,
        What::Attention => attention::measure(request).await,
    }
}

/// The device of a request.
pub(crate) async fn open(request: &Request) -> Result<Box<dyn Device>> {
    Ok(if request.gpu {
        let mut gpu = Gpu::open().await?;
        gpu.tune().await?;
        if let Some(fused) = request.fused {
            gpu.set_fusing(fused);
        }
        Box::new(gpu)
    } else {
        Box::new(Cpu::<f32>::new())
    })
}

/// A row as JSON.
pub(crate) fn row(row: &impl Serialize) -> Result<Value> {
    serde_json::to_value(row).map_err(|e| Error::Device(format!("a row cannot be written: {e}")))
}
