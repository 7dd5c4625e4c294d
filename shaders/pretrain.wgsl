// loss += mean(−logp) · scale and its gradient; WEIGHT = scale / N (core/src/ops/pretrain.rs).
const THREADS: u32 = 256u;

@group(0) @binding(0) var<storage, read> logp: array<f32>;
@group(0) @binding(1) var<storage, read_write> loss: array<f32>;
@group(0) @binding(2) var<storage, read_write> seed: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var sum = 0.0;
    for (var i = thread; i < N; i += THREADS) {
        sum += logp[i];
        seed[i] = -WEIGHT;
    }
    sum = sum_all(thread, sum);
    if thread == 0u {
        loss[0] -= WEIGHT * sum;
    }
}
