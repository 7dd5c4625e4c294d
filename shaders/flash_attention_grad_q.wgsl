// dQ: one query row a thread, tiles of K and V passing by, P recomputed from the log-sum-exp (Dao 2023,
// algorithm 2; core/src/ops/flash_attention.rs).
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> dout: array<f32>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read_write> dqkv: array<f32>;

var<workgroup> keys: array<vec4f, TILE * D4>;
var<workgroup> values: array<vec4f, TILE * D4>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let h = group.y;
    let b = group.z;
    let row = group.x * ROWS + thread;
    let safe = min(row, T - 1u);
    let mine = query(b, safe, h);
    let out = output(b, safe, h);
    let line = (b * H + h) * T + safe;
    let total = lse[line];
    let shift = delta[line];
    var q: Row;
    var g: Row;
    var dq: Row;
    for (var i = 0u; i < D4; i++) {
        q[i] = four_of_qkv(mine, i) * SCALE;
        g[i] = four_of_dout(out, i);
        dq[i] = vec4f();
    }
    let end = min(T, group.x * ROWS + ROWS);
    for (var start = 0u; start < end; start += TILE) {
        workgroupBarrier();
        for (var i = thread; i < TILE * D4; i += ROWS) {
            let at = query(b, min(start + i / D4, T - 1u), h);
            keys[i] = four_of_qkv(at + C, i % D4);
            values[i] = four_of_qkv(at + 2u * C, i % D4);
        }
        workgroupBarrier();
        let seen = min(TILE, max(row + 1u, start) - start);
        for (var j = 0u; j < seen; j++) {
            var s = 0.0;
            var dp = 0.0;
            for (var i = 0u; i < D4; i++) {
                s += dot(q[i], keys[j * D4 + i]);
                dp += dot(g[i], values[j * D4 + i]);
            }
            let ds = SCALE * exp(s - total) * (dp - shift);
            for (var i = 0u; i < D4; i++) {
                dq[i] += ds * keys[j * D4 + i];
            }
        }
    }
    if row < T {
        for (var d = 0u; d < D; d++) {
            dqkv[mine + d] = dq[d / 4u][d % 4u];
        }
    }
}
