// DPO's loss, its metrics and its gradient (core/src/ops/dpo.rs).
const THREADS: u32 = 64u;

@group(0) @binding(0) var<storage, read> policy: array<f32>;
@group(0) @binding(1) var<storage, read> reference: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<f32>;
@group(0) @binding(3) var<storage, read> logits: array<f32>;
@group(0) @binding(4) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(5) var<storage, read_write> seed: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    let share = SCALE / f32(PAIRS);
    // As in metrics, but 7 and 8 are sums over tokens, 10 and 11 the numbers of tokens.
    var sums: array<f32, 12>;
    for (var i = thread; i < PAIRS; i += THREADS) {
        let c = 2u * i;
        let r = c + 1u;
        let chosen = BETA * (policy[c] - reference[c]);
        let rejected = BETA * (policy[r] - reference[r]);
        let margin = chosen - rejected;
        let length = max(lengths[c], 1.0);
        let nll = -policy[c] / length;
        let loss = -(1.0 - SMOOTHING) * log_sigmoid(margin) - SMOOTHING * log_sigmoid(-margin);
        sums[0] += loss + NLL * nll;
        sums[1] += chosen;
        sums[2] += rejected;
        sums[3] += select(0.0, 1.0, margin > 0.0);
        sums[4] += margin;
        sums[5] += policy[c];
        sums[6] += policy[r];
        sums[7] += logits[c];
        sums[8] += logits[r];
        sums[9] += nll;
        sums[10] += lengths[c];
        sums[11] += lengths[r];
        let slope = share * BETA * (SMOOTHING * sigmoid(margin) - (1.0 - SMOOTHING) * sigmoid(-margin));
        seed[c] = slope - share * NLL / length;
        seed[r] = -slope;
    }
    for (var k = 0u; k < 12u; k++) {
        sums[k] = sum_all(thread, sums[k]);
    }
    if thread == 0u {
        for (var k = 0u; k < 10u; k++) {
            if k == 7u || k == 8u {
                metrics[k] += SCALE * sums[k] / max(sums[k + 3u], 1.0);
            } else {
                metrics[k] += share * sums[k];
            }
        }
    }
}
