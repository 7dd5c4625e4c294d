// Rows of five tensors, in the order given (core/src/ops/ppo.rs).
@group(0) @binding(0) var<storage, read> mask: array<f32>;
@group(0) @binding(1) var<storage, read> logp: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read> advantages: array<f32>;
@group(0) @binding(4) var<storage, read> returns: array<f32>;
@group(0) @binding(5) var<storage, read> order: array<u32>;
@group(0) @binding(6) var<storage, read> state: array<u32>;
@group(0) @binding(7) var<storage, read_write> old: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 64u + thread;
    let n = M * T;
    if i >= n {
        return;
    }
    let at = order[(state[ROW] + i / T) % ORDER] * T + i % T;
    old[i] = mask[at];
    old[n + i] = logp[at];
    old[2u * n + i] = values[at];
    old[3u * n + i] = advantages[at];
    old[4u * n + i] = returns[at];
}
