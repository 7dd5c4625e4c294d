// −kl_coef · KL at each token of an answer and its score at the last, one row a thread
// (core/src/ops/advantage.rs).
@group(0) @binding(0) var<storage, read> logp: array<f32>;
@group(0) @binding(1) var<storage, read> reference: array<f32>;
@group(0) @binding(2) var<storage, read> mask: array<f32>;
@group(0) @binding(3) var<storage, read> targets: array<u32>;
@group(0) @binding(4) var<storage, read> scores: array<f32>;
@group(0) @binding(5) var<storage, read> norm: array<f32>;
@group(0) @binding(6) var<storage, read_write> rewards: array<f32>;
@group(0) @binding(7) var<storage, read_write> score: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let b = flat_group(group) * 64u + thread;
    if b >= B {
        return;
    }
    var last = T;
    for (var t = 0u; t < T; t++) {
        let i = b * T + t;
        var reward = 0.0;
        if mask[i] > 0.0 {
            let log_rho = reference[i] - logp[i];
            var kl = -log_rho;
            if K3 {
                kl += exp(log_rho) - 1.0;
            }
            reward = -KL_COEF * kl;
            last = t;
        }
        rewards[i] = reward;
    }
    var value = 0.0;
    if last < T {
        let i = b * T + last;
        if i + 1u < B * T {
            value = scores[(i + 1u) * WIDTH];
        }
        value = (value - norm[0]) / norm[1];
        if targets[i] != STOP {
            value -= PENALTY;
        }
        rewards[i] += value;
    }
    score[b] = value;
}
