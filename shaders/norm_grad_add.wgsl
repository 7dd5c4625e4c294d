// dx of layer normalisation, added to the gradient that x has from elsewhere, one row a thread (core/src/ops/norm.rs).
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> rstd: array<f32>;
@group(0) @binding(4) var<storage, read> gain: array<f32>;
@group(0) @binding(5) var<storage, read> other: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

fn put(at: u32, value: f32) {
    dx[at] = value + other[at];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group) * 64u + thread;
    if row < ROWS {
        norm_grad_row(row);
    }
}
