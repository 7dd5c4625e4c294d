// FlashAttention-2, algorithm 1 (Dao 2023): one query row a thread, tiles of K and V passing by, softmax
// online (core/src/ops/flash_attention.rs).
@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> o: array<f32>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;

fn put(at: u32, value: f32) {
    o[at] = value;
}

@compute @workgroup_size(ROWS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let h = group.y;
    let b = group.z;
    let row = group.x * ROWS + thread;
    var q = Row();
    if row < T {
        q = scaled(row_of_qkv(query(b, row, h)), SCALE);
    }
    var sum = Row();
    var largest = -1e30;
    var weight = 0.0;
    let end = last_key(group.x);
    for (var start = 0u; start < end; start += TILE) {
        bring_keys(b, h, start, thread);
        let seen = seen_keys(row, start);
        for (var j = 0u; j < seen; j++) {
            let score = dot_a(q, j);
            // A larger score turns up: what was summed so far shrinks against it.
            if score > largest {
                let rescale = exp(largest - score);
                weight *= rescale;
                sum = scaled(sum, rescale);
                largest = score;
            }
            let p = exp(score - largest);
            weight += p;
            sum = plus_b(sum, p, j);
        }
    }
    if row < T {
        put_row(output(b, row, h), scaled(sum, 1.0 / weight));
        lse[(b * H + h) * T + row] = largest + log(weight);
        writes(1u);
    }
    settle();
}
