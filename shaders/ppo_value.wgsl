// The clipped value loss and its gradient in the values (core/src/ops/ppo.rs). One workgroup.
const THREADS: u32 = 256u;

@group(0) @binding(0) var<storage, read> values: array<f32>;
// mask, old ln p, old values, advantages, returns
@group(0) @binding(1) var<storage, read> old: array<f32>;
@group(0) @binding(2) var<storage, read_write> metrics: array<f32>;
@group(0) @binding(3) var<storage, read_write> seed: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var n = 0.0;
    for (var i = thread; i < N; i += THREADS) {
        n += old[i];
    }
    let share = 1.0 / max(sum_all(thread, n), 1.0);
    var loss = 0.0;
    var clipped = 0.0;
    for (var i = thread; i < N; i += THREADS) {
        let weight = old[i] * share;
        let value = values[i * WIDTH];
        let before = old[2u * N + i];
        let free = value - old[4u * N + i];
        let bound = clamp(value, before - CLIP, before + CLIP) - old[4u * N + i];
        let cut = bound * bound > free * free;
        loss += weight * 0.5 * max(free * free, bound * bound);
        clipped += select(0.0, weight, cut);
        for (var j = 0u; j < WIDTH; j++) {
            seed[i * WIDTH + j] = select(0.0, COEF * weight * free, j == 0u && !cut);
        }
    }
    loss = sum_all(thread, loss);
    clipped = sum_all(thread, clipped);
    if thread == 0u {
        metrics[0] = loss;
        metrics[1] = clipped;
    }
}
