// dK and dV: one key row a thread, tiles of Q and dO passing by from the diagonal on, P recomputed from
// the log-sum-exp (Dao 2023, algorithm 2; core/src/ops/flash_attention_grad.rs).
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read> dout: array<f32>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> delta: array<f32>;
@group(0) @binding(4) var<storage, read_write> dqkv: array<f32>;

var<workgroup> stats: array<vec2f, TILE>;

// Brings the tile of Q (scaled), dO, log-sum-exp and delta that begins at row `start` into workgroup memory,
// as far as there are rows.
fn bring_queries(b: u32, h: u32, start: u32, thread: u32) {
    workgroupBarrier();
    let there = min(TILE, T - start);
    for (var i = thread; i < there; i += ROWS) {
        stats[i] = stats_of((b * H + h) * T + start + i);
    }
    for (var i = thread; i < there * D4; i += ROWS) {
        let t = start + i / D4;
        tile_a[i] = four_of_qkv(query(b, t, h), i % D4) * SCALE;
        tile_b[i] = four_of_dout(output(b, t, h), i % D4);
    }
    workgroupBarrier();
}

@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let h = group.y;
    let b = group.z;
    let row = group.x * ROWS + thread;
    let mine = query(b, row, h);
    var k = Row();
    var v = Row();
    if row < T {
        k = row_of_qkv(mine + C);
        v = row_of_qkv(mine + 2u * C);
    }
    var dk = Row();
    var dv = Row();
    // Tiles of queries before this workgroup's first key see none of its keys.
    let first = select(0u, group.x * ROWS / TILE * TILE, CAUSAL);
    for (var start = first; start < T; start += TILE) {
        bring_queries(b, h, start, thread);
        let last = min(TILE, T - start);
        for (var j = select(0u, max(row, start) - start, CAUSAL); j < last; j++) {
            let p = exp(dot_a(k, j) - stats[j].x);
            // Queries carry SCALE already, so dK needs no further factor.
            let ds = p * (dot_b(v, j) - stats[j].y);
            dk = plus_a(dk, ds, j);
            dv = plus_b(dv, p, j);
        }
    }
    if row < T {
        put_row(mine + C, dk);
        put_row(mine + 2u * C, dv);
    }
    settle();
}
