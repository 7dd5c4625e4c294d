// Variance 1, and mean 0 if SHIFT, over the masked elements (core/src/ops/advantage.rs). One workgroup.
const THREADS: u32 = 256u;
const EPS: f32 = 1e-8;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> mask: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var n = 0.0;
    var sum = 0.0;
    for (var i = thread; i < N; i += THREADS) {
        n += mask[i];
        sum += mask[i] * x[i];
    }
    n = sum_all(thread, n);
    let mean = sum_all(thread, sum) / max(n, 1.0);
    var squares = 0.0;
    for (var i = thread; i < N; i += THREADS) {
        squares += mask[i] * (x[i] - mean) * (x[i] - mean);
    }
    let scale = 1.0 / sqrt(sum_all(thread, squares) / max(n - 1.0, 1.0) + EPS);
    let back = select(mean, 0.0, SHIFT);
    for (var i = thread; i < N; i += THREADS) {
        y[i] = mask[i] * ((x[i] - mean) * scale + back);
    }
}
