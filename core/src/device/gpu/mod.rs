//! The GPU device: plans replayed as WebGPU compute dispatches. On the web through the browser, natively
//! through Vulkan, Metal or DX12, with the same kernels.
//!
//! Everything is made in [`compile`](Device::compile); [`submit`](Device::submit) is one encoder and one
//! submission, in one pass but for copies into textures, and makes nothing. Errors that the driver reports later come out of the next
//! call: no call panics.

mod bindings;
mod buffers;
mod ceiling;
mod faults;
pub mod fuse;
mod open;
mod program;
mod read;
mod repeat;
pub mod shaders;
mod texels;
mod text;
mod timer;
mod tune;

use super::profile::Launched;
use super::{Data, Device, Program, Reading, Seconds, Source};
use crate::graph::{DType, Plan, Spec};
use crate::ops::Family;
use crate::{Error, Result};
use bindings::{Kind, Layout};
use buffers::{Storage, missing};
use program::{Compiled, record};
use std::collections::HashMap;
use texels::Texels;

/// How many objects a device has made so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Compute pipelines.
    pub pipelines: u64,
    /// Bind groups.
    pub bind_groups: u64,
    /// Buffers.
    pub buffers: u64,
    /// Textures.
    pub textures: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Gpu {
    opened: open::Opened,
    buffers: HashMap<String, Storage>,
    programs: Vec<Option<Compiled>>,
    pipelines: HashMap<String, wgpu::ComputePipeline>,
    layouts: HashMap<Vec<Kind>, Layout>,
    staging: read::Staging,
    timer: Option<timer::Timer>,
    made: Made,
    family: Family,
    fusing: Option<bool>,
}

impl Gpu {
    /// Opens the machine's quickest adapter. Errors: [`Error::Device`] if there is none, or if it cannot
    /// be opened.
    pub async fn open() -> Result<Self> {
        let opened = open::open().await?;
        let family = if opened.software { Family::Threads } else { Family::Workgroups };
        Ok(Self {
            opened,
            buffers: HashMap::new(),
            programs: Vec::new(),
            pipelines: HashMap::new(),
            layouts: HashMap::new(),
            staging: read::Staging::default(),
            timer: None,
            made: Made::default(),
            family,
            fusing: None,
        })
    }

    /// Which kernels plans compile to from now on: until [`tune`](Self::tune) has measured, those that suit the
    /// kind of adapter that this says it is.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Chooses the kernels that plans compile to from now on.
    pub fn set_family(&mut self, family: Family) {
        self.family = family;
    }

    /// Whether steps that may go together are one launch in plans compiled from now on. Unless it is said, they are in
    /// [`Family::Workgroups`]: a card waits between launches, a processor in disguise only compiles longer kernels.
    pub fn set_fusing(&mut self, fusing: bool) {
        self.fusing = Some(fusing);
    }

    /// True if the adapter is a CPU in disguise (SwiftShader, llvmpipe, WARP).
    pub fn is_software(&self) -> bool {
        self.opened.software
    }

    /// How many objects were made so far. Replays make none.
    pub fn made(&self) -> Made {
        self.made
    }

    fn program(&self, program: Program) -> Result<&Compiled> {
        self.programs.get(program.0).and_then(Option::as_ref).ok_or_else(|| missing("such program"))
    }
}

impl Device for Gpu {
    fn name(&self) -> String {
        self.opened.name.clone()
    }

    fn is_gpu(&self) -> bool {
        true
    }

    fn compile(&mut self, plan: Plan) -> Result<Program> {
        self.opened.faults.check()?;
        for (name, spec) in &plan.buffers {
            self.ensure(name, spec)?;
        }
        let compiled = self.build(plan)?;
        self.programs.push(Some(compiled));
        Ok(Program(self.programs.len() - 1))
    }

    fn release(&mut self, program: Program) {
        if let Some(slot) = self.programs.get_mut(program.0) {
            *slot = None;
        }
    }

    fn ensure(&mut self, name: &str, spec: &Spec) -> Result<()> {
        match self.buffers.get(name) {
            Some(storage) if storage.len == spec.len().max(1) && storage.dtype == spec.dtype => Ok(()),
            Some(_) => Err(Error::Graph(format!("buffer {name} exists with another size"))),
            None => {
                let storage = self.storage(name, spec.dtype, spec.len())?;
                self.buffers.insert(name.to_string(), storage);
                Ok(())
            }
        }
    }

    fn clear(&mut self) {
        self.buffers.clear();
        self.programs.clear();
    }

    fn forget(&mut self, name: &str) {
        self.buffers.remove(name);
    }

    fn write(&mut self, name: &str, offset: usize, data: &Data) -> Result<()> {
        self.opened.faults.check()?;
        let (dtype, bytes) = match data {
            Data::Float(v) => (DType::Float, bytemuck::cast_slice::<f32, u8>(v)),
            Data::U32(v) => (DType::U32, bytemuck::cast_slice::<u32, u8>(v)),
        };
        let storage = self.stretch(name, offset..offset + bytes.len() / 4)?;
        if storage.dtype != dtype {
            return Err(missing(name));
        }
        self.opened.queue.write_buffer(&storage.buffer, offset as u64 * 4, bytes);
        self.opened.faults.check()
    }

    fn submit(&mut self, programs: &[Program]) -> Result<()> {
        self.opened.faults.check()?;
        let mut launches = Vec::new();
        for &program in programs {
            launches.extend(&self.program(program)?.launches);
        }
        let mut encoder = self.opened.device.create_command_encoder(&Default::default());
        record(&mut encoder, &launches, None);
        self.opened.queue.submit([encoder.finish()]);
        self.opened.faults.check()
    }

    fn profile(&mut self, program: Program) -> Reading<'_, Vec<Launched>> {
        Box::pin(self.profiled(program))
    }

    fn read_all(&mut self, sources: Vec<Source>) -> Reading<'static, Vec<Data>> {
        self.read_back(&sources).unwrap_or_else(|error| Box::pin(std::future::ready(Err(error))))
    }

    fn timestamps(&mut self, program: Program) -> Seconds<'_> {
        Box::pin(self.stamped(program))
    }

    fn node(&self, program: Program, name: &str) -> Option<Spec> {
        Some(self.programs.get(program.0)?.as_ref()?.plan.nodes.get(name)?.1.clone())
    }

    fn bytes(&self) -> u64 {
        let slots = self.programs.iter().flatten().flat_map(|c| c.slots.iter());
        let textures = self.programs.iter().flatten().flat_map(|c| c.textures.iter());
        self.buffers.values().chain(slots).map(Storage::bytes).sum::<u64>()
            + textures.map(Texels::bytes).sum::<u64>()
            + self.staging.bytes()
    }

    fn lose(&mut self) {
        self.opened.faults.put(Error::DeviceLost("it was destroyed on request".into()));
        self.opened.device.destroy();
    }
}

impl Drop for Gpu {
    // Dropping the handles frees nothing in a browser.
    fn drop(&mut self) {
        self.opened.device.destroy();
    }
}
