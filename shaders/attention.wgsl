// softmax(Q·Kᵀ · SCALE)·V with its matrix written out (core/src/ops/attention.rs): one query row a
// workgroup; its line of the matrix lies in `probs` while it is worked on.
const THREADS: u32 = 32u;

@group(0) @binding(0) var<storage, read> qkv: array<f32>;
@group(0) @binding(1) var<storage, read_write> o: array<f32>;
@group(0) @binding(2) var<storage, read_write> probs: array<f32>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let line = flat_group(group);
    if line >= LINES {
        return;
    }
    let row = line % T;
    let h = line / T % H;
    let b = line / T / H;
    let q = query(b, row, h);
    let p = line * T;
    let seen = select(T, row + 1u, CAUSAL);
    var largest = -1e30;
    for (var j = thread; j < seen; j += THREADS) {
        let k = query(b, j, h) + C;
        var s = 0.0;
        for (var d = 0u; d < D; d++) {
            s += qkv[q + d] * qkv[k + d];
            reads(2u);
        }
        s *= SCALE;
        probs[p + j] = s;
        writes(1u);
        largest = max(largest, s);
    }
    largest = max_all(thread, largest);
    var sum = 0.0;
    for (var j = thread; j < T; j += THREADS) {
        var e = 0.0;
        if j < seen {
            e = exp(probs[p + j] - largest);
            reads(1u);
        }
        probs[p + j] = e;
        writes(1u);
        sum += e;
    }
    sum = sum_all(thread, sum);
    for (var j = thread; j < seen; j += THREADS) {
        probs[p + j] /= sum;
        reads(1u);
        writes(1u);
    }
    storageBarrier();
    let out = output(b, row, h);
    for (var d = thread; d < D; d += THREADS) {
        var total = 0.0;
        for (var j = 0u; j < seen; j++) {
            total += probs[p + j] * qkv[query(b, j, h) + 2u * C + d];
            reads(2u);
        }
        o[out + d] = total;
        writes(1u);
    }
    settle();
}
