// Splits rows of examples (core/src/ops/examples.rs).
const WORDS: u32 = 2u * T + 3u;

@group(0) @binding(0) var<storage, read> rows: array<u32>;
@group(0) @binding(1) var<storage, read> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(3) var<storage, read_write> targets: array<u32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> first: array<f32>;
@group(0) @binding(6) var<storage, read_write> second: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 64u + thread;
    if i >= B * T {
        return;
    }
    let b = i / T;
    let t = i % T;
    let at = (state[ROW] + b) % R * WORDS;
    tokens[i] = rows[at + t];
    targets[i] = rows[at + t + 1u];
    weights[i] = bitcast<f32>(rows[at + T + 1u + t]);
    if t == 0u {
        first[b] = bitcast<f32>(rows[at + 2u * T + 1u]);
        second[b] = bitcast<f32>(rows[at + 2u * T + 2u]);
    }
}
