//! Compiling a plan: slots, pipelines and bind groups are all made here, so that a replay makes nothing.

use super::Gpu;
use super::buffers::Storage;
use super::fuse::{Fused, Member, fuse};
use super::shaders;
use crate::graph::{Location, Plan, PlanStep, Spec};
use crate::ops::{Dispatch, Family};
use crate::{Error, Result};

/// One launch, ready to be recorded.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) bindings: wgpu::BindGroup,
    pub(super) workgroups: [u32; 3],
}

/// A plan on this device.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) plan: Plan,
    pub(super) slots: Vec<Storage>,
    pub(super) launches: Vec<Launch>,
}

/// The layout of all kernels with so many reads and writes.
#[derive(Debug)]
pub(super) struct Layout {
    group: wgpu::BindGroupLayout,
    pipeline: wgpu::PipelineLayout,
}

impl Gpu {
    pub(super) fn build(&mut self, plan: Plan) -> Result<Compiled> {
        let mut slots = Vec::with_capacity(plan.slots.len());
        for (index, &(dtype, len)) in plan.slots.iter().enumerate() {
            slots.push(self.storage(&format!("{} slot {index}", plan.label), dtype, len)?);
        }
        let mut launches = Vec::with_capacity(plan.steps.len());
        for steps in plan.steps.chunk_by(|_, next| next.together) {
            self.launch(steps, &slots, &mut launches)?;
        }
        Ok(Compiled { plan, slots, launches })
    }

    /// Makes the launch of these steps, or one of each.
    fn launch(&mut self, steps: &[PlanStep], slots: &[Storage], launches: &mut Vec<Launch>) -> Result<()> {
        let mut kernels = Vec::with_capacity(steps.len());
        for step in steps {
            let specs =
                |values: &[(Location, Spec)]| values.iter().map(|(_, s)| s.clone()).collect::<Vec<_>>();
            let dispatch = step.step.op.dispatch_dyn(self.family, &specs(&step.reads), &specs(&step.writes));
            kernels.push((shaders::source(&dispatch)?, dispatch, step));
        }
        if let Some((name, fused)) = self.fused(&kernels) {
            launches.push(self.bound(&name, fused, slots)?);
            return Ok(());
        }
        for (source, dispatch, step) in kernels {
            let (reads, writes) = (step.reads.clone(), step.writes.clone());
            let kernel = Fused { source, workgroups: dispatch.workgroups, reads, writes };
            launches.push(self.bound(dispatch.shader, kernel, slots)?);
        }
        Ok(())
    }

    /// Several kernels as one, if they may go together and the adapter allows it as many bindings; and its name.
    fn fused(&self, kernels: &[(String, Dispatch, &PlanStep)]) -> Option<(String, Fused)> {
        if kernels.len() < 2 || !self.fusing.unwrap_or(self.family == Family::Workgroups) {
            return None;
        }
        let members: Vec<_> =
            kernels.iter().map(|(source, dispatch, step)| Member::new(source, dispatch, step)).collect();
        let fused = fuse(&members)?;
        let most = self.opened.device.limits().max_storage_buffers_per_shader_stage as usize;
        let names: Vec<&str> = kernels.iter().map(|(_, dispatch, _)| dispatch.shader).collect();
        (fused.reads.len() + fused.writes.len() <= most).then(|| (names.join(" and "), fused))
    }

    /// A kernel with what it is bound to.
    fn bound(&mut self, name: &str, kernel: Fused, slots: &[Storage]) -> Result<Launch> {
        let sides = (kernel.reads.len(), kernel.writes.len());
        let pipeline = self.pipeline(name, kernel.source, sides)?;
        let mut entries = Vec::with_capacity(sides.0 + sides.1);
        for (binding, (location, spec)) in kernel.reads.iter().chain(&kernel.writes).enumerate() {
            let (storage, range) = self.place(slots, location, spec)?;
            let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &storage.buffer,
                offset: range.start as u64 * 4,
                size: std::num::NonZeroU64::new(range.len() as u64 * 4),
            });
            entries.push(wgpu::BindGroupEntry { binding: binding as u32, resource });
        }
        let bindings = self.opened.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(name),
            layout: &self.layouts[&sides].group,
            entries: &entries,
        });
        self.made.bind_groups += 1;
        self.named(name)?;
        Ok(Launch { pipeline, bindings, workgroups: kernel.workgroups })
    }

    /// The pipeline of a kernel, made once for each text.
    fn pipeline(
        &mut self,
        name: &str,
        source: String,
        sides: (usize, usize),
    ) -> Result<wgpu::ComputePipeline> {
        if let Some(pipeline) = self.pipelines.get(&source) {
            return Ok(pipeline.clone());
        }
        if !self.layouts.contains_key(&sides) {
            let layout = layout(&self.opened.device, sides);
            self.layouts.insert(sides, layout);
        }
        let module = self.opened.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
        });
        let pipeline = self.opened.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&self.layouts[&sides].pipeline),
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

fn layout(device: &wgpu::Device, (reads, writes): (usize, usize)) -> Layout {
    let entries: Vec<_> = (0..reads + writes)
        .map(|binding| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: binding < reads },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        })
        .collect();
    let group =
        device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
    let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&group)],
        immediate_size: 0,
    });
    Layout { group, pipeline }
}
