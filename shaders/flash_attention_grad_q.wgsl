// dQ: one query row a thread, tiles of K and V passing by, P recomputed from the log-sum-exp (Dao 2023,
// algorithm 2; core/src/ops/flash_attention_grad.rs).
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> dout: array<f32>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read_write> dqkv: array<f32>;

@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let h = group.y;
    let b = group.z;
    let row = group.x * ROWS + thread;
    var stats = vec2f();
    var q = Row();
    var g = Row();
    if row < T {
        stats = stats_of((b * H + h) * T + row);
        q = scaled(row_of_qkv(query(b, row, h)), SCALE);
        g = row_of_dout(output(b, row, h));
    }
    var dq = Row();
    let end = last_key(group.x);
    for (var start = 0u; start < end; start += TILE) {
        bring_keys(b, h, start, thread);
        let seen = seen_keys(row, start);
        for (var j = 0u; j < seen; j++) {
            let p = exp(dot_a(q, j) - stats.x);
            let ds = SCALE * p * (dot_b(g, j) - stats.y);
            dq = plus_a(dq, ds, j);
        }
    }
    if row < T {
        put_row(query(b, row, h), dq);
    }
    settle();
}
