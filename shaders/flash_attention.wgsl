// FlashAttention-2, algorithm 1 (Dao 2023): one query row a thread, tiles of K and V passing by, softmax
// online (core/src/ops/flash_attention.rs).
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> o: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;

var<workgroup> keys: array<vec4f, TILE * D4>;
var<workgroup> values: array<vec4f, TILE * D4>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let h = group.y;
    let b = group.z;
    let row = group.x * ROWS + thread;
    let mine = query(b, min(row, T - 1u), h);
    var q: Row;
    var sum: Row;
    for (var i = 0u; i < D4; i++) {
        q[i] = four_of_qkv(mine, i) * SCALE;
        sum[i] = vec4f();
    }
    var largest = -1e30;
    var weight = 0.0;
    // Tiles above the diagonal are skipped.
    let end = min(T, group.x * ROWS + ROWS);
    for (var start = 0u; start < end; start += TILE) {
        workgroupBarrier();
        for (var i = thread; i < TILE * D4; i += ROWS) {
            let at = query(b, min(start + i / D4, T - 1u), h);
            keys[i] = four_of_qkv(at + C, i % D4);
            values[i] = four_of_qkv(at + 2u * C, i % D4);
        }
        workgroupBarrier();
        // Keys of this tile that this row may see.
        let seen = min(TILE, max(row + 1u, start) - start);
        var scores: array<f32, TILE>;
        var peak = largest;
        for (var j = 0u; j < seen; j++) {
            var s = 0.0;
            for (var i = 0u; i < D4; i++) {
                s += dot(q[i], keys[j * D4 + i]);
            }
            scores[j] = s;
            peak = max(peak, s);
        }
        let rescale = exp(largest - peak);
        weight *= rescale;
        for (var i = 0u; i < D4; i++) {
            sum[i] *= rescale;
        }
        for (var j = 0u; j < seen; j++) {
            let p = exp(scores[j] - peak);
            weight += p;
            for (var i = 0u; i < D4; i++) {
                sum[i] += p * values[j * D4 + i];
            }
        }
        largest = peak;
    }
    if row < T {
        let out = output(b, row, h);
        for (var d = 0u; d < D; d++) {
            o[out + d] = sum[d / 4u][d % 4u] / weight;
        }
        lse[(b * H + h) * T + row] = largest + log(weight);
    }
}
