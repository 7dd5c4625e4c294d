// y = x · w: the tied head, and dx = dy · wᵀ (core/src/ops/linear.rs).
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn first(column: u32) -> vec4f {
    return vec4f();
}

fn put(row: u32, column: u32, value: vec4f) {
    y[row * N4 + column] = value;
}

@compute @workgroup_size(WIDTH, HEIGHT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
    product(group, thread);
}
