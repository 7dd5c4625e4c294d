// Layer normalisation, one row a thread (core/src/ops/norm.rs).
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gain: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group) * 64u + thread;
    if row >= ROWS {
        return;
    }
    let at = row * C;
    var sum = 0.0;
    for (var c = 0u; c < C; c++) {
        sum += x[at + c];
    }
    let mu = sum / f32(C);
    var square = 0.0;
    for (var c = 0u; c < C; c++) {
        let d = x[at + c] - mu;
        square += d * d;
    }
    let r = 1.0 / sqrt(square / f32(C) + 1e-5);
    for (var c = 0u; c < C; c++) {
        y[at + c] = (x[at + c] - mu) * r * gain[c] + bias[c];
    }
    mean[row] = mu;
    rstd[row] = r;
}
