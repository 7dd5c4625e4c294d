//! Runs cases on a device and compares. The same functions serve the CPU, a native GPU and a browser.

use crate::array::Array;
use crate::cases::{self, Case};
use crate::compare::{Tolerance, compare};
use gradus_core::device::cpu::Cpu;
#[cfg(feature = "gpu")]
use gradus_core::device::gpu::Gpu;
use gradus_core::device::{Device, Program, Source};
#[cfg(feature = "gpu")]
use gradus_core::ops::Family;
use std::collections::BTreeMap;

/// Results by name: the kept activations, and every buffer whole.
pub type Outputs = BTreeMap<String, Array>;

/// Runs `case` on `device` and reads everything back. Errors name the case.
///
/// The plan is run twice, first on a decoy: other numbers in every buffer of reals. So slots are not
/// fresh zeros when it counts, and a kernel that relies on that, or leaves elements unwritten, is caught.
pub async fn run(device: &mut dyn Device, case: &Case) -> Result<Outputs, String> {
    let fault = |e: gradus_core::Error| format!("{}: {e}", case.name);
    let program = device.compile(case.plan()).map_err(fault)?;
    for inputs in [decoy(case), case.inputs.clone()] {
        for (name, array) in &inputs {
            device.write(name, 0, &array.data()).map_err(fault)?;
        }
        device.submit(&[program]).map_err(fault)?;
    }
    let mut outputs = Outputs::new();
    for (name, source) in sources(case, program) {
        outputs.insert(name, device.read(source).await.map_err(fault)?.into());
    }
    device.release(program);
    for name in case.inputs.keys() {
        device.forget(name);
    }
    Ok(outputs)
}

/// Runs `case` on the f64 processor device and reads everything back in f64.
pub fn run_f64(case: &Case) -> Result<Outputs, String> {
    let fault = |e: gradus_core::Error| format!("{}: {e}", case.name);
    let mut device = Cpu::<f64>::new();
    let program = device.compile(case.plan()).map_err(fault)?;
    for inputs in [decoy(case), case.inputs.clone()] {
        for (name, array) in &inputs {
            device.write(name, 0, &array.data()).map_err(fault)?;
        }
        device.submit(&[program]).map_err(fault)?;
    }
    sources(case, program)
        .into_iter()
        .map(|(name, source)| {
            let array = match case.inputs.get(&name) {
                Some(Array::U32(_)) => return Ok((name, integers(&mut device, source).map_err(fault)?)),
                _ => device.get(&source),
            };
            match array {
                Ok(values) => Ok((name, Array::Float(values))),
                // An activation of integers.
                Err(_) => Ok((name, integers(&mut device, source).map_err(fault)?)),
            }
        })
        .collect()
}

fn integers(device: &mut Cpu<f64>, source: Source) -> gradus_core::Result<Array> {
    // The processor's read-back is complete at its first poll.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match device.read(source).as_mut().poll(&mut context) {
        std::task::Poll::Ready(data) => data.map(Array::from),
        std::task::Poll::Pending => Err(gradus_core::Error::Device("the processor did not answer".into())),
    }
}

fn sources(case: &Case, program: Program) -> Vec<(String, Source)> {
    let nodes = case.keep.iter().map(|name| (name.clone(), Source::Node(program, name.clone())));
    let buffers = case.inputs.iter().map(|(name, array)| {
        let source = Source::Buffer(name.clone(), 0..array.len());
        (name.clone(), source)
    });
    nodes.chain(buffers).collect()
}

fn decoy(case: &Case) -> BTreeMap<String, Array> {
    let other = |array: &Array| match array {
        Array::Float(v) => Array::Float(v.iter().rev().map(|x| 1.5 - x).collect()),
        Array::U32(v) => Array::U32(v.clone()),
    };
    case.inputs.iter().map(|(name, array)| (name.clone(), other(array))).collect()
}

/// Compares all of `got` with `want`; one message for each difference.
pub fn differences(case: &str, got: &Outputs, want: &Outputs, tolerance: Tolerance) -> Vec<String> {
    if !got.keys().eq(want.keys()) {
        return vec![format!("{case}: outputs {:?}, expected {:?}", got.keys(), want.keys())];
    }
    got.iter()
        .filter_map(|(name, got)| compare(&format!("{case}: {name}"), got, &want[name], tolerance).err())
        .collect()
}

/// Runs every case on `device` against the f64 reference. Returns how many cases there were, or all that
/// is wrong.
pub async fn check_all(device: &mut dyn Device, tolerance: Tolerance) -> Result<usize, String> {
    let cases = cases::all();
    let mut wrong = Vec::new();
    for case in &cases {
        match run(device, case).await {
            Ok(got) => wrong.extend(differences(&case.name, &got, &run_f64(case)?, tolerance)),
            Err(e) => wrong.push(e),
        }
    }
    if wrong.is_empty() {
        return Ok(cases.len());
    }
    Err(format!("{} differences on {}:\n{}", wrong.len(), device.name(), wrong.join("\n")))
}

/// Runs every case in both families of kernels, like [`check_all`]. On one device, which keeps what it compiled: most
/// kernels are the same in both.
#[cfg(feature = "gpu")]
pub async fn check_families(gpu: &mut Gpu) -> Result<usize, String> {
    let mut count = 0;
    for family in Family::ALL {
        gpu.set_family(family);
        count = check_all(gpu, Tolerance::GPU).await.map_err(|e| format!("{family:?}: {e}"))?;
    }
    Ok(count)
}
