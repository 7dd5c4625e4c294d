// Sums of squares of 64 stretches of SPAN gradients, one a thread (core/src/ops/grad_norm.rs).
@group(0) @binding(0) var<storage, read> grads: array<f32>;
@group(0) @binding(1) var<storage, read_write> parts: array<f32>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let part = group.x * THREADS + thread;
    let end = min((part + 1u) * SPAN, N);
    var i = part * SPAN;
    var sums = vec4f();
    for (; i + 4u <= end; i += 4u) {
        let four = vec4f(grads[i], grads[i + 1u], grads[i + 2u], grads[i + 3u]);
        sums = fma(four, four, sums);
    }
    for (; i < end; i++) {
        sums.x += grads[i] * grads[i];
    }
    parts[part] = sums.x + sums.y + sums.z + sums.w;
}
