// AdamW with the clip by global norm (core/src/ops/adamw.rs): 1,024 parameters a workgroup.
const PARTS: u32 = 64u;

@group(0) @binding(0) var<storage, read> state: array<u32>;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> params: array<f32>;
@group(0) @binding(3) var<storage, read_write> m: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;
@group(0) @binding(5) var<storage, read_write> grads: array<f32>;

var<workgroup> clip: f32;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    if thread == 0u {
        var square = 0.0;
        for (var i = 0u; i < PARTS; i++) {
            square += parts[i];
        }
        clip = 1.0;
        if MAX_GRAD_NORM > 0.0 {
            clip = min(MAX_GRAD_NORM / (sqrt(square) + 1e-6), 1.0);
        }
    }
    workgroupBarrier();
    let lr = bitcast<f32>(state[LR]);
    let rate = lr / bitcast<f32>(state[CORRECTION1]);
    let root = bitcast<f32>(state[CORRECTION2]);
    let first = flat_group(group) * 1024u + thread;
    for (var i = first; i < min(first + 1024u, N); i += 64u) {
        let g = grads[i] * clip;
        let decay = select(1.0, 1.0 - lr * WEIGHT_DECAY, i < DECAYED);
        m[i] += (1.0 - BETA1) * (g - m[i]);
        v[i] = BETA2 * v[i] + (1.0 - BETA2) * g * g;
        params[i] = params[i] * decay - rate * m[i] / (sqrt(v[i]) / root + EPS);
        grads[i] = 0.0;
    }
}
