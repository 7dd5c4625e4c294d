// dw += xᵀ · dy (transposed: dyᵀ · x), dbias += Σ dy (core/src/ops/linear.rs).
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dbias: array<vec4f>;

fn put_bias(i: u32, n: u32, sum: vec4f) {
    if i < n {
        dbias[i] += sum;
    }
}

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
    let sum = outer(group, local);
    let at = corner(group, local);
    if local.y > 0u {
        return;
    }
    if TRANSPOSED && at.y == 0u {
        put_bias(at.x, ROWS4, sum[0]);
        put_bias(at.x + 1u, ROWS4, sum[1]);
    }
    if !TRANSPOSED && at.x == 0u {
        put_bias(at.y, COLUMNS4, sum[0]);
        put_bias(at.y + 1u, COLUMNS4, sum[1]);
    }
}
