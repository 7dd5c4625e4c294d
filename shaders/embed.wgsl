// x = wte[token] + wpe[position] (core/src/ops/embed.rs).
@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> wte: array<f32>;
@group(0) @binding(2) var<storage, read> wpe: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 256u + thread;
    if i < N {
        let row = i / C;
        let c = i % C;
        x[i] = wte[tokens[row] * C + c] + wpe[row % T * C + c];
    }
}
