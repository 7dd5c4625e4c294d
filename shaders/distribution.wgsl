// The probabilities that tokens are drawn with, one row a workgroup (core/src/ops/speculative.rs).
const THREADS: u32 = 64u;

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> settings: array<u32>;
@group(0) @binding(2) var<storage, read_write> probs: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let index = flat_group(group);
    if index >= ROWS {
        return;
    }
    let at = index * WIDTH;
    var best = logits[at];
    for (var i = thread; i < V; i += THREADS) {
        best = max(best, logits[at + i]);
    }
    best = max_all(thread, best);
    let temperature = bitcast<f32>(settings[0]);
    let greedy = temperature <= 0.0;
    var row = Filter(
        at,
        best,
        select(temperature, 1.0, greedy),
        select(settings[1], 1u, greedy),
        bitcast<f32>(settings[2]),
        0.0,
    );
    var total = 0.0;
    for (var i = thread; i < V; i += THREADS) {
        total += weight(row, i);
    }
    row.total = sum_all(thread, total);
    var sum = 0.0;
    for (var i = thread; i < WIDTH; i += THREADS) {
        var kept = 0.0;
        if i < V && stays(row, i) {
            kept = weight(row, i);
        }
        probs[at + i] = kept;
        sum += kept;
    }
    sum = sum_all(thread, sum);
    for (var i = thread; i < V; i += THREADS) {
        probs[at + i] /= sum;
    }
}
