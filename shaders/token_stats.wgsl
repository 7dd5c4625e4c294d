// Entropy, hit and mean logit, one row a workgroup (core/src/ops/token_stats.rs).
const THREADS: u32 = 32u;
const FORBIDDEN_BELOW: f32 = -5e3;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> lse: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
@group(0) @binding(3) var<storage, read_write> entropy: array<f32>;
@group(0) @binding(4) var<storage, read_write> hit: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group);
    let clamped = min(row, ROWS - 1u);
    let at = clamped * WIDTH;
    let total = lse[clamped];
    let target_token = targets[clamped];
    let own = logits[at + target_token];
    var surprise = 0.0;
    var beaten = 0.0;
    var sum = 0.0;
    var count = 0.0;
    for (var i = thread; i < V; i += THREADS) {
        let x = logits[at + i];
        surprise += exp(x - total) * (total - x);
        if x > own || (x == own && i < target_token) {
            beaten = 1.0;
        }
        if x > FORBIDDEN_BELOW {
            sum += x;
            count += 1.0;
        }
    }
    surprise = sum_all(thread, surprise);
    beaten = max_all(thread, beaten);
    sum = sum_all(thread, sum);
    count = sum_all(thread, count);
    if thread == 0u && row < ROWS {
        entropy[row] = surprise;
        hit[row] = 1.0 - beaten;
        mean[row] = sum / max(count, 1.0);
    }
}
