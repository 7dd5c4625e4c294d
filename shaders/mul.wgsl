// y = a · b, element by element (core/src/ops/mul.rs).
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 256u + thread;
    if i < N {
        y[i] = a[i] * b[i];
    }
}
