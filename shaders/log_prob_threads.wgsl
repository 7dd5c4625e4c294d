// ln p of the targets, one row a thread (core/src/ops/log_prob.rs).
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read_write> logp: array<f32>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group) * THREADS + thread;
    if row >= ROWS {
        return;
    }
    let at = row * WIDTH;
    var largest = logits[at];
    for (var i = 1u; i < V; i++) {
        largest = max(largest, logits[at + i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < V; i++) {
        sum += exp(logits[at + i] - largest);
    }
    let total = largest + log(sum);
    lse[row] = total;
    logp[row] = logits[at + targets[row]] - total;
}
