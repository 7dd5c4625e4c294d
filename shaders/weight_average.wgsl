// Moves an average towards the weights (core/src/ops/weight_average.rs).
@group(0) @binding(0) var<storage, read> state: array<u32>;
@group(0) @binding(1) var<storage, read> params: array<f32>;
@group(0) @binding(2) var<storage, read_write> average: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 256u + thread;
    if i < N {
        average[i] += bitcast<f32>(state[AVERAGE]) * (params[i] - average[i]);
    }
}
