// Sums of squares of 64 stretches of SPAN gradients, one a workgroup (core/src/ops/grad_norm.rs).
const THREADS: u32 = 64u;

@group(0) @binding(0) var<storage, read> grads: array<f32>;
@group(0) @binding(1) var<storage, read_write> parts: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let end = min((group.x + 1u) * SPAN, N);
    var sum = 0.0;
    for (var i = group.x * SPAN + thread; i < end; i += THREADS) {
        sum += grads[i] * grads[i];
    }
    sum = sum_all(thread, sum);
    if thread == 0u {
        parts[group.x] = sum;
    }
}
