// −Σ p ln p of softmax(logits), one row a workgroup (core/src/ops/kl.rs).
const THREADS: u32 = 32u;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> entropy: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group);
    let at = min(row, ROWS - 1u) * WIDTH;
    let lse = log_sum_exp(thread, at);
    var total = 0.0;
    for (var i = thread; i < V; i += THREADS) {
        let logp = logits[at + i] - lse;
        total -= exp(logp) * logp;
    }
    total = sum_all(thread, total);
    if thread == 0u && row < ROWS {
        entropy[row] = total;
    }
}
