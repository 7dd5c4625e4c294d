// delta = rowsum(dO ∘ O), one row of one head a thread (core/src/ops/flash_attention_grad.rs).
@group(0) @binding(0) var<storage, read> o: array<f32>;
@group(0) @binding(1) var<storage, read> dout: array<f32>;
@group(0) @binding(2) var<storage, read_write> delta: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 64u + thread;
    if i >= N {
        return;
    }
    let h = i / T % H;
    let at = ((i / T / H) * T + i % T) * H * D + h * D;
    var sum = 0.0;
    for (var d = 0u; d < D; d++) {
        sum += o[at + d] * dout[at + d];
        reads(2u);
    }
    delta[i] = sum;
    writes(1u);
    settle();
}
