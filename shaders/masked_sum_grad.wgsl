// dx = dy · weight in the first column, 0 in the others (core/src/ops/masked_sum.rs).
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 64u + thread;
    if i >= N {
        return;
    }
    let at = i / STRIDE;
    dx[i] = select(0.0, dy[at / T] * weights[at], i % STRIDE == 0u);
}
