// dQ = dS·K, dK = dSᵀ·Q, dV = Pᵀ·dO, one element of each a thread (core/src/ops/attention.rs).
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> dout: array<f32>;
@group(0) @binding(2) var<storage, read> probs: array<f32>;
@group(0) @binding(3) var<storage, read> ds: array<f32>;
@group(0) @binding(4) var<storage, read_write> dqkv: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let i = flat_group(group) * 64u + thread;
    if i >= N {
        return;
    }
    let d = i % D;
    let h = i / D % H;
    let t = i / C % T;
    let b = i / C / T;
    let matrix = (b * H + h) * T * T;
    var dq = 0.0;
    let seen = select(T, t + 1u, CAUSAL);
    for (var j = 0u; j < seen; j++) {
        dq += ds[matrix + t * T + j] * qkv[query(b, j, h) + C + d];
        reads(2u);
    }
    var dk = 0.0;
    var dv = 0.0;
    for (var j = select(0u, t, CAUSAL); j < T; j++) {
        dk += ds[matrix + j * T + t] * qkv[query(b, j, h) + d];
        dv += probs[matrix + j * T + t] * dout[output(b, j, h) + d];
        reads(4u);
    }
    let at = query(b, t, h) + d;
    dqkv[at] = dq;
    dqkv[at + C] = dk;
    dqkv[at + 2u * C] = dv;
    writes(3u);
    settle();
}
