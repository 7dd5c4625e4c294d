// Keeps K and V of the positions that are being decoded (core/src/ops/attention_cached.rs).
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> cache: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 64u + thread;
    if i >= N {
        return;
    }
    let row = i / (2u * C);
    let c = i % (2u * C);
    let b = row / Q;
    let position = positions[b] + OFFSET + row % Q;
    if position < P {
        cache[(b * P + position) * 2u * C + c] = qkv[row * 3u * C + C + c];
    }
}
