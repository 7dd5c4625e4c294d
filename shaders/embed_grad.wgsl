// dwte and dwpe, one row a workgroup (core/src/ops/embed.rs). A token's row first lists where the token
// stands, CHUNK places at a time and in order, then sums dx over the list: one order, no atomics.
const THREADS: u32 = 64u;
const SLICE: u32 = 16u;
const CHUNK: u32 = THREADS * SLICE;

@group(0) @binding(0) var<storage, read> dx: array<f32>;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read_write> dwte: array<f32>;
@group(0) @binding(3) var<storage, read_write> dwpe: array<f32>;

var<workgroup> counts: array<u32, THREADS>;
var<workgroup> places: array<u32, CHUNK>;

// Fills `places` with where `token` stands in start..start+CHUNK; returns how often.
fn find(token: u32, start: u32, thread: u32) -> u32 {
    let first = min(start + thread * SLICE, B * T);
    let end = min(first + SLICE, B * T);
    var count = 0u;
    for (var i = first; i < end; i++) {
        count += u32(tokens[i] == token);
    }
    workgroupBarrier();
    counts[thread] = count;
    workgroupBarrier();
    var before = 0u;
    var total = 0u;
    for (var i = 0u; i < THREADS; i++) {
        before += select(0u, counts[i], i < thread);
        total += counts[i];
    }
    for (var i = first; i < end; i++) {
        if tokens[i] == token {
            places[before] = i;
            before++;
        }
    }
    workgroupBarrier();
    return total;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
    let row = flat_group(group);
    if row >= V {
        let position = row - V;
        if position < T {
            for (var c = thread; c < C; c += THREADS) {
                var sum = 0.0;
                for (var b = 0u; b < B; b++) {
                    sum += dx[(b * T + position) * C + c];
                }
                dwpe[position * C + c] += sum;
            }
        }
        return;
    }
    for (var start = 0u; start < B * T; start += CHUNK) {
        let total = find(row, start, thread);
        for (var c = thread; c < C; c += THREADS) {
            var sum = 0.0;
            for (var i = 0u; i < total; i++) {
                sum += dx[places[i] * C + c];
            }
            dwte[row * C + c] += sum;
        }
    }
}
