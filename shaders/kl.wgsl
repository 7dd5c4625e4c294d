// KL(softmax(policy) ‖ softmax(reference)), and what its estimates k1 and k3 are on average and vary by, one row a
// workgroup (core/src/ops/kl.rs).
const THREADS: u32 = 32u;

@group(0) @binding(0) var<storage, read> policy: array<f32>;
@group(0) @binding(1) var<storage, read> reference: array<f32>;
@group(0) @binding(2) var<storage, read_write> exact: array<f32>;
@group(0) @binding(3) var<storage, read_write> k1_variance: array<f32>;
@group(0) @binding(4) var<storage, read_write> k3_mean: array<f32>;
@group(0) @binding(5) var<storage, read_write> k3_variance: array<f32>;

// k1 of a token, and k3 if it is not rare.
fn estimates(logp: f32, log_rho: f32) -> vec2f {
    return vec2f(-log_rho, select(0.0, exp(log_rho) - 1.0 - log_rho, logp >= LOG_RARE));
}

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
    var means = vec2f();
    for (var i = thread; i < V; i += THREADS) {
        let logp = policy[at + i] - p;
        means += exp(logp) * estimates(logp, reference[at + i] - q - logp);
    }
    means = vec2f(sum_all(thread, means.x), sum_all(thread, means.y));
    var variances = vec2f();
    for (var i = thread; i < V; i += THREADS) {
        let logp = policy[at + i] - p;
        let off = estimates(logp, reference[at + i] - q - logp) - means;
        variances += exp(logp) * off * off;
    }
    variances = vec2f(sum_all(thread, variances.x), sum_all(thread, variances.y));
    if thread == 0u && row < ROWS {
        exact[row] = means.x;
        k1_variance[row] = variances.x;
        k3_mean[row] = means.y;
        k3_variance[row] = variances.y;
    }
}
