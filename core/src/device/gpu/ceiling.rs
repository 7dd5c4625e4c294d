//! What the adapter can do at best, as a benchmark's yardstick.

use super::Gpu;
use crate::Result;
use crate::device::Ceiling;
#[cfg(not(target_arch = "wasm32"))]
use std::time::Instant;
#[cfg(target_arch = "wasm32")]
use web_time::Instant;

/// Chains of fused multiply-adds on vectors, enough of them to hide their latency; and a copy.
const KERNELS: &str = "
@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sink: array<vec4f>;

@compute @workgroup_size(64)
fn multiply_add(@builtin(global_invocation_id) id: vec3u) {
    let a = source[id.x];
    let b = source[id.x + 1u];
    var x0 = a; var x1 = b; var x2 = a + b; var x3 = a - b;
    var x4 = b - a; var x5 = a * b; var x6 = -a; var x7 = -b;
    for (var i = 0u; i < ROUNDS; i++) {
        x0 = fma(x0, a, b); x1 = fma(x1, a, b); x2 = fma(x2, a, b); x3 = fma(x3, a, b);
        x4 = fma(x4, a, b); x5 = fma(x5, a, b); x6 = fma(x6, a, b); x7 = fma(x7, a, b);
    }
    sink[id.x] = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7;
}

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3u) {
    sink[id.x] = source[id.x];
}
";

/// Vectors in a buffer: 16 MiB.
const VECTORS: u64 = 1 << 20;
/// Operations of a round: eight chains of four lanes, a multiplication and an addition each.
const ROUND: f64 = 64.0;
/// Repetitions of which the best counts: a ceiling is what is possible.
const REPEAT: usize = 5;
/// Seconds that a measured run should take, well above the cost of a submission.
const LONG_ENOUGH: f64 = 0.05;

impl Gpu {
    /// Measures the adapter's limits; takes about half a second.
    ///
    /// # Errors
    /// Those of the device.
    pub async fn ceiling(&mut self) -> Result<Ceiling> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let buffers = [0, 1].map(|_| self.buffer("ceiling", 16 * VECTORS, usage));
        // Software adapters do 10 GFLOP/s, cards thousands: first few threads and rounds, then enough of both.
        let (mut threads, mut rounds) = (1 << 12, 64);
        let mut flops = 0.0;
        for trial in [true, false] {
            let seconds = self.best(&buffers, "multiply_add", rounds, threads).await?;
            flops = rounds as f64 * threads as f64 * ROUND / seconds;
            if trial {
                threads = if flops > 1e11 { VECTORS - 64 } else { threads };
                rounds = (flops.max(1e9) * LONG_ENOUGH / ROUND / threads as f64).clamp(64.0, 65_536.0) as u64;
            }
        }
        let seconds = self.best(&buffers, "copy", 1, VECTORS).await?;
        buffers.iter().for_each(wgpu::Buffer::destroy);
        Ok(Ceiling { flops, bytes: 2.0 * 16.0 * VECTORS as f64 / seconds })
    }

    /// The shortest time of a kernel, in seconds: of as many launches as take long enough for the clock.
    async fn best(
        &mut self,
        buffers: &[wgpu::Buffer; 2],
        kernel: &str,
        rounds: u64,
        threads: u64,
    ) -> Result<f64> {
        let device = &self.opened.device;
        let source = format!("const ROUNDS = {rounds}u;\n{KERNELS}");
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel),
            layout: None,
            module: &module,
            entry_point: Some(kernel),
            compilation_options: Default::default(),
            cache: None,
        });
        let entry =
            |i: usize| wgpu::BindGroupEntry { binding: i as u32, resource: buffers[i].as_entire_binding() };
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[entry(0), entry(1)],
        });
        let fence = self.staging(4);
        let (mut best, mut launches) = (f64::INFINITY, 1_u32);
        for _ in 0..REPEAT {
            let start = Instant::now();
            let mut encoder = self.opened.device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &bindings, &[]);
            for _ in 0..launches {
                pass.dispatch_workgroups((threads / 64) as u32, 1, 1);
            }
            drop(pass);
            encoder.copy_buffer_to_buffer(&buffers[1], 0, &fence, 0, 4);
            let copied = self.opened.queue.submit([encoder.finish()]);
            let mapped = self.map(&fence, 4, copied).await;
            self.opened.faults.check()?;
            mapped?;
            fence.unmap();
            let seconds = start.elapsed().as_secs_f64();
            best = best.min(seconds / f64::from(launches));
            if seconds < LONG_ENOUGH {
                launches = (LONG_ENOUGH / seconds * f64::from(launches)).clamp(1.0, 256.0) as u32;
            }
        }
        self.staging.put(fence);
        Ok(best)
    }
}
