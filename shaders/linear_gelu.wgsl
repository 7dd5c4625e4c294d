// y = gelu(x · w + bias), and slope = gelu' of the same (core/src/ops/linear.rs). Both in a loop over what the thread
// has just written: written out for each register they would be a long text to compile.
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> slope: array<vec4f>;

fn first(column: u32) -> vec4f {
    return bias[column];
}

fn put(row: u32, column: u32, value: vec4f) {
    y[row * N4 + column] = value;
}

@compute @workgroup_size(WIDTH, HEIGHT)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) thread: vec3u) {
    product(group, thread);
    let at = corner(group, thread);
    let end = min(at + EACH, vec2u(M, N4));
    for (var row = at.x; row < end.x; row++) {
        for (var column = at.y; column < end.y; column++) {
            let i = row * N4 + column;
            let both = gelu(y[i]);
            y[i] = both[0];
            slope[i] = both[1];
        }
    }
}
