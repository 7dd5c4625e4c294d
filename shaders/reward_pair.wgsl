// Bradley–Terry's loss, its metrics and its gradient (core/src/ops/reward_pair.rs).
const THREADS: u32 = 64u;

@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(2) var<storage, read_write> seed: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    let share = SCALE / f32(PAIRS);
    // Loss, accuracy, margin, mean reward.
    var sums = vec4f();
    var low = scores[0];
    var high = scores[0];
    for (var i = thread; i < PAIRS; i += THREADS) {
        let chosen = scores[2u * i];
        let rejected = scores[2u * i + 1u];
        let margin = chosen - rejected;
        sums += vec4f(
            -log_sigmoid(margin),
            select(0.0, 1.0, margin > 0.0),
            margin,
            0.5 * (chosen + rejected),
        );
        low = min(low, min(chosen, rejected));
        high = max(high, max(chosen, rejected));
        let slope = -share * sigmoid(-margin);
        seed[2u * i] = slope;
        seed[2u * i + 1u] = -slope;
    }
    for (var k = 0u; k < 4u; k++) {
        let sum = sum_all(thread, sums[k]);
        if thread == 0u {
            metrics[select(k, 4u, k == 3u)] += share * sum;
        }
    }
    low = -max_all(thread, -low);
    high = max_all(thread, high);
    if thread == 0u {
        metrics[3] += SCALE * low;
        metrics[5] += SCALE * high;
    }
}
