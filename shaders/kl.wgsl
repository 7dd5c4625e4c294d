// KL(softmax(policy) ‖ softmax(reference)), one row a workgroup (core/src/ops/kl.rs).
const THREADS: u32 = 32u;

@group(0) @binding(0) var<storage, read> policy: array<f32>;
@group(0) @binding(1) var<storage, read> reference: array<f32>;
@group(0) @binding(2) var<storage, read_write> kl: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group);
    let at = min(row, ROWS - 1u) * WIDTH;
    var p = policy[at];
    var q = reference[at];
    for (var i = thread; i < V; i += THREADS) {
        p = max(p, policy[at + i]);
        q = max(q, reference[at + i]);
    }
    p = max_all(thread, p);
    q = max_all(thread, q);
    var sums = vec2f();
    for (var i = thread; i < V; i += THREADS) {
        sums += exp(vec2f(policy[at + i] - p, reference[at + i] - q));
    }
    p += log(sum_all(thread, sums.x));
    q += log(sum_all(thread, sums.y));
    var total = 0.0;
    for (var i = thread; i < V; i += THREADS) {
        let logp = policy[at + i] - p;
        total += exp(logp) * (logp - (reference[at + i] - q));
    }
    total = sum_all(thread, total);
    if thread == 0u && row < ROWS {
        kl[row] = total;
    }
}
