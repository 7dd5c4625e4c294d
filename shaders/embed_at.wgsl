// The embedding of the positions that are being decoded (core/src/ops/embed.rs).
@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> wte: array<f32>;
@group(0) @binding(2) var<storage, read> wpe: array<f32>;
@group(0) @binding(3) var<storage, read> positions: array<u32>;
@group(0) @binding(4) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 64u + thread;
    if i < N {
        let c = i % C;
        let b = i / C / Q;
        let position = min(positions[b] + OFFSET + i / C % Q, P - 1u);
        x[i] = wte[tokens[b * P + position] * C + c] + wpe[position * C + c];
    }
}
