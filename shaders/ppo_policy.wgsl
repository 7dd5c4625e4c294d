// The clipped policy loss, its metrics and its gradient in ln p (core/src/ops/ppo.rs). One workgroup.
const THREADS: u32 = 256u;

@group(0) @binding(0) var<storage, read> logp: array<f32>;
@group(0) @binding(1) var<storage, read> entropy: array<f32>;
// mask, old ln p, old values, advantages, returns
@group(0) @binding(2) var<storage, read> old: array<f32>;
@group(0) @binding(3) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(4) var<storage, read_write> seed: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var n = 0.0;
    for (var i = thread; i < N; i += THREADS) {
        n += old[i];
    }
    n = max(sum_all(thread, n), 1.0);
    var loss = 0.0;
    var square = 0.0;
    var clipped = 0.0;
    var disorder = 0.0;
    var ratios = 0.0;
    var largest = 0.0;
    for (var i = thread; i < N; i += THREADS) {
        let mask = old[i];
        let diff = mask * (logp[i] - old[N + i]);
        let ratio = exp(diff);
        let advantage = old[3u * N + i];
        let free = -advantage * ratio;
        let bound = -advantage * clamp(ratio, 1.0 - CLIP, 1.0 + CLIP);
        seed[i] = mask * select(free, 0.0, bound > free) / n;
        loss += mask * max(free, bound);
        square += mask * 0.5 * diff * diff;
        clipped += select(0.0, mask, bound > free);
        disorder += mask * entropy[i];
        ratios += mask * ratio;
        largest = max(largest, abs(ratio - 1.0));
    }
    loss = sum_all(thread, loss) / n;
    square = sum_all(thread, square) / n;
    clipped = sum_all(thread, clipped) / n;
    disorder = sum_all(thread, disorder) / n;
    ratios = sum_all(thread, ratios) / n;
    largest = max_all(thread, largest);
    if thread == 0u {
        metrics[0] = loss;
        metrics[1] = square;
        metrics[2] = clipped;
        metrics[3] = disorder;
        metrics[4] = ratios;
        metrics[5] = largest;
    }
}
