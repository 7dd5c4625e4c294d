// pre = x · w + bias, y = gelu(pre) (core/src/ops/linear.rs).
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> pre: array<vec4f>;

fn put(row: u32, column: u32, value: vec4f) {
    let p = value + bias[column];
    pre[row * N4 + column] = p;
    y[row * N4 + column] = gelu(p);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
    product(group, thread);
}
