// dw += xᵀ · dy (transposed: dyᵀ · x) (core/src/ops/linear.rs).
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;

fn put_bias(i: u32, n: u32, sum: vec4f) {}

@compute @workgroup_size(WIDTH, HEIGHT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
    outer(group, thread);
}
