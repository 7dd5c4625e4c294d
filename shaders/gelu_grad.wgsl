// dpre = dy · gelu'(pre) (core/src/ops/gelu.rs).
@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> pre: array<f32>;
@group(0) @binding(2) var<storage, read_write> dpre: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 256u + thread;
    if i < N {
        dpre[i] = dy[i] * gelu_slope(vec4f(pre[i])).x;
    }
}
