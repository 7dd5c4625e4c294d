// pre = x · w + bias, y = gelu(pre) (core/src/ops/linear.rs). The second in a loop over what the thread has just
// written: written out for each register it would be a long text to compile.
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> pre: array<vec4f>;

fn first(column: u32) -> vec4f {
    return bias[column];
}

fn put(row: u32, column: u32, value: vec4f) {
    pre[row * N4 + column] = value;
}

@compute @workgroup_size(WIDTH, HEIGHT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
    product(group, thread);
    let at = corner(group, thread);
    let end = min(at + EACH, vec2u(M, N4));
    for (var row = at.x; row < end.x; row++) {
        for (var column = at.y; column < end.y; column++) {
            y[row * N4 + column] = gelu(pre[row * N4 + column]);
        }
    }
}
