// SCALE · P ∘ (dO·Vᵀ − rowsum(P ∘ dO·Vᵀ)), one query row a workgroup (core/src/ops/attention.rs).
const THREADS: u32 = 32u;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> dout: array<f32>;
@group(0) @binding(2) var<storage, read> probs: array<f32>;
@group(0) @binding(3) var<storage, read_write> ds: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let line = flat_group(group);
    if line >= LINES {
        return;
    }
    let row = line % T;
    let h = line / T % H;
    let b = line / T / H;
    let out = output(b, row, h);
    let p = line * T;
    let seen = select(T, row + 1u, CAUSAL);
    var sum = 0.0;
    for (var j = thread; j < seen; j += THREADS) {
        let v = query(b, j, h) + 2u * C;
        var dp = 0.0;
        for (var d = 0u; d < D; d++) {
            dp += dout[out + d] * qkv[v + d];
            reads(2u);
        }
        ds[p + j] = dp;
        sum += probs[p + j] * dp;
        reads(1u);
        writes(1u);
    }
    sum = sum_all(thread, sum);
    for (var j = thread; j < T; j += THREADS) {
        var d = 0.0;
        if j < seen {
            d = SCALE * probs[p + j] * (ds[p + j] - sum);
            reads(2u);
        }
        ds[p + j] = d;
        writes(1u);
    }
    settle();
}
