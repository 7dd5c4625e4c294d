// ln p of the targets, one row a workgroup (core/src/ops/log_prob.rs).
const THREADS: u32 = 32u;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read_write> logp: array<f32>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group);
    let at = min(row, ROWS - 1u) * WIDTH;
    let total = log_sum_exp(thread, at);
    if thread == 0u && row < ROWS {
        lse[row] = total;
        logp[row] = logits[at + targets[row]] - total;
    }
}
