// AdamW with the clip by global norm (core/src/ops/adamw.rs), SPAN parameters a thread, no barrier.
const PARTS: u32 = 64u;

@group(0) @binding(0) var<storage, read> state: array<u32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> params: array<f32>;
@group(0) @binding(3) var<storage, read_write> m: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;
@group(0) @binding(5) var<storage, read_write> grads: array<f32>;

fn clip() -> f32 {
    if MAX_GRAD_NORM <= 0.0 {
        return 1.0;
    }
    var square = 0.0;
    for (var i = 0u; i < PARTS; i += 8u) {
#repeat i 0 8
        square += parts[i + #iu];
#end
    }
    return min(MAX_GRAD_NORM / (sqrt(square) + 1e-6), 1.0);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let factor = clip();
    let lr = bitcast<f32>(state[LR]);
    let rate = lr / bitcast<f32>(state[CORRECTION1]);
    let root = bitcast<f32>(state[CORRECTION2]);
    let first = flat_group(group) * THREADS * SPAN + thread;
    for (var i = first; i < min(first + THREADS * SPAN, N); i += THREADS) {
        let g = grads[i] * factor;
        let decay = select(1.0, 1.0 - lr * WEIGHT_DECAY, i < DECAYED);
        let mean = m[i] + (1.0 - BETA1) * (g - m[i]);
        let square = BETA2 * v[i] + (1.0 - BETA2) * g * g;
        m[i] = mean;
        v[i] = square;
        params[i] = params[i] * decay - rate * mean / (sqrt(square) / root + EPS);
        grads[i] = 0.0;
    }
}
