// y = x · w + bias (core/src/ops/linear.rs).
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

fn first(column: u32) -> vec4f {
    return bias[column];
}

fn put(row: u32, column: u32, value: vec4f) {
    y[row * N4 + column] = value;
}

@compute @workgroup_size(WIDTH, HEIGHT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
    product(group, thread);
}
