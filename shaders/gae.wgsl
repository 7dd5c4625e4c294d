// Generalised advantage estimation, one row a thread, from its end (core/src/ops/advantage.rs).
@group(0) @binding(0) var<storage, read> rewards: array<f32>;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read_write> advantages: array<f32>;
@group(0) @binding(4) var<storage, read_write> returns: array<f32>;
@group(0) @binding(5) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let b = flat_group(group) * 64u + thread;
    if b >= B {
        return;
    }
    var next_value = 0.0;
    var next_advantage = 0.0;
    for (var t = T; t > 0u; t--) {
        let i = b * T + t - 1u;
        let value = mask[i] * scores[i * WIDTH];
        let delta = rewards[i] + GAMMA * next_value - value;
        next_advantage = mask[i] * (delta + GAMMA * LAMBDA * next_advantage);
        next_value = value;
        advantages[i] = next_advantage;
        values[i] = value;
        returns[i] = next_advantage + value;
    }
}
