//! Compiling a plan: slots, textures, pipelines and bind groups are all made here, so that a replay makes nothing.

use super::Gpu;
use super::bindings::{Bound, Kind, Layout};
use super::buffers::Storage;
use super::fuse::{Fused, Member, fuse};
use super::shaders;
use super::texels::{Copy, Texels};
use crate::device::profile::{Launched, flops};
use crate::graph::{Location, Plan, PlanStep, Spec};
use crate::ops::{Dispatch, Family};
use crate::{Error, Result};

/// One launch, ready to be recorded.
#[derive(Debug)]
pub(super) struct Launch {
    name: String,
    /// As of [`Launched`].
    flops: f64,
    copies: Vec<Copy>,
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    workgroups: [u32; 3],
}

impl Launch {
    /// What took so long.
    pub(super) fn launched(&self, seconds: Option<f64>) -> Launched {
        Launched { name: self.name.clone(), seconds, flops: self.flops }
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Where the times of launches go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps<'a> {
    pub(super) queries: &'a wgpu::QuerySet,
    /// The begin, and the end of each launch; else the begin and the end of all.
    pub(super) each: bool,
}

/// Records launches one after another, in passes as long as no copies and no stamps come between.
pub(super) fn record(encoder: &mut wgpu::CommandEncoder, launches: &[&Launch], stamps: Option<Stamps<'_>>) {
    let each = stamps.is_some_and(|stamps| stamps.each);
    let mut passes = launches.chunk_by(|_, next| next.copies.is_empty() && !each).enumerate().peekable();
    while let Some((i, pass)) = passes.next() {
        pass[0].copies.iter().for_each(|copy| copy.record(encoder));
        let end = if each { Some(i as u32 + 1) } else { passes.peek().is_none().then_some(1) };
        let begin = (i == 0).then_some(0);
        let timestamp_writes = stamps.filter(|_| begin.is_some() || end.is_some()).map(|stamps| {
            wgpu::ComputePassTimestampWrites {
                query_set: stamps.queries,
                beginning_of_pass_write_index: begin,
                end_of_pass_write_index: end,
            }
        });
        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
        let mut recording = encoder.begin_compute_pass(&descriptor);
        pass.iter().for_each(|launch| launch.record(&mut recording));
    }
}

/// A plan on this device.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) plan: Plan,
    pub(super) slots: Vec<Storage>,
    pub(super) textures: Vec<Texels>,
    pub(super) launches: Vec<Launch>,
}

/// What values are kept in while a program runs.
#[derive(Clone, Copy)]
struct Room<'a> {
    slots: &'a [Storage],
    textures: &'a [Texels],
}

/// A step's kernel.
struct Kernel<'a> {
    source: String,
    dispatch: Dispatch,
    step: &'a PlanStep,
}

impl<'a> Kernel<'a> {
    fn new(family: Family, step: &'a PlanStep) -> Result<Self> {
        let specs = |values: &[(Location, Spec)]| values.iter().map(|(_, s)| s.clone()).collect::<Vec<_>>();
        let dispatch = step.step.op.dispatch_dyn(family, &specs(&step.reads), &specs(&step.writes));
        Ok(Self { source: shaders::source(&dispatch)?, dispatch, step })
    }

    /// Its reads that have to be copied into textures.
    fn textured(&self) -> &'a [(Location, Spec)] {
        &self.step.reads[..shaders::textures(&self.source)]
    }
}

impl Gpu {
    pub(super) fn build(&mut self, plan: Plan) -> Result<Compiled> {
        let mut slots = Vec::with_capacity(plan.slots.len());
        for (index, &(dtype, len)) in plan.slots.iter().enumerate() {
            slots.push(self.storage(&format!("{} slot {index}", plan.label), dtype, len)?);
        }
        let kernels: Result<Vec<_>> = plan.steps.iter().map(|step| Kernel::new(self.family, step)).collect();
        let kernels = kernels?;
        let mut textures = Vec::new();
        for i in 0..2 {
            let lengths = kernels.iter().filter_map(|kernel| kernel.textured().get(i));
            if let Some(most) = lengths.map(|(_, spec)| spec.len()).max() {
                textures.push(self.texels(&format!("{} texture {i}", plan.label), most)?);
            }
        }
        let room = Room { slots: &slots, textures: &textures };
        let mut launches = Vec::with_capacity(plan.steps.len());
        for kernels in kernels.chunk_by(|_, next| next.step.together) {
            self.launch(kernels, room, &mut launches)?;
        }
        drop(kernels);
        Ok(Compiled { plan, slots, textures, launches })
    }

    /// Makes the launch of these kernels, or one of each, which first fills its textures.
    fn launch(&mut self, kernels: &[Kernel<'_>], room: Room<'_>, launches: &mut Vec<Launch>) -> Result<()> {
        if let Some((name, fused)) = self.fused(kernels) {
            let bound = self.bound(&fused.reads, &fused.writes, room)?;
            let flops = kernels.iter().map(|kernel| flops(kernel.step)).sum();
            launches.push(Launch { flops, ..self.ready(&name, fused.source, fused.workgroups, &bound)? });
            return Ok(());
        }
        for kernel in kernels {
            let textured = kernel.textured();
            let mut bound = Vec::new();
            let mut copies = Vec::new();
            for ((location, spec), texels) in textured.iter().zip(room.textures) {
                let (storage, range) = self.place(room.slots, location, spec)?;
                copies.push(Copy::new(&storage.buffer, &range, texels));
                bound.push((Kind::Texture, Bound::View(texels.view.clone())));
            }
            let Kernel { source, dispatch, step } = kernel;
            bound.extend(self.bound(&step.reads[textured.len()..], &step.writes, room)?);
            let ready = self.ready(dispatch.shader, source.clone(), dispatch.workgroups, &bound)?;
            launches.push(Launch { flops: flops(step), copies, ..ready });
        }
        Ok(())
    }

    /// Several kernels as one, if they may go together and the adapter allows it as many bindings; and its name.
    fn fused(&self, kernels: &[Kernel<'_>]) -> Option<(String, Fused)> {
        if kernels.len() < 2 || !self.fusing.unwrap_or(self.family == Family::Workgroups) {
            return None;
        }
        let members: Vec<_> =
            kernels.iter().map(|kernel| Member::new(&kernel.source, &kernel.dispatch, kernel.step)).collect();
        let fused = fuse(&members)?;
        let most = self.opened.device.limits().max_storage_buffers_per_shader_stage as usize;
        let names: Vec<&str> = kernels.iter().map(|kernel| kernel.dispatch.shader).collect();
        (fused.reads.len() + fused.writes.len() <= most).then(|| (names.join(" and "), fused))
    }

    /// The buffers of what is read and written, in the order of the bindings.
    fn bound(
        &self,
        reads: &[(Location, Spec)],
        writes: &[(Location, Spec)],
        room: Room<'_>,
    ) -> Result<Vec<(Kind, Bound)>> {
        let kinds = [Kind::Read, Kind::Write];
        let values =
            [reads, writes].into_iter().zip(kinds).flat_map(|(v, kind)| v.iter().map(move |v| (v, kind)));
        values
            .map(|((location, spec), kind)| {
                let (storage, range) = self.place(room.slots, location, spec)?;
                Ok((kind, Bound::Buffer(storage.buffer.clone(), range)))
            })
            .collect()
    }

    /// A kernel with what it is bound to.
    fn ready(
        &mut self,
        name: &str,
        source: String,
        workgroups: [u32; 3],
        bound: &[(Kind, Bound)],
    ) -> Result<Launch> {
        let kinds: Vec<Kind> = bound.iter().map(|(kind, _)| *kind).collect();
        let pipeline = self.pipeline(name, source, &kinds)?;
        let entries = (0..)
            .zip(bound)
            .map(|(binding, (_, bound))| wgpu::BindGroupEntry { binding, resource: bound.resource() });
        let bindings = self.opened.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(name),
            layout: &self.layouts[&kinds].group,
            entries: &entries.collect::<Vec<_>>(),
        });
        self.made.bind_groups += 1;
        self.named(name)?;
        Ok(Launch { name: name.into(), flops: 0.0, copies: Vec::new(), pipeline, bindings, workgroups })
    }

    /// The pipeline of a kernel, made once for each text.
    fn pipeline(&mut self, name: &str, source: String, kinds: &[Kind]) -> Result<wgpu::ComputePipeline> {
        if let Some(pipeline) = self.pipelines.get(&source) {
            return Ok(pipeline.clone());
        }
        if !self.layouts.contains_key(kinds) {
            let layout = Layout::new(&self.opened.device, kinds);
            self.layouts.insert(kinds.to_vec(), layout);
        }
        let module = self.opened.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
        });
        let pipeline = self.opened.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&self.layouts[kinds].pipeline),
            module: &module,
            entry_point: Some("main"),
            // Kernels write workgroup memory before they read it.
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        self.made.pipelines += 1;
        self.named(name)?;
        self.pipelines.insert(source, pipeline.clone());
        Ok(pipeline)
    }

    /// Fails with what the driver reported, naming the kernel.
    fn named(&self, kernel: &str) -> Result<()> {
        self.opened.faults.check().map_err(|error| match error {
            Error::Device(why) => Error::Device(format!("kernel {kernel}: {why}")),
            other => other,
        })
    }
}
