// Mean surprise at the weighted tokens, and its gradient (core/src/ops/sft.rs).
const THREADS: u32 = 256u;

@group(0) @binding(0) var<storage, read> logp: array<f32>;
@group(0) @binding(1) var<storage, read> entropy: array<f32>;
@group(0) @binding(2) var<storage, read> hit: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> share: array<f32>;
@group(0) @binding(5) var<storage, read> counted: array<f32>;
@group(0) @binding(6) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(7) var<storage, read_write> seed: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var sums = vec4f();
    for (var i = thread; i < N; i += THREADS) {
        let w = weights[i];
        let all = w * share[i / T];
        let own = w * counted[i / T];
        sums += vec4f(-all * logp[i], own * entropy[i], own * hit[i], -own * logp[i]);
        seed[i] = -all;
    }
    for (var k = 0u; k < 4u; k++) {
        let sum = sum_all(thread, sums[k]);
        if thread == 0u {
            metrics[k] += sum;
        }
    }
}
