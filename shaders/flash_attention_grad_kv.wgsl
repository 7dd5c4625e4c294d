// dK and dV: one key row a thread, tiles of Q and dO passing by from the diagonal on, P recomputed from
// the log-sum-exp (Dao 2023, algorithm 2; core/src/ops/flash_attention.rs).
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> dout: array<f32>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read_write> dqkv: array<f32>;

var<workgroup> queries: array<vec4f, TILE * D4>;
var<workgroup> grads: array<vec4f, TILE * D4>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let h = group.y;
    let b = group.z;
    let row = group.x * ROWS + thread;
    let mine = query(b, min(row, T - 1u), h);
    var k: Row;
    var v: Row;
    var dk: Row;
    var dv: Row;
    for (var i = 0u; i < D4; i++) {
        k[i] = four_of_qkv(mine + C, i);
        v[i] = four_of_qkv(mine + 2u * C, i);
        dk[i] = vec4f();
        dv[i] = vec4f();
    }
    // Queries before this workgroup's first key see none of its keys.
    for (var start = group.x * ROWS; start < T; start += TILE) {
        workgroupBarrier();
        for (var i = thread; i < TILE * D4; i += ROWS) {
            let t = min(start + i / D4, T - 1u);
            queries[i] = four_of_qkv(query(b, t, h), i % D4) * SCALE;
            grads[i] = four_of_dout(output(b, t, h), i % D4);
        }
        workgroupBarrier();
        let line = (b * H + h) * T + start;
        let last = min(TILE, T - start);
        for (var j = max(row, start) - start; j < last; j++) {
            var s = 0.0;
            var dp = 0.0;
            for (var i = 0u; i < D4; i++) {
                s += dot(queries[j * D4 + i], k[i]);
                dp += dot(grads[j * D4 + i], v[i]);
            }
            let p = exp(s - lse[line + j]);
            // Queries carry SCALE already, so dK needs no further factor.
            let ds = p * (dp - delta[line + j]);
            for (var i = 0u; i < D4; i++) {
                dk[i] += ds * queries[j * D4 + i];
                dv[i] += p * grads[j * D4 + i];
            }
        }
    }
    if row < T {
        for (var d = 0u; d < D; d++) {
            dqkv[mine + C + d] = dk[d / 4u][d % 4u];
            dqkv[mine + 2u * C + d] = dv[d / 4u][d % 4u];
        }
    }
}
