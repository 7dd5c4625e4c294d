// Weighted sum of a row's first column, one row a workgroup (core/src/ops/masked_sum.rs).
const THREADS: u32 = 32u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group);
    let at = min(row, ROWS - 1u) * T;
    var sum = 0.0;
    for (var i = thread; i < T; i += THREADS) {
        sum += weights[at + i] * x[(at + i) * STRIDE];
    }
    sum = sum_all(thread, sum);
    if thread == 0u && row < ROWS {
        y[row] = sum;
    }
}
